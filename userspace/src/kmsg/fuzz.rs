//! For the fuzzer: the kernel's log, as records of the device, and as lines without their heads.

use std::time::Duration;

use super::last_word;
use super::record::{LogRecord, unescape};
use super::report::Reports;

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    let (mut by_record, mut by_line) = (Reports::new(4096), Reports::new(4096));
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(record) = LogRecord::parse(line) {
            by_record.line(record.stamp, record.text, record.continues);
        }
        let text = String::from_utf8_lossy(line);
        assert!(unescape(&text).len() <= text.len() * 3, "an escape is longer than what it stands for");
        last_word::word(&text, 17);
        by_line.line(Duration::from_secs(1), &text, text.starts_with(' '));
    }
}
