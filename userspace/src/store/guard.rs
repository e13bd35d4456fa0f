//! Whether the database's files are still those that were opened: deleted, replaced or cut behind the daemon's back,
//! SQLite may go on for a while as if nothing were, and what it writes then is gone with the next start.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::open::with_suffix;

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// It is not there.
    Deleted,
    /// Another is in its place.
    Replaced,
    /// It is shorter than it was.
    Cut,
}

impl Harm {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Deleted => "was deleted",
            Self::Replaced => "was replaced by another file",
            Self::Cut => "was cut",
        }
    }
}

/// One database's files as they were seen last.
#[derive(Debug)]
pub(super) struct Guard {
    files: [Watched; 2],
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
}

impl Guard {
    /// Of the database that was just opened at `path`, and of its log of changes.
    pub(super) fn new(path: &Path) -> Self {
        let watched = |path: PathBuf| Watched { seen: look(&path).ok().flatten(), path };
        Self { files: [watched(path.to_owned()), watched(with_suffix(path, "-wal"))] }
    }

    /// What happened to them since the last look. They only ever grow: nothing here vacuums, and SQLite writes the log of
    /// changes anew from its start without making it shorter.
    pub(super) fn look(&mut self) -> Option<Harm> {
        self.files.iter_mut().find_map(Watched::look)
    }
}

impl Watched {
    fn look(&mut self) -> Option<Harm> {
        // A file that can't be looked at is the disk's trouble, which SQLite meets as well.
        let Ok(now) = look(&self.path) else { return None };
        let harm = match (self.seen, now) {
            (Some(_), None) => Some(Harm::Deleted),
            (Some(seen), Some(now)) if (seen.device, seen.inode) != (now.device, now.inode) => {
                Some(Harm::Replaced)
            }
            (Some(seen), Some(now)) if now.bytes < seen.bytes => Some(Harm::Cut),
            _ => None,
        };
        if harm.is_none() {
            self.seen = now;
        }
        harm
    }
}

fn look(path: &Path) -> io::Result<Option<Seen>> {
    match fs::symlink_metadata(path) {
        Ok(it) => Ok(Some(Seen { device: it.dev(), inode: it.ino(), bytes: it.len() })),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn what_happens_to_a_file_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "four").unwrap();
        let mut guard = Guard::new(&path);
        assert_eq!(guard.look(), None);
        fs::write(dir.path().join("a-wal"), "log").unwrap();
        assert_eq!(guard.look(), None, "the log comes with the first change");
        fs::write(&path, "longer").unwrap();
        assert_eq!(guard.look(), None);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(5).unwrap();
        assert_eq!(guard.look(), Some(Harm::Cut));
        assert_eq!(guard.look(), Some(Harm::Cut), "and stays so");
        fs::rename(&path, dir.path().join("b")).unwrap();
        assert_eq!(guard.look(), Some(Harm::Deleted));
        fs::write(&path, "longer still").unwrap();
        assert_eq!(guard.look(), Some(Harm::Replaced));
        let mut guard = Guard::new(&path);
        fs::remove_file(dir.path().join("a-wal")).unwrap();
        assert_eq!(guard.look(), Some(Harm::Deleted));
    }
}
