//! A reserve of disk: a file that is given up for the store when the disk is full, so that whoever fills the disk does
//! not keep what happens then from being stored at once.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

/// Room for some thousand incidents without evidence, or some hundred with it. Less for the many stores of tests.
const BYTES: u64 = if cfg!(test) { 64 << 10 } else { 4 << 20 };
/// It is made, or made anew, only where that leaves as much to others several times over.
const FREE_TIMES: u64 = 8;
const FILE: &str = "reserve";

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub(super) fn new(dir: &Path) -> Self {
        Self { path: dir.join(FILE) }
    }

    /// Sees that it is there; whether it is.
    pub(super) fn keep(&self) -> bool {
        if fs::metadata(&self.path).is_ok_and(|it| it.len() >= BYTES) {
            return true;
        }
        let free = statvfs(self.path.parent().unwrap_or(&self.path))
            .map(|it| it.f_bavail.saturating_mul(it.f_frsize));
        if !free.is_ok_and(|free| free >= BYTES * FREE_TIMES) {
            return false;
        }
        self.fill().inspect_err(|_| drop(fs::remove_file(&self.path))).is_ok()
    }

    /// Written, not only sized: a hole takes no room from others.
    fn fill(&self) -> io::Result<()> {
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&self.path)?;
        // Not zeros: some file systems keep none of those.
        let block: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 16).collect();
        for _ in 0..BYTES / (1 << 16) {
            file.write_all(&block)?;
        }
        file.sync_all()
    }

    /// Gives it up; whether there was any.
    pub(super) fn give_up(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_its_room_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path());
        assert!(!reserve.give_up());
        assert!(reserve.keep() && reserve.keep());
        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES);
        assert!(reserve.give_up() && !path.exists());
        fs::write(&path, "cut").unwrap();
        assert!(reserve.keep());
        assert_eq!(fs::metadata(&path).unwrap().len(), BYTES);
    }
}
