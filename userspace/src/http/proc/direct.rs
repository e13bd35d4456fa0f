//! The two questions about /proc that are answered where they are asked, without a thread that may block: the list of
//! pids, and a process's `status`. Neither waits for a lock that a process can hold: the list takes none of a
//! process's, and `status` reads counters (kernel fs/proc/base.c `proc_pid_readdir`, fs/proc/array.c
//! `proc_pid_status`); files that take the memory lock, such as `cmdline` and `maps`, are read on the blocking pool.
//! Only where the root is the kernel's own file system: elsewhere a read may take as long as it likes.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, RawDir, fstatfs, openat};
use rustix::io::{Errno, read, retry_on_intr};

use super::beneath::{Content, Refusal, open_beneath, process_refusal};

/// The list of more processes takes milliseconds, and others wait for this thread.
const MAX_PROCESSES: usize = 1000;
/// `status` is one and a half kilobytes; the groups of a user who is in thousands make it longer.
const STATUS_BYTES: usize = 4096;
const MAX_STATUS_BYTES: usize = 1 << 20;
/// For some eight hundred entries at a time.
const ENTRIES_BYTES: usize = 32 << 10;

/// The root, held open.
pub(super) struct Direct {
    root: OwnedFd,
    /// How many processes the last list had.
    last: AtomicUsize,
}

impl Direct {
    /// `None` where the root is not the kernel's.
    pub(super) fn open(root: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, root, flags, Mode::empty()).ok()?;
        let is_kernels = fstatfs(&root).is_ok_and(|it| it.f_type == PROC_SUPER_MAGIC);
        is_kernels.then_some(Self { root, last: AtomicUsize::new(0) })
    }

    /// The pids of the processes there are, in numeric order; `None`: there are too many to be listed here.
    pub(super) fn pids(&self) -> Option<Result<Vec<u32>, Refusal>> {
        if self.last.load(Ordering::Relaxed) > MAX_PROCESSES {
            // Looked at again now and then by whoever reads the list elsewhere.
            return None;
        }
        let pids = self.list();
        if let Ok(pids) = &pids {
            self.last.store(pids.len(), Ordering::Relaxed);
        }
        Some(pids.map_err(Refusal::Failed))
    }

    /// How many processes there were when somebody else looked.
    pub(super) fn note(&self, count: usize) {
        self.last.store(count, Ordering::Relaxed);
    }

    fn list(&self) -> Result<Vec<u32>, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(&self.root, ".", flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(ENTRIES_BYTES);
        let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
        let mut pids = Vec::with_capacity(self.last.load(Ordering::Relaxed) + 16);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            // Whatever is no process does not begin with a digit.
            pids.extend(entry.file_name().to_str().ok().and_then(super::path::parse_pid));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// A process's `status`. One open file is one process's: the kernel ties it to the process, not to the pid, so
    /// what is read of it is of the process that had the pid when it was opened, or nothing.
    pub(super) fn status(&self, pid: u32) -> Result<Content, Refusal> {
        let process = open_beneath(self.root.as_fd(), &format!("{pid}/status"), OFlags::RDONLY);
        let file = process.map_err(process_refusal)?;
        let mut body = Vec::with_capacity(STATUS_BYTES);
        loop {
            if body.len() == body.capacity() {
                body.reserve(body.capacity());
            }
            let got = retry_on_intr(|| read(&file, rustix::buffer::spare_capacity(&mut body)));
            got.map_err(process_refusal)?;
            // The file is one record: what leaves room was all of it (kernel fs/seq_file.c `seq_read_iter`).
            if body.len() < body.capacity() || body.len() > MAX_STATUS_BYTES {
                let truncated = body.len() > MAX_STATUS_BYTES;
                return Ok(Content { body, truncated });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read_and_one_that_is_none_is_gone() {
        let direct = Direct::open(Path::new("/proc")).unwrap();
        let me = std::process::id();
        let pids = direct.pids().unwrap().unwrap();
        assert!(pids.contains(&me) && pids.is_sorted() && !pids.contains(&0));
        assert_eq!(direct.last.load(Ordering::Relaxed), pids.len());
        let status = String::from_utf8(direct.status(me).unwrap().body).unwrap();
        assert!(status.starts_with("Name:") && status.contains(&format!("\nPid:\t{me}\n")), "{status}");
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert_eq!(status.lines().count(), own.lines().count());
        assert_eq!(direct.status(u32::MAX), Err(Refusal::Gone));
        direct.note(MAX_PROCESSES + 1);
        assert!(direct.pids().is_none());
    }

    #[test]
    fn an_ended_process_has_no_status() {
        let direct = Direct::open(Path::new("/proc")).unwrap();
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(direct.status(child.id()), Err(Refusal::Gone));
    }

    #[test]
    fn only_the_kernels_own_file_system_is_read_so() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Direct::open(dir.path()).is_none());
        assert!(Direct::open(Path::new("/nonexistent")).is_none());
        assert!(Direct::open(Path::new("/proc/self")).is_some(), "a folder in it is in it");
    }
}
