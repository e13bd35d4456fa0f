//! The file that does not go out as the kernel gives it: `status`, as JSON.

/// `status` as pairs, in the file's order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Status<'a> {
    /// Lines of `Key:\tvalue`. The kernel escapes line breaks in `Name`, so a process cannot add lines; bytes
    /// that are no UTF-8 have become replacement characters by now, as JSON has no others.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(80);
        let mut marks = Marks::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            // The keys are all different but on a file system of somebody's own: looked through only where it may be.
            if !marks.may_have(key) || pairs.iter().all(|(seen, _)| *seen != key) {
                pairs.push((key, value.trim_ascii()));
            }
        }
        Self(pairs)
    }

    /// As a JSON object.
    pub(super) fn json(&self) -> Vec<u8> {
        let bytes: usize = self.0.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
        let mut out = Vec::with_capacity(bytes + 2);
        out.push(b'{');
        for (at, (key, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            string(&mut out, key);
            out.push(b':');
            string(&mut out, value);
        }
        out.push(b'}');
        out
    }
}

/// Which keys may have been there: a bit for each, by its length and three of its bytes.
#[derive(Default)]
struct Marks([u64; 16]);

impl Marks {
    /// Whether one like this has been asked for before.
    fn may_have(&mut self, key: &str) -> bool {
        let byte = |at: usize| usize::from(key.as_bytes().get(at).copied().unwrap_or_default());
        let at = key.len() * 131 + byte(0) * 31 + byte(key.len().saturating_sub(1)) * 7 + byte(key.len() / 2);
        let (word, bit) = (&mut self.0[at / 64 % 16], 1 << (at % 64));
        let had = *word & bit != 0;
        *word |= bit;
        had
    }
}

/// A text as JSON. Most have nothing in them that needs an escape, and are copied.
fn string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_keeps_keys_values_and_order() {
        let file =
            b"Name:\ta:b\\nUid:\\t0 \xff\nUmask:\t0022\nUid:\t1000\t1000\t1000\t1000\nUid:\t0\nno colon\n\
                     VmRSS:\t    1204 kB\nGroups:\t \n";
        let json = String::from_utf8(Status::parse(&String::from_utf8_lossy(file)).json()).unwrap();
        let want = r#"{"Name":"a:b\\nUid:\\t0 �","Umask":"0022","Uid":"1000\t1000\t1000\t1000","VmRSS":"1204 kB","Groups":""}"#;
        assert_eq!(json, want);
        assert_eq!(Status::parse("").json(), b"{}");
        // Whatever a process calls itself, it reads back as it is.
        let name = "\"\\\u{1}\t\u{7f}é\u{2028}";
        let text = format!("Name:{name}x\nPid:1");
        let read: serde_json::Value = serde_json::from_slice(&Status::parse(&text).json()).unwrap();
        assert_eq!(read, serde_json::json!({"Name": format!("{name}x"), "Pid": "1"}));
        // Alike in all that is marked, and not the same.
        assert_eq!(Status::parse("axbcd:1\nazbcd:2\naxbcd:3").0, [("axbcd", "1"), ("azbcd", "2")]);
    }
}
