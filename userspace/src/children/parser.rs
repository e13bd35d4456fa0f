//! The child that parses: it gets a capture and open files, and makes a stack of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::link::{Link, MESSAGE_BYTES_MAX};
use super::message::{Ask, Delivery, StackAnswer, StackJob};
use crate::sandbox::renew_cpu;
use crate::stack::{BuildId, Effort, Files, FoundFile, MODULES_MAX, Stack, Unwinder, wanted};

/// Of the time for a stack, files are waited for so long at most, in percent: what has come by then is worked with.
const OPENING_PERCENT: u32 = 40;
/// Debug information asked for at most, and waited for.
const ASKS_MAX: usize = MODULES_MAX;

/// Until the daemon is gone, or it has used up its time.
pub(super) fn work(daemon: &Link, mut unwinder: Unwinder, cpu: Duration) {
    while let Ok((job, socket)) = daemon.receive::<StackJob>(None) {
        let Some(socket) = socket else { return };
        let last = !renew_cpu(cpu);
        let time = Duration::from_millis(job.left_ms);
        let begun = Instant::now();
        let files =
            Delivered::take(Link::of(socket), &job, begun + time * OPENING_PERCENT / 100, begun + time);
        let effort = Effort { deadline: begun + time, bytes: job.bytes, frugal: job.frugal };
        let stack = unwinder.stack(&job.capture, &files, &effort);
        // The opener is let go before the daemon gives it other work.
        drop(files);
        let answer = StackAnswer { stack, evicted: unwinder.take_evicted(), last };
        if daemon.send(&fitting(answer), None, None).is_err() || last {
            return;
        }
    }
}

/// As much of it as goes into a message.
fn fitting(mut answer: StackAnswer) -> StackAnswer {
    // A little is needed around the stack itself.
    let too_long = |it: &Stack| serde_json::to_vec(it).map_or(0, |it| it.len()) > MESSAGE_BYTES_MAX - 1024;
    while too_long(&answer.stack) {
        let kept = answer.stack.frames.len() / 2;
        answer.stack.frames.truncate(kept);
        answer.stack.notes.truncate(8);
        answer.stack = answer.stack.noted("the stack is too long: the rest is left out");
    }
    answer
}

/// What the opener handed over.
struct Delivered {
    opener: Link,
    until: Instant,
    root: Result<(), String>,
    files: HashMap<PathBuf, Result<FoundFile, String>>,
    asks_left: RefCell<usize>,
}

impl Delivered {
    /// Takes what comes until the opener says that it is all, or until the time for it is over.
    fn take(opener: Link, job: &StackJob, opening: Instant, until: Instant) -> Self {
        let names = wanted(&job.capture);
        let late = || "it could not be opened in time: its file system may hang".to_owned();
        let mut root = Err("the process's root directory could not be opened in time".to_owned());
        let mut files = HashMap::new();
        while let Ok((delivery, descriptor)) = opener.receive(Some(opening)) {
            match delivery {
                Delivery::Root(found) => root = found,
                Delivery::File(number, found) => {
                    let file = found.and_then(|()| descriptor.map(File::from).ok_or_else(late));
                    let file = file.map(|file| FoundFile { file, kept: None });
                    names.get(number).map(|name| files.insert(name.clone(), file));
                }
                Delivery::Kept(number, changed) => {
                    let file = descriptor.map(File::from).ok_or_else(late);
                    let file = file.map(|file| FoundFile { file, kept: Some(changed) });
                    names.get(number).map(|name| files.insert(name.clone(), file));
                }
                Delivery::All | Delivery::Debug => break,
            }
        }
        for name in names {
            files.entry(name).or_insert_with(|| Err(late()));
        }
        Self { opener, until, root, files, asks_left: RefCell::new(ASKS_MAX) }
    }
}

impl Files for Delivered {
    fn root(&self) -> Result<(), String> {
        self.root.clone()
    }

    fn open(&self, path: &Path) -> Result<FoundFile, String> {
        let found = self.files.get(path).ok_or("it was not asked for")?.as_ref().map_err(Clone::clone)?;
        let file = found.file.try_clone().map_err(|error| error.to_string())?;
        Ok(FoundFile { file, kept: found.kept })
    }

    fn debug(&self, build_id: &BuildId) -> Option<File> {
        let mut left = self.asks_left.borrow_mut();
        *left = left.checked_sub(1)?;
        self.opener.send(&Ask(build_id.clone()), None, Some(self.until)).ok()?;
        match self.opener.receive(Some(self.until)) {
            Ok((Delivery::Debug, descriptor)) => descriptor.map(File::from),
            _ => {
                // Its answer, should it come, would be taken for the next one's.
                *left = 0;
                None
            }
        }
    }
}
