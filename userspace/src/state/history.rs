//! What scans of /proc measured of each process over time: a few points that cover the last window closely and
//! hours before it thinly. Kept only of processes that are large enough to matter, by (pid, start time), dropped
//! when a process ends or begins a new program. About 1.4 KiB a process.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::ProcessKey;
use crate::observation::SeenProcess;

/// Points of one ring; thinned out, never fewer than half of it.
const POINTS: usize = 24;
/// Most processes with a history.
const PROCESSES: usize = 16_384;
/// From so many threads or descriptors on, or with such memory as the scan reads, a process has a history.
const THREADS_WORTH_IT: u64 = 16;
const FDS_WORTH_IT: u64 = 32;
/// Stands for what was not measured: absent is not 0.
const ABSENT: u32 = u32::MAX;

/// What scans measure of a process over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Anonymous memory, in KiB.
    AnonKib,
    /// Shared memory, in KiB.
    ShmemKib,
    /// Page tables, in KiB.
    TablesKib,
    /// Address space, in KiB.
    SizeKib,
    /// Number of open file descriptors.
    Fds,
    /// Number of threads.
    Threads,
}

/// How many measures there are.
const MEASURES: usize = 6;

/// One process's numbers at one moment.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// Tenths of a second since boot.
    at: u32,
    values: [u32; MEASURES],
}

/// Points over a stretch of time: when there are too many, every second one goes, and from then on they are taken
/// half as often, until they cover the stretch; then the oldest goes.
#[derive(Debug, Default)]
struct Ring {
    points: Vec<Point>,
    spacing: u32,
}

/// The samples of one process, thinned with age.
#[derive(Debug)]
pub struct Series {
    /// When the process, or its program, began.
    began: Duration,
    recent: Ring,
    long: Ring,
    /// The largest values from before what `long` covers.
    past: [u32; MEASURES],
    seen: Duration,
}

/// The histories of all processes that have one.
#[derive(Debug)]
pub struct History {
    series: HashMap<ProcessKey, Series, RandomState>,
    window: u32,
    horizon: u32,
    /// How many processes were refused since this was last looked at.
    pub refused: u64,
}

impl History {
    /// Covers `window` closely and `horizon` thinly.
    pub fn new(window: Duration, horizon: Duration) -> Self {
        Self {
            series: HashMap::default(),
            window: tenths(window),
            horizon: tenths(horizon.max(window)),
            refused: 0,
        }
    }

    /// Adds what a scan measured of a process that began its program at `began`.
    pub fn add(&mut self, seen: &SeenProcess, began: Duration, now: Duration) {
        let known = self.series.contains_key(&seen.key);
        let worth_it = seen.anon_bytes.is_some()
            || seen.threads >= THREADS_WORTH_IT
            || seen.fds.is_some_and(|fds| fds >= FDS_WORTH_IT);
        if !known && (!worth_it || seen.kernel_thread) {
            return;
        }
        if !known && self.series.len() >= PROCESSES {
            self.refused += 1;
            return;
        }
        let (window, horizon) = (self.window, self.horizon);
        let series = self.series.entry(seen.key).or_insert_with(|| Series::new(began, now));
        series.seen = now;
        let kib = |bytes: Option<u64>| bytes.map(|bytes| bytes >> 10);
        let (anon, shmem, tables) = (kib(seen.anon_bytes), kib(seen.shmem_bytes), kib(seen.tables_bytes));
        let values =
            [anon, seen.fds, Some(seen.threads), shmem, tables, kib(Some(seen.size_bytes))].map(compact);
        let point = Point { at: tenths(now), values };
        series.recent.push(point, window);
        if let Some(lost) = series.long.push(point, horizon) {
            series.past = largest(series.past, lost.values);
        }
    }

    /// The process ended, or runs another program now: what was measured is not its own.
    pub fn forget(&mut self, key: ProcessKey) {
        self.series.remove(&key);
    }

    /// Forgets what was not seen since `began`.
    pub fn forget_unseen(&mut self, began: Duration) {
        self.series.retain(|_, series| series.seen >= began);
    }

    /// Every history, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (ProcessKey, &Series)> {
        self.series.iter().map(|(key, series)| (*key, series))
    }
}

impl Series {
    fn new(began: Duration, now: Duration) -> Self {
        Self { began, recent: Ring::default(), long: Ring::default(), past: [ABSENT; MEASURES], seen: now }
    }

    /// When the process, or its program, began.
    pub const fn began(&self) -> Duration {
        self.began
    }

    /// Seconds since boot and values within `window` before the last point, the first `startup` of the program left
    /// out; oldest first.
    pub fn recent(&self, measure: Measure, window: Duration, startup: Duration) -> Vec<(f64, f64)> {
        self.of(&self.recent, measure, startup, window)
    }

    /// As [`Self::recent`], thinner and as far back as there is anything.
    pub fn long(&self, measure: Measure, startup: Duration) -> Vec<(f64, f64)> {
        self.of(&self.long, measure, startup, Duration::MAX)
    }

    /// The latest value of one measure.
    pub fn latest(&self, measure: Measure) -> Option<u64> {
        self.recent.points.last().and_then(|point| point.get(measure)).map(u64::from)
    }

    /// By how much it grew since `since` (in seconds since boot), as far as that is known.
    pub fn grown_since(&self, measure: Measure, since: f64) -> Option<u64> {
        let points = self.long.points.iter().chain(&self.recent.points);
        let then = points.filter(|point| point.seconds() <= since).max_by_key(|point| point.at)?;
        Some(self.latest(measure)?.saturating_sub(then.get(measure)?.into()))
    }

    /// The largest value from before `since` (in seconds since boot).
    pub fn peak_before(&self, measure: Measure, since: f64) -> Option<u64> {
        let before = self.long.points.iter().filter(|point| point.seconds() < since);
        let known = before.filter_map(|point| point.get(measure)).max();
        let past = Some(self.past[measure.index()]).filter(|value| *value != ABSENT);
        known.max(past).map(u64::from)
    }

    fn of(&self, ring: &Ring, measure: Measure, startup: Duration, window: Duration) -> Vec<(f64, f64)> {
        let last = ring.points.last().map_or(0, |point| point.at);
        let from = last.saturating_sub(tenths(window)).max(tenths(self.began.saturating_add(startup)));
        let points = ring.points.iter().filter(|point| point.at >= from);
        points.filter_map(|point| Some((point.seconds(), f64::from(point.get(measure)?)))).collect()
    }
}

impl Ring {
    /// Adds a point; the one that made room for it for good, if any.
    fn push(&mut self, point: Point, stretch: u32) -> Option<Point> {
        // The last place is always the latest point's: it stays only if it is far enough from the one before.
        if let [.., before, last] = self.points.as_slice()
            && last.at.saturating_sub(before.at) < self.spacing
        {
            self.points.pop();
        }
        let mut lost = None;
        if self.points.len() >= POINTS {
            let covered = point.at.saturating_sub(self.points[0].at);
            if covered >= stretch {
                lost = Some(self.points.remove(0));
            } else {
                let mut index = 0;
                self.points.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.spacing = (self.spacing * 2).max(covered / u32::try_from(POINTS / 2).unwrap_or(1));
            }
        }
        if self.points.len() == self.points.capacity() {
            // In small steps: most histories are short.
            self.points.reserve_exact(POINTS / 3);
        }
        self.points.push(point);
        lost
    }
}

impl Point {
    fn get(&self, measure: Measure) -> Option<u32> {
        Some(self.values[measure.index()]).filter(|value| *value != ABSENT)
    }

    fn seconds(&self) -> f64 {
        f64::from(self.at) / 10.0
    }
}

impl Measure {
    const fn index(self) -> usize {
        match self {
            Self::AnonKib => 0,
            Self::Fds => 1,
            Self::Threads => 2,
            Self::ShmemKib => 3,
            Self::TablesKib => 4,
            Self::SizeKib => 5,
        }
    }
}

fn compact(value: Option<u64>) -> u32 {
    value.map_or(ABSENT, |value| u32::try_from(value).unwrap_or(ABSENT).min(ABSENT - 1))
}

fn largest(a: [u32; MEASURES], b: [u32; MEASURES]) -> [u32; MEASURES] {
    std::array::from_fn(|i| match (a[i], b[i]) {
        (ABSENT, other) | (other, ABSENT) => other,
        (a, b) => a.max(b),
    })
}

/// Tenths of a second: thirteen years in 32 bits.
fn tenths(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / 100).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
