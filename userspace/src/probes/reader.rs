//! The ring reader: one thread that sleeps until the kernel wakes it or the batch timer runs out, drains both
//! rings in the order things happened, and hands batches to the monitor. It never waits for the monitor: what
//! the monitor has no room for stays in the ring, and what the ring has no room for the kernel counts.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use aya::maps::{MapData, RingBuf};
use rustix::event::{Timespec, epoll};
use rustix::fd::{AsFd, OwnedFd};
use tokio::sync::mpsc::Sender;
use tracing::warn;

use super::decode;
use super::forks::Forks;
use super::identities::Identities;
use super::losses::KernelCounters;
use super::object::Loaded;
use crate::coverage::{Coverage, EventKind, Flow, Loss, LossReason, Way};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::observation::Observation;

/// Longest time a common event waits in its ring.
const BATCH_TIMER: Duration = Duration::from_millis(100);
/// How long to leave the rings alone when the monitor has no room.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// Between detaching and the last drain.
const DETACH_PAUSE: Duration = Duration::from_millis(10);
/// Longest time the last drain waits for the monitor.
const LAST_DRAIN: Duration = Duration::from_millis(500);
/// Most observations in one batch.
const BATCH: usize = 512;
/// How often the kernel's counters are read.
const COUNTER_INTERVAL: Duration = Duration::from_secs(1);
/// How often the fork counts are read: as often as /proc is scanned by default.
const FORKS_INTERVAL: Duration = Duration::from_secs(10);

/// Whether the rings were emptied.
#[derive(PartialEq, Eq)]
enum Drained {
    Empty,
    NoRoom,
}

/// Reads until told to stop.
pub(super) struct RingReader {
    loaded: Loaded,
    counters: KernelCounters,
    forks: Forks,
    /// Where events of classic tracepoints come.
    identities: Option<Identities>,
    wake: OwnedFd,
    /// Urgent observations already taken from their ring, waiting for the common ones before them.
    grave: VecDeque<Observation>,
    received: Received,
    batches: Sender<Vec<Observation>>,
    host: Host,
    metrics: Arc<Metrics>,
}

impl RingReader {
    pub(super) fn new(
        mut loaded: Loaded,
        proc_root: PathBuf,
        batches: Sender<Vec<Observation>>,
        host: Host,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let counters = loaded.counters.take().context("the counters were taken before")?;
        let forks = loaded.forks.take().context("the fork counts were taken before")?;
        let wake = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot create an epoll instance")?;
        // Edge-triggered: a level-triggered ring is ready as soon as anything lies in it, and the batching of
        // common events would be lost. Each wake-up is followed by a drain down to empty.
        let rings = [loaded.grave.as_fd(), loaded.crashes.as_fd(), loaded.common.as_fd()];
        for (data, ring) in (0..).zip(rings) {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&wake, ring, epoll::EventData::new_u64(data), flags).context("cannot watch a ring")?;
        }
        let identities = loaded.fallback.map(|fallback| {
            Identities::new(proc_root, host.clone(), Arc::clone(&metrics), fallback.ends_are_certain)
        });
        Ok(Self {
            loaded,
            counters: KernelCounters::new(counters),
            forks: Forks::new(forks),
            identities,
            wake,
            grave: VecDeque::new(),
            received: Received::default(),
            batches,
            host,
            metrics,
        })
    }

    /// Until `stop`, counting its turns; then detaches and takes what was sent before, so that nothing of it is lost.
    pub(super) fn run(mut self, stop: &AtomicBool, turns: &AtomicU64) {
        let mut counted = Instant::now();
        let mut forks_read = Instant::now();
        while !stop.load(Ordering::Relaxed) && !self.batches.is_closed() {
            turns.fetch_add(1, Ordering::Relaxed);
            if self.drain() == Drained::NoRoom {
                std::thread::sleep(FULL_PAUSE);
            } else {
                self.sleep();
            }
            if counted.elapsed() >= COUNTER_INTERVAL {
                counted = Instant::now();
                self.report_counters();
            }
            if forks_read.elapsed() >= FORKS_INTERVAL {
                forks_read = Instant::now();
                self.tell_forks();
            }
        }
        drop(self.loaded.attached.take());
        // A program that was running when it was detached may still be sending.
        std::thread::sleep(DETACH_PAUSE);
        let deadline = Instant::now() + LAST_DRAIN;
        while self.drain() == Drained::NoRoom && !self.batches.is_closed() && Instant::now() < deadline {
            std::thread::sleep(FULL_PAUSE);
        }
        self.report_counters();
    }

    /// Until the kernel wakes this thread or the batch timer runs out.
    fn sleep(&self) {
        let mut events = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 3];
        let timer = Timespec { tv_sec: 0, tv_nsec: i64::from(BATCH_TIMER.subsec_nanos()) };
        // An interrupted wait is only an early drain.
        let _ = epoll::wait(&self.wake, &mut events, Some(&timer));
    }

    fn drain(&mut self) -> Drained {
        loop {
            let Ok(permit) = self.batches.clone().try_reserve_owned() else { return Drained::NoRoom };
            let batch = self.next_batch();
            if batch.is_empty() {
                break;
            }
            permit.send(batch);
        }
        if let Some(logger) = &mut self.loaded.logger {
            logger.flush();
        }
        Drained::Empty
    }

    /// Up to [`BATCH`] observations in the order of the kernel's time stamps: an exec comes before the death
    /// of the same process although they travel on different rings.
    fn next_batch(&mut self) -> Vec<Observation> {
        self.take_grave();
        let mut batch = self.identities.as_mut().map(Identities::settled).unwrap_or_default();
        while batch.len() < BATCH {
            match next(
                &mut self.loaded.common,
                Way::CommonRing,
                self.identities.as_mut(),
                &self.host,
                &mut self.received,
            ) {
                NextEvent::Observation(observation) => {
                    if batch.capacity() == 0 {
                        // At once: growing step by step would copy everything several times.
                        batch.reserve_exact(BATCH);
                    }
                    self.take_grave_before(decode::at(&observation), &mut batch);
                    batch.push(observation);
                }
                NextEvent::Nothing => {}
                NextEvent::Empty => {
                    self.take_grave_before(Duration::MAX, &mut batch);
                    break;
                }
            }
        }
        self.received.report(&self.metrics.coverage);
        batch
    }

    /// Deaths and crash captures into one row, in the order of their time stamps.
    fn take_grave(&mut self) {
        let rings = [(&mut self.loaded.crashes, Way::CrashRing), (&mut self.loaded.grave, Way::UrgentRing)];
        let had = self.grave.len();
        for (ring, way) in rings {
            while self.grave.len() < BATCH {
                match next(ring, way, self.identities.as_mut(), &self.host, &mut self.received) {
                    NextEvent::Observation(observation) => self.grave.push_back(observation),
                    NextEvent::Nothing => {}
                    NextEvent::Empty => break,
                }
            }
        }
        if self.grave.len() > had {
            // A case is to say what was lost before it.
            self.report_counters();
            self.grave.make_contiguous().sort_by_key(decode::at);
        }
    }

    /// A report that finds no room is given up: the next one has the totals again.
    fn tell_forks(&mut self) {
        let forks = self.forks.changed(&self.host);
        if !forks.is_empty() {
            self.batches.try_send(vec![Observation::Forks(forks)]).ok();
        }
    }

    fn take_grave_before(&mut self, at: Duration, batch: &mut Vec<Observation>) {
        while let Some(observation) = self.grave.pop_front_if(|grave| decode::at(grave) <= at) {
            batch.push(observation);
        }
    }

    fn report_counters(&mut self) {
        if let Err(error) = self.counters.report(&self.metrics.coverage) {
            warn!("cannot read how many kernel events were lost: {error:#}");
        }
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment, and a box would be made for every event"
)]
enum NextEvent {
    Observation(Observation),
    /// Malformed, or not what it seemed.
    Nothing,
    Empty,
}

/// What came by ring and kind since the last report, so that the coverage is told once a batch; no kind: malformed.
#[derive(Default)]
struct Received(Vec<(Way, Option<EventKind>, u64)>);

impl Received {
    fn add(&mut self, way: Way, kind: Option<EventKind>) {
        match self.0.iter_mut().find(|it| (it.0, it.1) == (way, kind)) {
            Some((.., count)) => *count += 1,
            None => self.0.push((way, kind, 1)),
        }
    }

    fn report(&mut self, coverage: &Coverage) {
        for (way, kind, count) in self.0.drain(..) {
            match kind {
                Some(kind) => coverage.add_received(Flow { kind, way }, count),
                None => {
                    let loss = Loss { way, kind: EventKind::Any, reason: LossReason::Malformed };
                    coverage.add_lost(loss, count);
                }
            }
        }
    }
}

fn next(
    ring: &mut RingBuf<MapData>,
    way: Way,
    identities: Option<&mut Identities>,
    host: &Host,
    received: &mut Received,
) -> NextEvent {
    let Some(bytes) = ring.next() else { return NextEvent::Empty };
    let Some(observation) = decode::observation(&bytes, host) else {
        received.add(way, None);
        return NextEvent::Nothing;
    };
    received.add(way, Some(decode::kind(&observation)));
    let completed = match identities {
        Some(identities) if decode::lacks_identity(&bytes) => identities.complete(observation),
        _ => Some(observation),
    };
    completed.map_or(NextEvent::Nothing, NextEvent::Observation)
}
