//! Reading argv from /proc without being held up: the kernel takes the target's memory lock for it (kernel
//! fs/proc/base.c, `get_mm_cmdline`), and a process that is stuck with that lock would hold the scan for ever. What it
//! reads there are pages of the target, which may be of a file on a file system that hangs: not even SIGKILL ends who
//! waits for that. So a child reads for the daemon; commands that end soon have a thread for it.

use std::cell::Cell;
use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::children::Toucher;

/// Most bytes of argv kept: as many as the kernel side copies.
const ARGV_MAX: u64 = 4096;
/// Longest wait for one argv.
const PATIENCE: Duration = Duration::from_millis(200);
/// Readers alive at once: the one at work, and those that stuck processes hold.
const READERS: usize = 4;

/// A reader, replaced when it is held.
#[derive(Default)]
pub(super) struct Cmdlines {
    toucher: Option<Arc<Toucher>>,
    /// Files that the child did not read in time, since it was last asked.
    unread: Cell<usize>,
    reader: Option<CmdlineReader>,
    alive: Arc<AtomicUsize>,
}

struct CmdlineReader {
    files: SyncSender<File>,
    bytes: Receiver<Vec<u8>>,
}

impl Cmdlines {
    /// By a child; by a thread where there is none.
    pub(super) fn by(toucher: Option<Arc<Toucher>>) -> Self {
        Self { toucher, ..Self::default() }
    }

    /// What `file` holds; `None` where it did not come in time, or where too many readers are held already.
    pub(super) fn read(&mut self, file: File) -> Option<Vec<u8>> {
        if let Some(toucher) = &self.toucher {
            let read = toucher.read(&file, ARGV_MAX, PATIENCE);
            self.unread.set(self.unread.get() + usize::from(read.is_none()));
            return read;
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.start()?,
        };
        reader.files.send(file).ok()?;
        let bytes = reader.bytes.recv_timeout(PATIENCE).ok()?;
        // Not kept after a timeout: its answer would be taken for the next file's.
        self.reader = Some(reader);
        Some(bytes)
    }

    /// How many readers are held by stuck processes.
    pub(super) fn held(&self) -> usize {
        let held = self.alive.load(Ordering::Relaxed) - usize::from(self.reader.is_some());
        held + self.unread.take()
    }

    fn start(&self) -> Option<CmdlineReader> {
        if self.alive.fetch_add(1, Ordering::Relaxed) >= READERS {
            self.alive.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let (files, requests) = sync_channel::<File>(1);
        let (answers, bytes) = sync_channel(1);
        let alive = Arc::clone(&self.alive);
        let work = move || {
            for file in requests {
                let mut argv = Vec::new();
                // Gone half-way: what was read is still true.
                file.take(ARGV_MAX).read_to_end(&mut argv).ok();
                if answers.send(argv).is_err() {
                    break;
                }
            }
            alive.fetch_sub(1, Ordering::Relaxed);
        };
        let started = std::thread::Builder::new().name("argv-reader".to_owned()).spawn(work);
        if started.is_err() {
            self.alive.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(CmdlineReader { files, bytes })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_that_never_answers_holds_nobody_up_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
            .unwrap();
        // Both ends open: a read waits for bytes, as one of a stuck process's files does.
        let open = || OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        let quick = directory.path().join("quick");
        std::fs::write(&quick, b"a\0b\0").unwrap();
        let mut cmdlines = Cmdlines::default();
        assert_eq!(cmdlines.read(File::open(&quick).unwrap()).unwrap(), b"a\0b\0");
        let mut ends = Vec::new();
        for held in 1..=READERS {
            ends.push(open());
            assert_eq!(cmdlines.read(open()), None);
            assert_eq!(cmdlines.held(), held);
        }
        assert_eq!(cmdlines.read(File::open(&quick).unwrap()), None, "every reader is held");
        for mut end in ends {
            end.write_all(&[b'x'; 4096]).unwrap();
        }
        // A reader that is let go ends by itself; then there is room for a new one.
        while cmdlines.held() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(cmdlines.read(File::open(&quick).unwrap()).unwrap(), b"a\0b\0");
    }
}
