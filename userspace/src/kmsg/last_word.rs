//! What the kernel's log says of the end of one process: for the daemon that starts after one that was felled.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::{DEVICE, open};

/// Records read at the most: the log's ring holds fewer.
const RECORDS: usize = 200_000;
/// Longest record (`CONSOLE_EXT_LOG_MAX` and some, kernel/printk/printk.c 6.12).
const RECORD: usize = 8192;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWord {
    /// By the OOM killer.
    OomKill,
    /// By a fault.
    Fault,
}

/// The last the kernel's log has of how this process ended; `None`: nothing, or it can't be read.
pub fn last_word_of(pid: u32) -> Option<LastWord> {
    let mut log = File::from(open(Path::new(DEVICE)).ok()?);
    log.seek(SeekFrom::Start(0)).ok()?;
    let (mut record, mut last) = ([0; RECORD], None);
    for _ in 0..RECORDS {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(bytes) => last = word(&String::from_utf8_lossy(&record[..bytes]), pid).or(last),
            // Overwritten while it was read: the next read goes on behind that.
            Err(err) if err.kind() == ErrorKind::BrokenPipe || err.kind() == ErrorKind::Interrupted => {}
            // The end of the log, or a record that is too long.
            Err(_) => break,
        }
    }
    last
}

/// `Killed process 17 (x)` of mm/oom_kill.c; `x[17]: segfault at` and `traps: x[17] general protection fault` of
/// arch/x86/mm/fault.c and arch/x86/kernel/traps.c; `x[17]: unhandled` of arch/arm64/kernel/traps.c.
pub(super) fn word(record: &str, pid: u32) -> Option<LastWord> {
    // `6,1234,5678,-;text`: what a process wrote there itself has a facility, and is no word of the kernel's.
    let (prefix, text) = record.split_once(';')?;
    let level: u32 = prefix.split(',').next()?.parse().ok()?;
    if level >= 8 {
        return None;
    }
    if text.contains(&format!("Killed process {pid} (")) {
        return Some(LastWord::OomKill);
    }
    let faults = ["segfault at", "general protection", "trap ", "unhandled", "error "];
    let its = text.find(&format!("[{pid}]"))?;
    faults.iter().any(|it| text[its..].contains(it)).then_some(LastWord::Fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_and_nobody_elses() {
        for (record, want) in [
            ("3,1,2,-;Out of memory: Killed process 17 (ai-debugger) total-vm:1kB", Some(LastWord::OomKill)),
            ("3,1,2,-;Memory cgroup out of memory: Killed process 17 (x), UID 0", Some(LastWord::OomKill)),
            ("3,1,2,-;Out of memory: Killed process 170 (x)", None),
            ("6,1,2,-;tokio-runtime-w[17]: segfault at 0 ip 0 sp 0 error 4 in x", Some(LastWord::Fault)),
            ("6,1,2,-;traps: ai-debugger[17] general protection fault ip:0", Some(LastWord::Fault)),
            ("6,1,2,-;x[170]: segfault at 0", None),
            ("6,1,2,-;systemd[17]: started", None),
            // Written to /dev/kmsg by a process: facility 1.
            ("12,1,2,-;Killed process 17 (x)", None),
            ("nonsense", None),
        ] {
            assert_eq!(word(record, 17), want, "{record}");
        }
    }
}
