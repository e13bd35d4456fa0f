//! Which file systems can keep nobody waiting, by the mount tables of /proc: to read them enters no file system.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// More of a mount table is not read: a node with hundreds of containers has a megabyte.
const TABLE_BYTES_MAX: u64 = 4 << 20;
/// Kinds of file systems that need no device, and are served by the kernel alone.
const IN_MEMORY: [&str; 9] =
    ["tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs", "overlay", "aufs", "zfs", "shiftfs"];

/// It is on a file system that may keep us waiting.
#[derive(Debug, PartialEq, Eq)]
pub struct MayHang(Option<String>);

impl fmt::Display for MayHang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(kind) => write!(f, "it is on a network or user-space file system ({kind}), which may hang"),
            None => write!(f, "it is on a mount that no table lists"),
        }
    }
}

impl std::error::Error for MayHang {}

/// The mounts that can be met on the way from one root.
pub(super) struct Mounts {
    /// The tables that list them, the likeliest first.
    tables: Vec<PathBuf>,
    read: OnceCell<Read>,
}

struct Read {
    /// The kind of file system of each mount, by its number.
    kinds: HashMap<u64, String>,
    /// Kinds that this kernel keeps on a device of its own.
    on_device: Vec<String>,
}

impl Mounts {
    /// Of the mount namespace that this way leads to: `/proc/PID/root`, or a path of our own.
    pub(super) fn seen_from(way: &Path) -> Self {
        let there = way.file_name().filter(|it| *it == "root").and_then(|_| way.parent());
        let mut tables: Vec<PathBuf> = there.into_iter().map(|it| it.join("mountinfo")).collect();
        // In chroot(2) its own table lacks the mount that it is in.
        tables.push(PathBuf::from("/proc/self/mountinfo"));
        tables.push(PathBuf::from("/proc/1/mountinfo"));
        Self { tables, read: OnceCell::new() }
    }

    /// An error where what is open here, by `O_PATH`, is on a file system that may keep us waiting.
    pub(super) fn check(&self, open: impl AsFd) -> Result<()> {
        let read = self.read.get_or_init(|| self.read());
        match read.kinds.get(&mount_of(open)?) {
            Some(kind) if read.is_quick(kind) => Ok(()),
            kind => Err(MayHang(kind.cloned()).into()),
        }
    }

    fn read(&self) -> Read {
        let mut kinds = HashMap::new();
        for table in &self.tables {
            let text = text(table).unwrap_or_default();
            for (mount, kind) in text.lines().filter_map(mount) {
                kinds.entry(mount).or_insert(kind);
            }
        }
        let known = text(Path::new("/proc/filesystems")).unwrap_or_default();
        let on_device = known.lines().filter_map(|line| line.strip_prefix('\t')).map(str::to_owned).collect();
        Read { kinds, on_device }
    }
}

impl Read {
    /// On a device, and not served by a program; or in memory.
    fn is_quick(&self, kind: &str) -> bool {
        let on_device = self.on_device.iter().any(|it| it == kind) && !kind.starts_with("fuse");
        on_device || IN_MEMORY.contains(&kind)
    }
}

/// The number of the mount that it was opened on. Not by statx(2): some file systems are asked by that.
fn mount_of(open: impl AsFd) -> Result<u64> {
    let text = text(Path::new(&format!("/proc/self/fdinfo/{}", open.as_fd().as_raw_fd())))?;
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    number.context("the kernel does not say which mount it is on")
}

/// The number and kind of `36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw` (proc_pid_mountinfo(5)).
fn mount(line: &str) -> Option<(u64, String)> {
    let (fields, source) = line.split_once(" - ")?;
    Some((fields.split(' ').next()?.parse().ok()?, source.split(' ').next()?.to_owned()))
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TABLE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_rule() {
        let read =
            Read { kinds: HashMap::new(), on_device: ["ext4", "fuseblk", "xfs"].map(str::to_owned).to_vec() };
        for (kind, quick) in [
            ("ext4", true),
            ("xfs", true),
            ("tmpfs", true),
            ("overlay", true),
            ("fuse.sshfs", false),
            ("fuse", false),
            ("fuseblk", false),
            ("nfs4", false),
            ("cifs", false),
            ("9p", false),
            ("virtiofs", false),
            ("autofs", false),
            ("proc", false),
            ("unheard-of", false),
        ] {
            assert_eq!(read.is_quick(kind), quick, "{kind}");
        }
    }

    #[test]
    fn a_line_of_the_table_is_read_whatever_stands_in_its_paths() {
        for (line, want) in [
            ("36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw", Some((36, "ext3"))),
            (r"7 1 0:5 / /a\040-\040b rw - fuse.x y rw", Some((7, "fuse.x"))),
            ("7 1 0:5 / /a rw", None),
            ("x 1 0:5 / /a rw - ext4 y rw", None),
        ] {
            assert_eq!(mount(line), want.map(|(number, kind)| (number, kind.to_owned())), "{line}");
        }
    }

    #[test]
    fn the_mounts_of_this_process_are_known() {
        let mounts = Mounts::seen_from(Path::new("/proc/self/root"));
        assert!(mounts.check(File::open("/dev/shm").unwrap()).is_ok());
        let error = mounts.check(File::open("/proc").unwrap()).unwrap_err().to_string();
        assert!(error.contains("(proc)"), "{error}");
    }
}
