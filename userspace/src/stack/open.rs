//! Opening a file that a hostile process named: only a regular file on a file system that can't make us wait,
//! without so much as touching anything else, and inside the process's own root.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, fstatfs, openat, openat2};

use super::capture::Root;

/// Larger files are left alone. Only parts of a file are ever read.
const FILE_BYTES_MAX: u64 = 8 << 30;

/// File systems whose reads another process, or another machine, may delay for ever: FUSE, NFS, CIFS, SMB2, 9P,
/// Ceph. Their numbers are in the kernel's include/uapi/linux/magic.h and in each one's own sources.
const SLOW_FILE_SYSTEMS: [u64; 6] = [0x6573_5546, 0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400];

/// An open file, and what tells it from its successors.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: File,
    pub(super) key: FileKey,
    /// When its content, name or mode was last changed. No process can set it back.
    pub(super) changed_at: SystemTime,
    /// Whether only root, or who runs us, can write it.
    pub(super) trusted: bool,
}

/// The same key: the same file with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileKey {
    device: u64,
    inode: u64,
    pub(super) size_bytes: u64,
    changed: (i64, i64),
}

/// The root directory; an error where it can't be reached any more.
pub(super) fn root(root: &Root) -> Result<OwnedFd> {
    let directory = |path: &Path| {
        openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
    };
    match root {
        Root::Ours => directory(Path::new("/")),
        Root::Host(ways) => ways.iter().find_map(|way| directory(way)),
        Root::Another { ways, host } => {
            let host = directory(host);
            let differs = |it: &OwnedFd| !host.as_ref().is_some_and(|host| same(host, it));
            ways.iter().filter_map(|way| directory(way)).find(differs)
        }
    }
    .context("the process's root directory, such as its container's, is gone")
}

fn same(one: &OwnedFd, other: &OwnedFd) -> bool {
    let id = |it: &OwnedFd| fstat(it).ok().map(|stat| (stat.st_dev, stat.st_ino));
    id(one) == id(other)
}

/// Opens `path` as the process with this root would.
pub(super) fn open(root: &OwnedFd, path: &Path) -> Result<OpenFile> {
    if !path.is_absolute() {
        bail!("its name is not absolute");
    }
    // O_PATH touches nothing: no FIFO blocks, no device wakes up.
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), inside)
        .map_err(io::Error::from)?;
    let stat = fstat(&found).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        bail!("it is not a regular file");
    }
    let file_system = fstatfs(&found).map_err(io::Error::from)?.f_type;
    if SLOW_FILE_SYSTEMS.contains(&(file_system.cast_unsigned() & 0xffff_ffff)) {
        bail!("it is on a network or user-space file system");
    }
    let again = format!("/proc/self/fd/{}", found.as_fd().as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(openat(CWD, again, flags, Mode::empty()).map_err(io::Error::from)?);
    described(file)
}

fn described(file: File) -> Result<OpenFile> {
    let metadata = file.metadata()?;
    if metadata.len() > FILE_BYTES_MAX {
        bail!("it has {} bytes, more than the {FILE_BYTES_MAX} allowed", metadata.len());
    }
    let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
    let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
    let owner = metadata.uid();
    Ok(OpenFile {
        key: FileKey {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        },
        changed_at: SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds),
        trusted: (owner == 0 || owner == rustix::process::geteuid().as_raw()) && metadata.mode() & 0o022 == 0,
        file,
    })
}

/// A file of our own making, such as a copy in memory.
pub(super) fn own(file: File) -> Result<OpenFile> {
    Ok(OpenFile { changed_at: SystemTime::UNIX_EPOCH, trusted: true, ..described(file)? })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{FileType as Kind, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "x").unwrap();
        symlink("file", path("link")).unwrap();
        symlink("/dev/zero", path("zero")).unwrap();
        symlink("loop", path("loop")).unwrap();
        mknodat(CWD, path("fifo"), Kind::Fifo, Mode::RUSR, 0).unwrap();
        let ours = root(&Root::Ours).unwrap();
        let large = File::create(path("large")).unwrap();
        large.set_len(FILE_BYTES_MAX + 1).unwrap();
        for (name, fits) in [
            ("file", true),
            ("link", true),
            ("zero", false),
            ("loop", false),
            ("fifo", false),
            ("large", false),
            ("none", false),
            ("", false),
        ] {
            assert_eq!(open(&ours, &path(name)).is_ok(), fits, "{name}");
        }
        assert!(open(&ours, Path::new("Cargo.toml")).is_err(), "a relative name");
        assert!(open(&ours, Path::new("/proc/self/exe")).is_err(), "a magic link");
    }

    #[test]
    fn names_are_resolved_inside_the_root() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("lib.so"), "x").unwrap();
        symlink("/lib.so", directory.path().join("absolute")).unwrap();
        let way = directory.path().to_owned();
        let inside = root(&Root::Host(vec!["/nonexistent".into(), way.clone()])).unwrap();
        let another = |ways| Root::Another { ways, host: "/".into() };
        assert!(root(&another(vec![])).is_err() && root(&another(vec!["/usr/..".into()])).is_err());
        assert!(same(&root(&another(vec!["/".into(), way])).unwrap(), &inside));
        for (name, fits) in [
            ("/lib.so", true),
            ("/absolute", true),
            ("/../../../../../../lib.so", true),
            ("/etc/passwd", false),
        ] {
            assert_eq!(open(&inside, Path::new(name)).is_ok(), fits, "{name}");
        }
    }
}
