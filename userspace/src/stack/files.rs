//! The files of a crashed process: which names are wanted, who opens them, and what tells an open one from its
//! successors. Opening is not done here: it needs privilege, and may hang.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};

use super::capture::{Capture, LoadedModule};
use super::{BuildId, MODULES_MAX};

/// Larger files are left alone. Only parts of a file are ever read.
pub const FILE_BYTES_MAX: u64 = 8 << 30;

/// Where open files come from.
pub trait Files {
    /// Whether the root of the process can be reached; else why not.
    fn root(&self) -> Result<(), String>;
    /// A file by the name that the process had for it; else why there is none.
    fn open(&self, path: &Path) -> Result<FoundFile, String>;
    /// The separate debug information that the distribution has of a file, if it has.
    fn debug(&self, build_id: &BuildId) -> Option<File>;
}

/// A file that was found by its name.
#[derive(Debug)]
pub struct FoundFile {
    /// The file, or a copy of it.
    pub file: File,
    /// Of a copy that was kept: when the original was changed last, in seconds and nanoseconds since 1970.
    pub kept: Option<(i64, i64)>,
}

/// The names that a capture's stack may need, each once.
pub fn wanted(capture: &Capture) -> Vec<PathBuf> {
    let own = capture.executable.iter().chain(&capture.mapped);
    let modules = capture.modules.iter().take(MODULES_MAX).filter(|it| !is_executable(it));
    let modules = modules.filter_map(|it| it.path.as_ref()).filter(|path| !is_vdso(path));
    let mut wanted: Vec<PathBuf> = Vec::new();
    for path in own.chain(modules) {
        if !wanted.contains(path) {
            wanted.push(path.clone());
        }
    }
    wanted
}

pub(super) fn is_executable(module: &LoadedModule) -> bool {
    module.path.as_ref().is_none_or(|path| path.as_os_str().is_empty())
}

pub(super) fn is_vdso(path: &Path) -> bool {
    ["linux-vdso.so.1", "linux-gate.so.1"].iter().any(|it| path.as_os_str() == *it)
}

/// An open file, and what tells it from its successors.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) key: FileKey,
    /// When its content, name or mode was last changed. No process can set it back.
    pub(super) changed_at: SystemTime,
}

/// The same key: the same file with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    device: u64,
    inode: u64,
    size_bytes: u64,
    changed: (i64, i64),
}

impl OpenFile {
    pub(super) fn of(file: File) -> Result<Self> {
        let metadata = file.metadata()?;
        if metadata.len() > FILE_BYTES_MAX {
            bail!("it has {} bytes, more than the {FILE_BYTES_MAX} allowed", metadata.len());
        }
        Ok(Self {
            key: FileKey {
                device: metadata.dev(),
                inode: metadata.ino(),
                size_bytes: metadata.len(),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            },
            changed_at: since_1970((metadata.ctime(), metadata.ctime_nsec())),
            file,
        })
    }

    /// One that was found.
    pub(super) fn found(FoundFile { file, kept }: FoundFile) -> Result<Self> {
        let opened = Self::of(file)?;
        // A copy is as old as what it is a copy of.
        Ok(Self { changed_at: kept.map_or(opened.changed_at, since_1970), ..opened })
    }

    /// A file of our own making, such as a copy in memory.
    pub(super) fn own(file: File) -> Result<Self> {
        Ok(Self { changed_at: SystemTime::UNIX_EPOCH, ..Self::of(file)? })
    }
}

fn since_1970((seconds, nanoseconds): (i64, i64)) -> SystemTime {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
    // A file system's own times may be nonsense.
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds.into()))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
