//! A parser and an opener that work for the same stack. Neither is spared: who fails is replaced for the next one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::child::{End, Helper};
use super::link::{Link, Lost};
use super::message::{Kept, Name, OpenAnswer, OpenJob, StackAnswer, StackJob};
use super::nursery::Nursery;
use super::pace::Pace;
use super::share::Share;
use crate::sandbox::Work;
use crate::stack::{Capture, Stack, stand_ins, wanted};

/// A parser looks at the clock between its steps: it may be this late.
const GRACE: Duration = Duration::from_millis(250);
/// How long an opener may take to see that nobody wants more files.
const SETTLING: Duration = Duration::from_millis(100);

/// Why there is no stack.
pub(super) enum Failure {
    /// There is nobody to make it.
    Refused(&'static str),
    /// Who should have made it has ended.
    Ended(End),
}

pub(super) struct Lane {
    nursery: Arc<Nursery>,
    share: Share,
    pace: Arc<Pace>,
    parser: Option<Helper>,
    opener: Option<Helper>,
    /// Whether the opener has not said yet that it is done.
    opening: bool,
}

impl Lane {
    pub(super) const fn new(nursery: Arc<Nursery>, share: Share, pace: Arc<Pace>) -> Self {
        Self { nursery, share, pace, parser: None, opener: None, opening: false }
    }

    /// Starts who is missing, so that the next stack need not wait for it.
    pub(super) fn warm(&mut self) -> Result<(), &'static str> {
        let Share { parser, opener, .. } = self.share;
        if self.parser.is_none() {
            let begun = Instant::now();
            self.parser = Some(Helper::start(&self.nursery, Work::Parse, parser)?);
            self.pace.note(begun.elapsed());
        }
        if self.opener.is_none() {
            self.opener = Some(Helper::start(&self.nursery, Work::Open, opener)?);
        }
        Ok(())
    }

    /// Gives back what they remember.
    pub(super) fn cool(&mut self) {
        self.parser = None;
        self.opener = None;
        self.opening = false;
    }

    /// The stack, and how many files were forgotten for it. To be followed by [`Self::settle`].
    pub(super) fn stack(
        &mut self,
        capture: &Capture,
        time: Duration,
        frugal: bool,
    ) -> Result<(Stack, u64), Failure> {
        self.warm().map_err(Failure::Refused)?;
        let until = Instant::now() + time + GRACE;
        let asked = self.ask(capture, time, frugal, until);
        let parser = self.parser.take().ok_or(Failure::Refused("there is no parser"))?;
        match asked.and_then(|()| parser.link.receive::<StackAnswer>(Some(until))) {
            Ok((StackAnswer { stack, evicted, last }, _)) => {
                parser.answered();
                if !last {
                    self.parser = Some(parser);
                }
                Ok((stack.checked(), evicted))
            }
            Err(lost) => Err(Failure::Ended(parser.end(lost))),
        }
    }

    fn ask(&mut self, capture: &Capture, time: Duration, frugal: bool, until: Instant) -> Result<(), Lost> {
        let (to_opener, to_parser) = Link::pair().map_err(|_| Lost::Closed)?;
        let left_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let names = wanted(capture).iter().map(|it| Name::from(it.as_path())).collect();
        let kept = stand_ins(capture).into_iter().map(|(number, file)| Kept {
            number,
            copy: file.copy.as_path().into(),
            changed: file.changed,
        });
        let files = OpenJob::Files { root: capture.root.clone(), names, kept: kept.collect(), left_ms };
        if let Some(opener) = &self.opener {
            match opener.link.send(&files, Some(std::os::fd::AsFd::as_fd(&to_opener)), Some(until)) {
                Ok(()) => self.opening = true,
                // The parser finds nobody to open files, and says so.
                Err(lost) => self.end_opener(lost),
            }
        }
        drop(to_opener);
        let bytes = self.share.read_bytes();
        let job = StackJob { capture: capture.clone(), left_ms, bytes, frugal };
        let parser = self.parser.as_ref().ok_or(Lost::Closed)?;
        parser.link.send(&job, Some(std::os::fd::AsFd::as_fd(&to_parser)), Some(until))
    }

    /// Waits for the opener, if only for a moment: one that does not come back hangs in somebody's files.
    pub(super) fn settle(&mut self) {
        if !std::mem::take(&mut self.opening) {
            return;
        }
        let until = Instant::now() + SETTLING;
        let Some(opener) = &self.opener else { return };
        match opener.link.receive::<OpenAnswer>(Some(until)) {
            Ok((OpenAnswer::Opened, _)) => opener.answered(),
            Ok(_) => self.end_opener(Lost::Malformed),
            Err(lost) => self.end_opener(lost),
        }
    }

    fn end_opener(&mut self, lost: Lost) {
        self.opener.take().map(|it| it.end(lost));
    }
}
