//! Copies the files that other processes run, from the daemon: a child reads them and writes into a file of the daemon's.
//! It looks at none of what it copies.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::Helper;
use super::link::Lost;
use super::message::{Mapped, OpenAnswer, OpenJob};
use super::nursery::Nursery;
use super::share::Share;
use crate::lookup::MappedFile;
use crate::sandbox::{Limits, Work};

/// Longest wait for what a process has mapped.
const LIST_PATIENCE: Duration = Duration::from_secs(1);
/// Longest wait for one copy: of a large file from a slow disk.
const COPY_PATIENCE: Duration = Duration::from_secs(5);

/// Children that may hang at once: there are not many for all that is to be looked at, and copies are worth the least.
const HUNG_MAX: usize = 1;

/// One child, started when it is needed first, and replaced when it is held.
pub struct Copier {
    nursery: Arc<Nursery>,
    limits: Limits,
    child: Option<Helper>,
    /// Children that did not answer in time since the last moment at which none hung.
    lost: usize,
}

impl Copier {
    /// Of files of at most so many bytes.
    pub fn new(nursery: &Arc<Nursery>, share: Share, file_bytes: u64) -> Self {
        let limits = Limits { file_bytes, ..share.opener };
        Self { nursery: Arc::clone(nursery), limits, child: None, lost: 0 }
    }

    /// The files that the process in `directory`, `/proc/PID`, has mapped to be executed; none where its root is that of
    /// the host in `host`. `None`: there was no answer.
    pub fn mapped(&mut self, directory: &Path, host: &Path) -> Option<Vec<MappedFile>> {
        let job = OpenJob::Mapped { directory: directory.into(), host: host.into() };
        match self.ask(&job, None, LIST_PATIENCE)? {
            OpenAnswer::Mapped(files) => Some(files.into_iter().map(file).collect()),
            _ => self.malformed(),
        }
    }

    /// What one of them holds, as its SHA-256 in hex; copies it as well, where there is a file to copy to. `None`: there
    /// was no answer.
    pub fn read(
        &mut self,
        (directory, host): (&Path, &Path),
        file: &MappedFile,
        to: Option<&File>,
    ) -> Option<Result<String, String>> {
        let job = OpenJob::Copy {
            directory: directory.into(),
            host: host.into(),
            name: file.path.as_path().into(),
            stamp: file.stamp,
            max: self.limits.file_bytes,
        };
        match self.ask(&job, to, COPY_PATIENCE)? {
            OpenAnswer::Copied(result) => Some(result),
            _ => self.malformed(),
        }
    }

    /// Gives back what the child needs.
    pub fn rest(&mut self) {
        self.child = None;
    }

    fn ask(&mut self, job: &OpenJob, file: Option<&File>, patience: Duration) -> Option<OpenAnswer> {
        let until = Some(Instant::now() + patience);
        let child = match self.child.take() {
            Some(child) => child,
            None => self.start()?,
        };
        let sent = child.link.send(job, file.map(|it| it.as_fd()), until);
        match sent.and_then(|()| child.link.receive::<OpenAnswer>(until)) {
            Ok((answer, _)) => {
                child.answered();
                self.child = Some(child);
                Some(answer)
            }
            Err(lost) => {
                self.lost += usize::from(lost == Lost::Late);
                child.end(lost);
                None
            }
        }
    }

    /// `None` also while those before hang in somebody's files.
    fn start(&mut self) -> Option<Helper> {
        if self.lost >= HUNG_MAX {
            if self.nursery.hung() > 0 {
                return None;
            }
            self.lost = 0;
        }
        Helper::start_as("copier", &self.nursery, Work::Open, self.limits).ok()
    }

    fn malformed<T>(&mut self) -> Option<T> {
        self.child.take().map(|it| it.end(Lost::Malformed));
        None
    }
}

fn file(Mapped { name, start, is_program, stamp }: Mapped) -> MappedFile {
    MappedFile { path: name.into(), start, is_program, stamp }
}
