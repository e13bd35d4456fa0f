//! Looks at what may hang, from the daemon: it is asked of a child, and not waited for longer than it is worth.

use std::fmt;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::child::Helper;
use super::link::Lost;
use super::message::{Name, OpenAnswer, OpenJob};
use super::nursery::Nursery;
use super::share::Share;
use crate::lookup::{OfProcess, Root};
use crate::sandbox::Work;

/// For one look at a program's file.
const LOOK_PATIENCE: Duration = Duration::from_millis(200);

/// One child, replaced when it is held. Callers take turns.
pub struct Toucher {
    nursery: Arc<Nursery>,
    share: Share,
    // Held for one job, which has its deadline.
    child: Mutex<Option<Helper>>,
}

impl fmt::Debug for Toucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toucher").finish_non_exhaustive()
    }
}

impl Toucher {
    /// The child is started when it is needed first.
    pub fn new(nursery: &Arc<Nursery>, share: Share) -> Arc<Self> {
        Arc::new(Self { nursery: Arc::clone(nursery), share, child: Mutex::default() })
    }

    /// What a file of /proc holds, up to so much; `None` where it did not come in time. The file itself is one that
    /// can't hang when it is closed: what is behind it may.
    pub fn read(&self, file: impl AsFd, max: u64, patience: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + patience;
        self.with(|child| {
            child.link.send(&OpenJob::Read { max }, Some(file.as_fd()), Some(until))?;
            parts(child, max, until)
        })
    }

    /// Of these files the first that is there and that only root can write, by its number, and what it holds, up to so
    /// much; `None` also where there was no answer in time.
    pub fn first(
        &self,
        root: &Root,
        paths: &[PathBuf],
        max: u64,
        patience: Duration,
    ) -> Option<(usize, Vec<u8>)> {
        let names = paths.iter().map(|it| Name::from(it.as_path())).collect();
        let job = OpenJob::First { root: root.clone(), names, max };
        let until = Instant::now() + patience;
        let found = self.with(|child| {
            child.link.send(&job, None, Some(until))?;
            match child.link.receive(Some(until))?.0 {
                OpenAnswer::Found(None) => Ok(None),
                OpenAnswer::Found(Some(number)) => Ok(Some((number, parts(child, max, until)?))),
                _ => Err(Lost::Malformed),
            }
        });
        found.flatten()
    }

    /// Looks for the file of the program of the process in `directory`, `/proc/PID`. `None`: there was no answer.
    pub fn look(&self, directory: &Path, program: Option<&Path>, owner: bool) -> Option<OfProcess> {
        let job = OpenJob::Look { directory: directory.into(), program: program.map(Name::from), owner };
        let until = Some(Instant::now() + LOOK_PATIENCE);
        self.with(|child| {
            child.link.send(&job, None, until)?;
            match child.link.receive(until)?.0 {
                OpenAnswer::Looked { has_root, in_place, owner, gives_rights } => {
                    Ok(OfProcess { has_root, in_place, owner, gives_rights })
                }
                _ => Err(Lost::Malformed),
            }
        })
    }

    /// How many children hang.
    pub fn hung(&self) -> usize {
        self.nursery.hung()
    }

    fn with<T>(&self, work: impl FnOnce(&Helper) -> Result<T, Lost>) -> Option<T> {
        let mut place = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let child = match place.take() {
            Some(child) => child,
            None => Helper::start(&self.nursery, Work::Open, self.share.opener).ok()?,
        };
        match work(&child) {
            Ok(done) => {
                child.answered();
                *place = Some(child);
                Some(done)
            }
            Err(lost) => {
                child.end(lost);
                None
            }
        }
    }
}

/// What is read of a file, whose parts come one after another.
fn parts(child: &Helper, max: u64, until: Instant) -> Result<Vec<u8>, Lost> {
    let most = usize::try_from(max).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    loop {
        match child.link.receive(Some(until))?.0 {
            OpenAnswer::Part(Name(part)) if part.is_empty() => return Ok(bytes),
            OpenAnswer::Part(Name(part)) if bytes.len() + part.len() <= most => bytes.extend(part),
            _ => return Err(Lost::Malformed),
        }
    }
}
