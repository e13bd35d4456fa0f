//! The door: ask for the stack of a capture, and have it in time, whatever its files do to those who read them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::child::End;
use super::lane::{Failure, Lane};
use super::nursery::Nursery;
use super::pace::Pace;
use super::share::Share;
use super::waiting::{Next, StackRequest, Waiting};
use crate::metrics::{LimitLabel, Metrics};
use crate::stack::{Capture, Stack, bare};

/// After this long without a crash, nothing is remembered.
const IDLE: Duration = Duration::from_secs(120);
/// A second try, without debug information, where the first one ended badly.
const FRUGAL_TIME: Duration = Duration::from_millis(400);
/// Longest wait for a turn: as long as one bad file can take, and a little more.
const TURN_PATIENCE: Duration = Duration::from_millis(2500);
/// What comes on top of all that may be waited for.
const SLACK: Duration = Duration::from_secs(2);
/// Programs whose debug information ended a parser of late: it is left alone.
const OFFENDERS: usize = 64;
const OFFENCE_LASTS: Duration = Duration::from_secs(600);

/// Turns captures into stacks, off the hot path: every call blocks, at most until its time is over.
pub struct Symboliser {
    waiting: Arc<Waiting>,
    pace: Arc<Pace>,
    late: Counter,
    refused: Counter,
}

impl Symboliser {
    /// The first parser is started at once.
    pub fn new(nursery: &Arc<Nursery>, share: Share, metrics: &Metrics) -> Self {
        let counter = |limit| metrics.turned_away.get_or_create_owned(&LimitLabel { limit });
        let waiting = Arc::new(Waiting::default());
        let offenders = Arc::new(Offenders::default());
        let pace = Arc::<Pace>::default();
        let evicted = counter("stack_files");
        for number in 0..share.parsers {
            let mut worker = Worker {
                lane: Lane::new(Arc::clone(nursery), share, Arc::clone(&pace)),
                waiting: Arc::clone(&waiting),
                offenders: Arc::clone(&offenders),
                evicted: evicted.clone(),
            };
            // Without a thread there is nobody to work: captures are refused when the queue is full.
            let work = move || worker.run(number == 0);
            std::thread::Builder::new().name("symboliser".to_owned()).spawn(work).ok();
        }
        Self { waiting, pace, late: counter("stacks_late"), refused: counter("stacks_waiting") }
    }

    /// The stack of this capture, within about this time, or more where the host is slow. Blocks: call it where that is
    /// allowed, such as `spawn_blocking`.
    pub fn stack(&self, capture: Capture, time: Duration) -> Stack {
        let bare = bare(&capture);
        let (reply, answer) = sync_channel(1);
        let usual = time;
        let time = self.pace.stretched(usual);
        let patience = TURN_PATIENCE + (time - usual);
        let begin_until = Instant::now() + patience;
        if !self.waiting.push(StackRequest { capture, time, begin_until, reply }) {
            self.refused.inc();
            return Stack::bare(bare, "too many crashes at once");
        }
        answer.recv_timeout(patience + time + FRUGAL_TIME + SLACK).unwrap_or_else(|_| {
            self.late.inc();
            Stack::bare(bare, "no answer in time")
        })
    }
}

impl Drop for Symboliser {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

struct Worker {
    lane: Lane,
    waiting: Arc<Waiting>,
    offenders: Arc<Offenders>,
    evicted: Counter,
}

impl Worker {
    fn run(&mut self, keep_warm: bool) {
        let mut used = false;
        loop {
            if keep_warm || used {
                self.lane.warm().ok();
            }
            match self.waiting.next(IDLE) {
                Next::Work(request) => {
                    let owner = request.capture.owner;
                    self.answer(*request);
                    self.waiting.done(owner);
                    used = true;
                }
                Next::Idle if used => {
                    self.lane.cool();
                    used = false;
                }
                Next::Idle => {}
                Next::Closed => return,
            }
        }
    }

    /// Whoever has given up waiting needs no answer.
    fn answer(&mut self, StackRequest { capture, time, begin_until, reply }: StackRequest) {
        let bare = |why: &str| Stack::bare(bare(&capture), why);
        if Instant::now() > begin_until {
            drop(reply.try_send(bare("too many crashes at once")));
            return;
        }
        let known = self.offenders.knows(&capture);
        let mut result = self.lane.stack(&capture, time, known.is_some());
        if let (Err(Failure::Ended(end)), None) = (&result, known) {
            let end = *end;
            self.offenders.add(&capture, end);
            self.lane.settle();
            result = self.lane.stack(&capture, FRUGAL_TIME, true);
            result = result.map(|(stack, evicted)| (frugal(stack, end), evicted));
        } else if let Some(end) = known {
            result = result.map(|(stack, evicted)| (frugal(stack, end), evicted));
        }
        let stack = match result {
            Ok((stack, evicted)) => {
                self.evicted.inc_by(evicted);
                stack
            }
            Err(Failure::Refused(why)) => bare(why),
            Err(Failure::Ended(end)) => bare(&format!("the process that read its files {end}")),
        };
        drop(reply.try_send(stack));
        self.lane.settle();
    }
}

fn frugal(stack: Stack, end: End) -> Stack {
    stack.noted(format!("debug information was left alone: the process that read the files {end}"))
}

/// By owner and executable. That it is another file by now is no matter: it is forgotten soon.
#[derive(Default)]
struct Offenders(Mutex<Vec<(u64, End, Instant)>>);

impl Offenders {
    fn knows(&self, capture: &Capture) -> Option<End> {
        let name = offender(capture);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, _, at)| at.elapsed() < OFFENCE_LASTS);
        known.iter().find(|it| it.0 == name).map(|it| it.1)
    }

    fn add(&self, capture: &Capture, end: End) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= OFFENDERS {
            known.remove(0);
        }
        known.push((offender(capture), end, Instant::now()));
    }
}

fn offender(capture: &Capture) -> u64 {
    let mut hasher = DefaultHasher::new();
    (capture.owner, &capture.executable, &capture.mapped).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_helper_a_stack_is_bare_and_says_why() {
        let metrics = Metrics::new();
        let symboliser = Symboliser::new(&Nursery::empty(Arc::clone(&metrics)), Share::of(None), &metrics);
        let stack = symboliser.stack(Capture::default(), Duration::from_secs(1));
        assert!(stack.is_bare() && stack.notes[0].contains("no process can be had"), "{stack}");
    }

    #[test]
    fn offenders_are_known_by_owner_and_program_and_are_few() {
        let offenders = Offenders::default();
        let of = |owner, name: &str| Capture { owner, executable: Some(name.into()), ..Capture::default() };
        offenders.add(&of(1, "/a"), End::Memory);
        assert_eq!(offenders.knows(&of(1, "/a")), Some(End::Memory));
        assert_eq!((offenders.knows(&of(2, "/a")), offenders.knows(&of(1, "/b"))), (None, None));
        (0..OFFENDERS as u64).for_each(|owner| offenders.add(&of(owner, "/c"), End::Cpu));
        assert_eq!(offenders.knows(&of(1, "/a")), None);
    }
}
