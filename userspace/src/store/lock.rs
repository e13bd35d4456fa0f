//! One daemon a data folder: two would each resolve what the other sees, and send every alert twice.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::open::make_folder;

/// The file that is locked.
const FILE: &str = "lock";

/// Bytes read of what the other daemon wrote there.
const PID_BYTES: u64 = 16;

/// Held for as long as the daemon runs. The kernel lets go of it however the daemon ends (flock(2)).
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "held, not used")] File);

/// Another daemon has the folder.
#[derive(Debug)]
pub struct InUse {
    dir: PathBuf,
    pid: Option<u32>,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pid = self.pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        write!(
            f,
            "another ai-debugger{pid} is using the data folder {}: stop it, or choose another folder with --data-dir",
            self.dir.display()
        )
    }
}

impl std::error::Error for InUse {}

impl DataLock {
    /// Takes the folder, made if it is not there, or says who has it: an [`InUse`]. `None`: its file system knows
    /// no locks.
    pub fn take(dir: &Path) -> Result<Option<Self>> {
        make_folder(dir)?;
        let path = dir.join(FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(InUse { dir: dir.to_owned(), pid: holder(&mut file) }.into());
            }
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK) => return Ok(None),
            Err(err) => return Err(err).with_context(|| format!("cannot lock {}", path.display())),
        }
        // For people only: a full disk must not keep the daemon from starting.
        let note = || {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        if let Err(err) = { note }() {
            tracing::debug!("cannot write the pid into {}: {err}", path.display());
        }
        Ok(Some(Self(file)))
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_daemon_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataLock::take(dir.path()).unwrap().expect("this file system has locks");
        let error = DataLock::take(dir.path()).unwrap_err();
        assert!(error.is::<InUse>(), "{error:#}");
        let said = error.to_string();
        let pid = std::process::id();
        assert!(
            said.starts_with(&format!("another ai-debugger (pid {pid}) is using the data folder")),
            "{said}"
        );
        assert!(said.contains(dir.path().to_str().unwrap()) && said.contains("--data-dir"), "{said}");
        // What stands in the file is not what is believed: only the lock is.
        drop(first);
        std::fs::write(dir.path().join(FILE), "1\n").unwrap();
        let _second = DataLock::take(dir.path()).unwrap().unwrap();
        std::fs::write(dir.path().join(FILE), "not a pid, and longer than one would be").unwrap();
        let said = DataLock::take(dir.path()).unwrap_err().to_string();
        assert!(said.starts_with("another ai-debugger is using"), "{said}");
    }
}
