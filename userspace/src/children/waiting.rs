//! The captures that wait for their stacks. The owner, a user or a container, who is worked for the least comes first,
//! and none fills the queue alone: whose crashes take long delays their own.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::stack::{Capture, Stack};

/// Captures that wait their turn. More at once is a storm: the later ones go without names.
const WAITING_MAX: usize = 16;
/// Of one owner.
const WAITING_OF_OWNER_MAX: usize = 12;

/// One capture, and who waits for its stack.
pub(super) struct StackRequest {
    pub(super) capture: Capture,
    /// For the stack itself, once it is begun.
    pub(super) time: Duration,
    /// After this nobody waits for it to be begun.
    pub(super) begin_until: Instant,
    pub(super) reply: SyncSender<Stack>,
}

#[derive(Default)]
struct Waiters {
    requests: VecDeque<StackRequest>,
    /// Whose crashes are being worked on, one entry for each.
    busy: Vec<u64>,
    closed: bool,
}

#[derive(Default)]
pub(super) struct Waiting {
    // Held to put in and to take out, never while there is work.
    waiters: Mutex<Waiters>,
    news: Condvar,
}

/// What a lane is told.
pub(super) enum Next {
    Work(Box<StackRequest>),
    /// Nothing came for so long.
    Idle,
    Closed,
}

impl Waiting {
    /// Whether there was room.
    pub(super) fn push(&self, request: StackRequest) -> bool {
        let mut waiters = self.lock();
        let owner = request.capture.owner;
        let own = waiters.requests.iter().filter(|it| it.capture.owner == owner).count();
        let room = waiters.requests.len() < WAITING_MAX && own < WAITING_OF_OWNER_MAX && !waiters.closed;
        if room {
            waiters.requests.push_back(request);
            self.news.notify_one();
        }
        room
    }

    /// The first of an owner who is worked for the least. To be followed by [`Self::done`].
    pub(super) fn next(&self, idle: Duration) -> Next {
        let until = Instant::now() + idle;
        let mut waiters = self.lock();
        loop {
            if waiters.closed {
                return Next::Closed;
            }
            let busy = |owner: u64| waiters.busy.iter().filter(|it| **it == owner).count();
            let least = waiters.requests.iter().enumerate().min_by_key(|(_, it)| busy(it.capture.owner));
            let least = least.map(|(at, _)| at);
            if let Some(request) = least.and_then(|at| waiters.requests.remove(at)) {
                waiters.busy.push(request.capture.owner);
                return Next::Work(Box::new(request));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Idle;
            }
            waiters = self.news.wait_timeout(waiters, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn done(&self, owner: u64) {
        let mut waiters = self.lock();
        let at = waiters.busy.iter().position(|it| *it == owner);
        at.map(|at| waiters.busy.swap_remove(at));
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    fn request(owner: u64) -> StackRequest {
        let capture = Capture { owner, ..Capture::default() };
        let (reply, _) = sync_channel(1);
        StackRequest { capture, time: Duration::ZERO, begin_until: Instant::now(), reply }
    }

    fn next(waiting: &Waiting) -> Option<u64> {
        match waiting.next(Duration::ZERO) {
            Next::Work(request) => Some(request.capture.owner),
            Next::Idle | Next::Closed => None,
        }
    }

    #[test]
    fn one_owner_comes_behind_others_and_leaves_room_for_them() {
        let waiting = Waiting::default();
        let taken = (0..100).filter(|_| waiting.push(request(1))).count();
        assert_eq!(taken, WAITING_OF_OWNER_MAX);
        assert!(waiting.push(request(2)) && waiting.push(request(3)));
        let first = [next(&waiting), next(&waiting), next(&waiting), next(&waiting)];
        assert_eq!(first, [Some(1), Some(2), Some(3), Some(1)]);
        waiting.done(1);
        waiting.done(1);
        assert!(waiting.push(request(2)));
        assert_eq!((next(&waiting), next(&waiting)), (Some(1), Some(1)), "2 is still worked for");
        assert_eq!(next(&waiting), Some(2));
        waiting.close();
        assert!(!waiting.push(request(4)));
        assert!(matches!(waiting.next(Duration::from_secs(60)), Next::Closed));
    }
}
