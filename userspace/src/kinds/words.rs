//! Words that the sentences of several rooms share: who, how much, how long.

use std::time::Duration;

use super::case::CaseFile;
use super::pieces::{Thread, Who};
use crate::text;

pub use crate::text::{duration, size};

/// `python3 (pid 13674)`: whom a case is about.
pub fn subject(file: &CaseFile) -> String {
    format!("{} (pid {})", text::printable(&file.process.name), file.process.pid)
}

/// A process as sentences name it: `python3 (pid 13674)`.
pub fn who(who: &Who) -> String {
    format!("{} (pid {})", who.name.shown(), who.pid)
}

/// `its main thread`, `its thread pool-1 (tid 13680)`.
pub fn thread(thread: &Thread) -> String {
    if thread.is_main {
        return "its main thread".to_owned();
    }
    format!("its thread {} (tid {})", thread.name.shown(), thread.tid)
}

/// A number of milliseconds: `340 ms`, `3.2 s`, `5 min`.
pub fn duration_ms(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

/// The items of a list in a sentence: `a, b, c`.
pub fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
