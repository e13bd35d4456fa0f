//! The folder of copies: bounded in bytes and in files, the longest unused go first.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use rustix::fs::statvfs;
use sha2::{Digest as _, Sha256};

/// Where a copy is written until it is whole.
const NEW: &str = "new";
/// A copy is made only where that leaves so many times as much to others, and so much at least.
const FREE_TIMES: u64 = 8;
const FREE_BYTES_MIN: u64 = 256 << 20;
/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// How much there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of all copies together.
    pub bytes: u64,
    /// Of one.
    pub file_bytes: u64,
    /// Copies.
    pub files: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 512 << 20, file_bytes: 128 << 20, files: 4096 }
    }
}

/// What a copy holds, in hex.
pub(super) type Digest = String;

struct Entry {
    bytes: u64,
    used: SystemTime,
}

pub(super) struct Folder {
    path: PathBuf,
    bounds: Bounds,
    entries: HashMap<Digest, Entry>,
    /// Copies that were thrown out to make room.
    pub(super) evicted: u64,
}

impl Folder {
    /// With what an earlier daemon left there. What is no copy is thrown out. There is none until the first copy.
    pub(super) fn open(path: PathBuf, bounds: Bounds) -> Result<Self> {
        let mut entries = HashMap::new();
        let listed = match fs::read_dir(&path) {
            Ok(listed) => Some(listed),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot list {}", path.display())),
        };
        for found in listed.into_iter().flatten() {
            let found = found?;
            let name = found.file_name().into_string().ok().filter(|it| is_digest(it));
            match (name, found.metadata()) {
                (Some(name), Ok(it)) if it.is_file() => {
                    let used = it.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    entries.insert(name, Entry { bytes: it.len(), used });
                }
                _ => drop(fs::remove_file(found.path())),
            }
        }
        let mut it = Self { path, bounds, entries, evicted: 0 };
        it.make_room(0);
        Ok(it)
    }

    fn bytes(&self) -> u64 {
        self.entries.values().map(|it| it.bytes).sum()
    }

    /// Where this copy is; it counts as used. `None`: it is gone.
    pub(super) fn use_copy(&mut self, digest: &str) -> Option<PathBuf> {
        let entry = self.entries.get_mut(digest)?;
        let path = self.path.join(digest);
        let now = SystemTime::now();
        // For the next daemon. It fails where somebody has taken the file away.
        let times = FileTimes::new().set_modified(now);
        if File::options().write(true).open(&path).and_then(|file| file.set_times(times)).is_err() {
            self.entries.remove(digest);
            return None;
        }
        entry.used = now;
        Some(path)
    }

    /// A file to write a copy of so many bytes into; `None` where there is no room for it.
    pub(super) fn begin(&self, bytes: u64) -> Result<Option<File>> {
        let disk = statvfs(self.path.parent().unwrap_or(&self.path))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let fits = bytes <= self.bounds.file_bytes && bytes <= self.bounds.bytes;
        if !fits || free < FREE_BYTES_MIN.max(bytes.saturating_mul(FREE_TIMES)) {
            return Ok(None);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(self.path.join(NEW))?;
        Ok(Some(file))
    }

    /// Takes in what was written: what it holds says its name.
    pub(super) fn finish(&mut self) -> Result<Digest> {
        let new = self.path.join(NEW);
        let (digest, bytes) = digest(&new)?;
        if self.entries.contains_key(&digest) && self.use_copy(&digest).is_some() {
            self.abandon();
            return Ok(digest);
        }
        self.make_room(bytes);
        fs::rename(&new, self.path.join(&digest))?;
        self.entries.insert(digest.clone(), Entry { bytes, used: SystemTime::now() });
        Ok(digest)
    }

    /// What was written is of no use.
    pub(super) fn abandon(&self) {
        fs::remove_file(self.path.join(NEW)).ok();
    }

    fn make_room(&mut self, bytes: u64) {
        let mut total = self.bytes();
        while total.saturating_add(bytes) > self.bounds.bytes
            || self.entries.len() + usize::from(bytes > 0) > self.bounds.files
        {
            let oldest = self.entries.iter().min_by_key(|(_, it)| it.used).map(|(name, _)| name.clone());
            let Some((name, entry)) = oldest.and_then(|it| self.entries.remove_entry(&it)) else { return };
            fs::remove_file(self.path.join(name)).ok();
            total -= entry.bytes;
            self.evicted += 1;
        }
    }
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
}

fn digest(path: &Path) -> Result<(Digest, u64)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut chunk, mut total) = (Sha256::new(), vec![0; CHUNK_BYTES], 0);
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok((data_encoding::HEXLOWER.encode(&hasher.finalize()), total));
        }
        hasher.update(&chunk[..read]);
        total += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 10, file_bytes: 6, files: 3 };

    fn add(folder: &mut Folder, content: &str) -> Option<Digest> {
        let mut file = folder.begin(content.len() as u64).unwrap()?;
        file.write_all(content.as_bytes()).unwrap();
        Some(folder.finish().unwrap())
    }

    fn names(path: &Path) -> usize {
        fs::read_dir(path).unwrap().count()
    }

    #[test]
    fn the_longest_unused_make_room_and_equal_ones_are_there_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kept");
        let mut folder = Folder::open(path.clone(), BOUNDS).unwrap();
        assert!(!path.exists(), "nobody needs it yet");
        let first = add(&mut folder, "aaaa").unwrap();
        let second = add(&mut folder, "bbbb").unwrap();
        assert_eq!(
            (add(&mut folder, "aaaa"), folder.entries.len(), folder.evicted),
            (Some(first.clone()), 2, 0)
        );
        assert_eq!(fs::read_to_string(folder.use_copy(&first).unwrap()).unwrap(), "aaaa");
        let third = add(&mut folder, "cccc").unwrap();
        assert_eq!((folder.entries.len(), folder.bytes(), folder.evicted), (2, 8, 1));
        assert!(folder.use_copy(&second).is_none(), "used longest ago");
        assert!(folder.use_copy(&first).is_some() && folder.use_copy(&third).is_some());
        assert!(add(&mut folder, "ddddddd").is_none(), "too large");
        for content in ["e", "f", "g", "h"] {
            add(&mut folder, content).unwrap();
        }
        assert_eq!((folder.entries.len(), names(&path)), (3, 3));
    }

    #[test]
    fn what_an_earlier_daemon_left_is_found_and_what_is_no_copy_goes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let digest = add(&mut Folder::open(path.clone(), BOUNDS).unwrap(), "aaaa").unwrap();
        for junk in ["new", "other"] {
            fs::write(path.join(junk), "x").unwrap();
        }
        let mut folder = Folder::open(path.clone(), BOUNDS).unwrap();
        assert_eq!((folder.entries.len(), folder.bytes(), names(&path)), (1, 4, 1));
        assert!(folder.use_copy(&digest).is_some());
        fs::remove_file(path.join(&digest)).unwrap();
        assert!(folder.use_copy(&digest).is_none());
        assert_eq!(folder.entries.len(), 0);
        // With smaller bounds what does not fit any more goes at once.
        for content in ["aaaa", "bbbb"] {
            add(&mut folder, content).unwrap();
        }
        let smaller = Folder::open(path, Bounds { bytes: 5, ..BOUNDS }).unwrap();
        assert_eq!((smaller.entries.len(), smaller.evicted), (1, 1));
    }
}
