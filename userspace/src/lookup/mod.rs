//! Names that a hostile process gave: found as that process would find them, inside its own root, and never through a
//! file system that another process or machine may keep waiting. What kind a file system is says the mount table, which
//! is asked without entering it. It can still hang, as a disk may: so only a process that may hang looks anything up.

mod mapped;
mod mounts;
mod names;
mod process;
mod root;

pub use mapped::{MappedFile, Stamp, mapped, read_mapped};
pub use mounts::MayHang;
pub use process::{OfProcess, of_process};
pub use root::{Base, Root, base};

use names::{LastLink, find};

use std::fs::File;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Result, bail};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

/// Opens a regular file of this name for reading. Touches nothing else: no FIFO blocks, no device wakes up.
pub fn open(base: &Base, path: &std::path::Path) -> Result<File> {
    let found = find(base, path, LastLink::Followed)?;
    if found.kind != FileType::RegularFile {
        bail!("it is no regular file");
    }
    let again = format!("/proc/self/fd/{}", found.fd.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(File::from(openat(CWD, again, flags, Mode::empty())?))
}

/// Whether only root of the host can write it.
pub fn is_roots(file: &File) -> bool {
    fstat(file).is_ok_and(|it| it.st_uid == 0 && it.st_mode & 0o022 == 0)
}

/// Of these names the first, by its number, that is a regular file which only root of the host can write.
pub fn first(base: &Base, paths: impl Iterator<Item = std::path::PathBuf>) -> Option<(usize, File)> {
    paths.enumerate().find_map(|(number, path)| Some((number, open(base, &path).ok().filter(is_roots)?)))
}

#[cfg(test)]
mod tests;
