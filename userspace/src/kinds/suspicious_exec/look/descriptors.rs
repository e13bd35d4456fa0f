//! What a process's descriptors are, by the names that /proc gives them: read without touching what is behind them.

use std::fs;
use std::path::{Path, PathBuf};

/// Most descriptors read of one process.
const DESCRIPTORS_MAX: usize = 256;

/// The descriptors of one process: number and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Descriptors {
    directory: PathBuf,
    all: Vec<(u32, String)>,
}

impl Descriptors {
    pub(super) fn of(directory: &Path) -> Self {
        let entries = fs::read_dir(directory.join("fd")).into_iter().flatten().flatten();
        let named = entries.take(DESCRIPTORS_MAX).filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        });
        Self { directory: directory.into(), all: named.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The inodes of those that are sockets.
    pub(super) fn sockets(&self) -> Vec<u64> {
        let mut inodes: Vec<_> = self.all.iter().filter_map(|(_, name)| socket(name)).collect();
        inodes.sort_unstable();
        inodes.dedup();
        inodes
    }

    /// Whether one of the first three is the socket with this inode.
    pub(super) fn is_standard(&self, inode: u64) -> bool {
        self.all.iter().any(|(number, name)| *number <= 2 && socket(name) == Some(inode))
    }

    /// Whether one of them has this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|(_, it)| it == name)
    }

    /// Whether it may read what has this name: cat(1) opens its operands.
    pub(super) fn reads(&self, name: &str) -> bool {
        self.all.iter().any(|(number, it)| it == name && !matches!(number, 1 | 2))
    }

    /// Where its output goes.
    pub(super) fn output(&self) -> Option<&str> {
        self.all.iter().find(|(number, _)| *number == 1).map(|(_, name)| name.as_str())
    }

    /// Whether one of them is the other end of the terminal `/dev/pts/INDEX` (pty(7)).
    pub(super) fn holds_terminal(&self, index: u32) -> bool {
        let ends = self.all.iter().filter(|(_, name)| name.ends_with("/ptmx"));
        ends.into_iter().any(|(number, _)| {
            let info = fs::read_to_string(self.directory.join("fdinfo").join(number.to_string()));
            info.is_ok_and(|info| tty_index(&info) == Some(index))
        })
    }
}

/// Descriptor `number` of the process in this directory.
pub(super) fn name(directory: &Path, number: u32) -> Option<String> {
    let link = fs::read_link(directory.join("fd").join(number.to_string())).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The inode of a socket, by a descriptor's name.
pub(super) fn socket(name: &str) -> Option<u64> {
    name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The number of a terminal, by a descriptor's name.
pub(super) fn terminal(name: &str) -> Option<u32> {
    name.strip_prefix("/dev/pts/")?.parse().ok()
}

/// A pipe, or a file that has a name and may be a FIFO: not a device.
pub(super) fn may_be_pipe(name: &str) -> bool {
    let is_device = name.starts_with("/dev/") && !name.starts_with("/dev/shm/");
    name.starts_with("pipe:[") || (name.starts_with('/') && !is_device)
}

/// Of the end that a program holds, the terminal's number (kernel drivers/tty/pty.c, `pty_show_fdinfo`).
fn tty_index(info: &str) -> Option<u32> {
    info.lines().find_map(|line| line.strip_prefix("tty-index:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_descriptors() {
        assert_eq!(
            (socket("socket:[4711]"), socket("pipe:[4711]"), socket("socket:[x]")),
            (Some(4711), None, None)
        );
        assert_eq!(
            (terminal("/dev/pts/12"), terminal("/dev/pts/ptmx"), terminal("/dev/tty1")),
            (Some(12), None, None)
        );
        for (name, want) in
            [("pipe:[1]", true), ("/tmp/f", true), ("/dev/null", false), ("socket:[1]", false)]
        {
            assert_eq!(may_be_pipe(name), want, "{name}");
        }
        assert_eq!(tty_index("pos:\t0\nflags:\t02\ntty-index:\t7\n"), Some(7));
        assert_eq!(tty_index("pos:\t0\n"), None);
    }
}
