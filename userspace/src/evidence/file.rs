//! One file of the kernel's, as evidence: read at once, and capped.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;

use crate::model::EvidenceFile;
use crate::sandbox::as_admin;

/// Most bytes kept of one file: a queue full of cases must stay small even when all of them are hostile.
pub(super) const FILE_MAX: usize = 16 * 1024;

pub(super) fn read(path: &Path, name: String, source: String) -> io::Result<EvidenceFile> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let open = || fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    // The kernel's stack of a process is an administrator's to see.
    let file = if name == "stack" { as_admin(open) } else { open() }?;
    let mut body = Vec::new();
    file.take(FILE_MAX as u64 + 1).read_to_end(&mut body)?;
    let truncated = body.len() > FILE_MAX;
    body.truncate(FILE_MAX);
    Ok(EvidenceFile { name, source, taken_at: Timestamp::now(), body, truncated })
}
