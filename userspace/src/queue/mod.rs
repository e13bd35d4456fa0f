//! A bounded priority queue with deduplication: between the monitor and the store, and between the store and
//! the model. A push never blocks, and whatever finds no room goes back to the pusher: nothing is dropped here.

pub mod cases;
pub mod rank;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::metrics::{LimitLabel, Metrics, QueueLabel};

/// For each such span an entry has waited, its priority counts one higher at [`Queue::pop`].
pub const AGEING: Duration = Duration::from_secs(1);

/// An entry to push: what it is, and its rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEntry<T> {
    /// Entries with the same fingerprint are merged while they wait.
    pub fingerprint: String,
    /// The higher, the sooner it is popped and the later it is evicted.
    pub priority: u32,
    /// What waits in the queue.
    pub item: T,
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an evicted or refused entry is lost when nobody looks at it"]
pub enum Pushed<T> {
    /// It found room and waits.
    Queued,
    /// One with the same fingerprint was waiting; they are one now.
    Merged,
    /// It waits in the place of this entry, the least important of a full queue.
    Evicted(QueueEntry<T>),
    /// It does not wait: the queue is closed, or full of entries at least as important.
    Refused(QueueEntry<T>),
}

/// A cheap-to-clone handle.
///
/// A std Mutex, because [`Queue::push`] is called from threads that are not async, and is held only for a scan
/// of memory, never across an await. The Notify beside it is what a popper sleeps on.
pub struct Queue<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<QueueState<T>>,
    ready: Notify,
    capacity: usize,
    merge: fn(&mut T, T),
    thin: Option<Thin<T>>,
    depth: Gauge,
    evicted: Counter,
    refused: Counter,
}

/// Room for entries that give up their weight instead of their place.
struct Thin<T> {
    capacity: usize,
    thin: fn(&mut T),
    thinned: Counter,
}

struct QueueState<T> {
    /// In order of arrival. Searched from end to end at each push and pop: with the few thousand entries it is
    /// meant for that takes microseconds, and there is no second index to keep in step.
    waiting: Vec<Waiting<T>>,
    closed: bool,
}

struct Waiting<T> {
    entry: QueueEntry<T>,
    since: Instant,
    thin: bool,
}

impl<T> Queue<T> {
    /// An empty queue for `capacity` entries. `merge` takes the newer item into the one that waits.
    pub fn new(name: &'static str, capacity: usize, merge: fn(&mut T, T), metrics: &Metrics) -> Self {
        let label = QueueLabel { queue: name };
        Self(Arc::new(Shared {
            state: Mutex::new(QueueState { waiting: Vec::new(), closed: false }),
            ready: Notify::new(),
            capacity,
            merge,
            thin: None,
            depth: metrics.queue_depth.get_or_create_owned(&label),
            evicted: metrics.queue_evicted.get_or_create_owned(&label),
            refused: metrics.turned_away.get_or_create_owned(&LimitLabel { limit: name }),
        }))
    }

    /// The same with room for `capacity` entries more, that `thin` makes light: what is least important when the
    /// queue is full loses its weight, counted under `name`, before anything loses its place.
    #[must_use]
    pub fn with_thin(self, name: &'static str, capacity: usize, thin: fn(&mut T), metrics: &Metrics) -> Self {
        let thinned = metrics.turned_away.get_or_create_owned(&LimitLabel { limit: name });
        let shared = Arc::into_inner(self.0).expect("a queue that was just made has one handle");
        Self(Arc::new(Shared { thin: Some(Thin { capacity, thin, thinned }), ..shared }))
    }

    /// Adds, merges, or gives back what finds no room. Returns at once, on any thread.
    ///
    /// A merged entry keeps the older one's place and takes the higher priority of the two. Room is made by
    /// the priority given, not the aged one, so that old and benign entries can't keep out a critical one; among
    /// equals the newest goes, as the others have waited for longer.
    pub fn push(&self, entry: QueueEntry<T>) -> Pushed<T> {
        let mut state = self.state();
        if state.closed {
            self.0.refused.inc();
            return Pushed::Refused(entry);
        }
        if let Some(same) = state.waiting.iter_mut().find(|it| it.entry.fingerprint == entry.fingerprint) {
            same.entry.priority = same.entry.priority.max(entry.priority);
            (self.0.merge)(&mut same.entry.item, entry.item);
            return Pushed::Merged;
        }
        let room = self.0.capacity + self.0.thin.as_ref().map_or(0, |it| it.capacity);
        let mut pushed = Pushed::Queued;
        if state.waiting.len() >= room {
            match state.lowest(|_| true) {
                Some((index, priority)) if priority < entry.priority => {
                    self.0.evicted.inc();
                    pushed = Pushed::Evicted(state.waiting.remove(index).entry);
                }
                _ => {
                    self.0.refused.inc();
                    return Pushed::Refused(entry);
                }
            }
        }
        state.waiting.push(Waiting { entry, since: Instant::now(), thin: false });
        self.make_light(&mut state);
        self.show_depth(&state);
        drop(state);
        self.0.ready.notify_one();
        pushed
    }

    /// Takes its weight from the least important that has any, when there are too many of those.
    fn make_light(&self, state: &mut QueueState<T>) {
        let Some(thin) = &self.0.thin else { return };
        if state.waiting.iter().filter(|it| !it.thin).count() <= self.0.capacity {
            return;
        }
        if let Some((index, _)) = state.lowest(|it| !it.thin) {
            let lowest = &mut state.waiting[index];
            (thin.thin)(&mut lowest.entry.item);
            lowest.thin = true;
            thin.thinned.inc();
        }
    }

    /// The next item; waits for one. `None`: the queue is closed and empty.
    ///
    /// Highest priority first, where each [`AGEING`] of waiting counts as one more, so that nothing waits
    /// for ever under a stream of more important entries; first in, first out among equals.
    pub async fn pop(&self) -> Option<T> {
        loop {
            // Made before the look into the queue, so that a push in between is not missed.
            let ready = self.0.ready.notified();
            {
                let mut state = self.state();
                if let Some(item) = state.take_next() {
                    self.show_depth(&state);
                    if !state.waiting.is_empty() {
                        // Two pushes may have left one permit; pass it on to the next popper.
                        self.0.ready.notify_one();
                    }
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            ready.await;
        }
    }

    /// What waits, in the order of [`Queue::pop`]: so many at the most, at once.
    pub fn take(&self, most: usize) -> Vec<T> {
        let mut state = self.state();
        let taken = std::iter::from_fn(|| state.take_next()).take(most).collect();
        self.show_depth(&state);
        taken
    }

    /// Number of entries that wait.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether no entry waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses every push from now on; what waits can still be popped, and then [`Queue::pop`] ends.
    pub fn close(&self) {
        self.state().closed = true;
        self.0.ready.notify_waiters();
    }

    /// Takes out everything that waits, in order of arrival.
    pub fn drain(&self) -> Vec<QueueEntry<T>> {
        let mut state = self.state();
        let taken = std::mem::take(&mut state.waiting);
        self.show_depth(&state);
        drop(state);
        taken.into_iter().map(|it| it.entry).collect()
    }

    fn state(&self) -> MutexGuard<'_, QueueState<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show_depth(&self, state: &QueueState<T>) {
        self.0.depth.set(i64::try_from(state.waiting.len()).unwrap_or(i64::MAX));
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> QueueState<T> {
    /// The least important of those, and its priority.
    fn lowest(&self, which: impl Fn(&Waiting<T>) -> bool) -> Option<(usize, u32)> {
        // `rev`: of equals, min_by_key returns the first it meets, which has to be the newest.
        let those = self.waiting.iter().enumerate().rev().filter(|(_, it)| which(it));
        those.map(|(index, it)| (index, it.entry.priority)).min_by_key(|(_, priority)| *priority)
    }

    fn take_next(&mut self) -> Option<T> {
        let now = Instant::now();
        // `rev`: of equals, max_by_key returns the last it meets, which has to be the oldest.
        let next = self.waiting.iter().enumerate().rev().max_by_key(|(_, it)| it.aged_priority(now));
        let (index, _) = next?;
        Some(self.waiting.remove(index).entry.item)
    }
}

impl<T> Waiting<T> {
    fn aged_priority(&self, now: Instant) -> u64 {
        let waited = now.saturating_duration_since(self.since);
        u64::from(self.entry.priority) + waited.as_secs() / AGEING.as_secs()
    }
}

#[cfg(test)]
mod tests;
