//! One record as /dev/kmsg gives it: `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS[,…];TEXT\n KEY=VALUE\n…` (kernel
//! Documentation/ABI/testing/dev-kmsg). Pure.

use std::time::Duration;

/// Who logged and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogRecord<'a> {
    /// Counts up by one from record to record: a gap is a loss.
    pub(super) sequence: u64,
    /// When, on the log's own clock.
    pub(super) stamp: Duration,
    /// Logged by the kernel. What a program writes to the device gets another facility, whatever it asks for
    /// (kernel kernel/printk/printk.c, `devkmsg_write`).
    pub(super) from_kernel: bool,
    /// A further piece of a line that other lines came between.
    pub(super) continues: bool,
    /// The line. The kernel has escaped what is not printable ASCII, so that a name in it cannot end it.
    pub(super) text: &'a str,
}

impl<'a> LogRecord<'a> {
    /// `None` for what is no record.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.split(|byte| *byte == b'\n').next()?;
        let (header, text) = std::str::from_utf8(bytes).ok()?.split_once(';')?;
        let mut fields = header.split(',');
        let mut number = || fields.next()?.parse::<u64>().ok();
        let (priority, sequence, stamp) = (number()?, number()?, number()?);
        Some(Self {
            sequence,
            stamp: Duration::from_micros(stamp),
            from_kernel: priority >> 3 == 0,
            continues: fields.next()?.contains('c'),
            text,
        })
    }
}

/// The bytes behind the kernel's escapes, `\x0a` for a line break; what is no UTF-8 is replaced.
pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let code = rest.get(at + 2..at + 4).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(b'\\'));
        rest = &rest[at + if code.is_some() { 4 } else { 1 }..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], want: Option<(u64, u64, bool, bool, &str)>) {
        let got = LogRecord::parse(bytes).map(|it| {
            (it.sequence, u64::try_from(it.stamp.as_micros()).unwrap(), it.from_kernel, it.continues, it.text)
        });
        assert_eq!(got, want, "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn records_are_taken_apart() {
        check(
            b"4,1131,4527770625,-;hello; world\n",
            Some((1131, 4_527_770_625, true, false, "hello; world")),
        );
        check(b"6,1,2,-,caller=T7;x\n SUBSYSTEM=pci\n DEVICE=+pci:0\n", Some((1, 2, true, false, "x")));
        check(b"6,1,2,c;,cpuset=/\n", Some((1, 2, true, true, ",cpuset=/")));
        // Facility 1, as of every program; 3, daemons.
        check(b"12,1,2,-;oom-kill:x\n", Some((1, 2, false, false, "oom-kill:x")));
        check(b"30,1,2,-;systemd[1]: x\n", Some((1, 2, false, false, "systemd[1]: x")));
        check(b"6,1,2,-;", Some((1, 2, true, false, "")));
        for malformed in [&b""[..], b"\n", b"6,1,2;x", b"6,1,x,-;x", b"x", b"-6,1,2,-;x", b"6,1,2,-;\xff"] {
            check(malformed, None);
        }
    }

    #[test]
    fn escapes_are_undone_once() {
        for (escaped, want) in [
            ("plain", "plain"),
            (r"big\x0aoom-kill:x", "big\noom-kill:x"),
            (r"\xe6\x97\xa5", "日"),
            (r"\x5cx0a", r"\x0a"),
            (r"\xff", "\u{fffd}"),
            (r"\x", r"\x"),
            (r"\xg", r"\xg"),
            (r"a\x0", r"a\x0"),
        ] {
            assert_eq!(unescape(escaped), want, "{escaped}");
        }
    }
}
