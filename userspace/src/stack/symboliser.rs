//! The door: ask for the stack of a capture, and have it by the deadline, whatever the files do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::unwind;
use super::worker::{self, StackRequest};
use super::{Capture, Stack};
use crate::metrics::{LimitLabel, Metrics};

/// Long enough for the debug information of a large program, short enough for an alert to wait for.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// Captures that wait their turn. More at once is a storm: the later ones go without names.
const WAITING_MAX: usize = 16;
/// Threads alive at once: the one at work, and those that a file has hung.
const THREADS_MAX: u64 = 3;
/// A worker that looks at the clock between its steps may be this late.
const GRACE: Duration = Duration::from_millis(250);

/// Turns captures into stacks, off the hot path: every call blocks, at most until its deadline.
#[derive(Debug, Default)]
pub struct Symboliser {
    // Held to hand over a request, never while it is worked on.
    worker: Mutex<Option<SyncSender<StackRequest>>>,
    threads: Arc<AtomicU64>,
    late: Counter,
    refused: Counter,
    evicted: Counter,
}

/// What the limits turned away so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnedAway {
    /// Stacks that weren't ready by their deadline.
    pub late: u64,
    /// Stacks that weren't begun: too many waited.
    pub refused: u64,
    /// Files forgotten to make room.
    pub evicted: u64,
}

impl Symboliser {
    /// Nothing runs, and nothing is kept, before the first capture.
    pub fn new(metrics: &Metrics) -> Self {
        let counter = |limit| metrics.turned_away.get_or_create_owned(&LimitLabel { limit });
        Self {
            late: counter("stacks_late"),
            refused: counter("stacks_waiting"),
            evicted: counter("stack_files"),
            ..Self::default()
        }
    }

    /// The stack of this capture. Blocks: call it where that is allowed, such as `spawn_blocking`.
    pub fn stack(&self, capture: Capture, deadline: Duration) -> Stack {
        let bare = unwind::bare(&capture);
        let deadline_at = Instant::now() + deadline;
        let (reply, answer) = sync_channel(1);
        let why = match self.hand_over(StackRequest { capture, deadline: deadline_at, reply }) {
            Ok(()) => match answer.recv_timeout(deadline + GRACE) {
                Ok(stack) => return stack,
                Err(lost) => {
                    self.late.inc();
                    // It may hang for ever: the next capture gets a new one.
                    *self.lock() = None;
                    match lost {
                        RecvTimeoutError::Timeout => "no answer within the deadline",
                        RecvTimeoutError::Disconnected => "a file could not be read",
                    }
                }
            },
            Err(why) => {
                self.refused.inc();
                why
            }
        };
        Stack::bare(bare, why)
    }

    /// What the limits turned away so far.
    pub fn turned_away(&self) -> TurnedAway {
        TurnedAway { late: self.late.get(), refused: self.refused.get(), evicted: self.evicted.get() }
    }

    fn hand_over(&self, request: StackRequest) -> Result<(), &'static str> {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};

        let mut worker = self.lock();
        let request = match worker.as_ref() {
            None => request,
            Some(worker) => match worker.try_send(request) {
                Ok(()) => return Ok(()),
                Err(Full(_)) => return Err("too many crashes at once"),
                // A crafted file has taken the last one down.
                Err(Disconnected(request)) => request,
            },
        };
        self.begin(&mut worker, request)
    }

    fn begin(
        &self,
        worker: &mut Option<SyncSender<StackRequest>>,
        request: StackRequest,
    ) -> Result<(), &'static str> {
        if self.threads.load(Ordering::Acquire) >= THREADS_MAX {
            return Err("all threads are stuck reading files");
        }
        let (sender, requests) = sync_channel(WAITING_MAX);
        sender.try_send(request).map_err(|_| "a new queue is full")?;
        let alive = Alive::new(&self.threads);
        let evicted = self.evicted.clone();
        let body = move || {
            let _alive = alive;
            worker::run(&requests, &evicted);
        };
        std::thread::Builder::new()
            .name("symboliser".to_owned())
            .spawn(body)
            .map_err(|_| "cannot start a thread")?;
        *worker = Some(sender);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SyncSender<StackRequest>>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread for as long as it lives, however it ends.
struct Alive(Arc<AtomicU64>);

impl Alive {
    fn new(threads: &Arc<AtomicU64>) -> Self {
        threads.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(threads))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
