//! Memory of the host and stalls of cgroups, from walk to walk; and which processes grew meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Monitor;
use crate::detect::{self, Grown, Resident};
use crate::host::boot_time;
use crate::model::ProcessKey;
use crate::observation::{HostMemory, Stall};
use crate::state::process::{Process, lossy};

/// A process below this size is no grower worth a name.
const WORTH_BYTES: u64 = 4 << 20;
/// Growth is told against sizes at least so old.
const LOOK_BACK: Duration = Duration::from_secs(120);
/// Processes given to a detector.
const NAMED: usize = 8;

/// What the walks need to remember of memory.
#[derive(Default)]
pub(super) struct Pressure {
    host: Option<(HostMemory, u32)>,
    cgroups: HashMap<Arc<str>, (Stall, u32)>,
    sizes: Sizes,
}

/// The larger processes' sizes at two earlier walks: the older is what growth is told against, and the newer takes
/// its place once it is old enough. Bounded by the process table, from which they come.
#[derive(Default)]
struct Sizes {
    older: Option<Snapshot>,
    newer: Option<Snapshot>,
}

struct Snapshot {
    at: Duration,
    rss_bytes: HashMap<ProcessKey, u64>,
}

impl Sizes {
    /// To be called after each walk.
    fn note(&mut self, now: Duration, sizes: impl FnOnce() -> HashMap<ProcessKey, u64>) {
        if self.newer.as_ref().is_some_and(|it| now.saturating_sub(it.at) < LOOK_BACK) {
            return;
        }
        self.older = self.newer.take();
        self.newer = Some(Snapshot { at: now, rss_bytes: sizes() });
    }

    /// How much a process has grown; `None` where it has not, or where there is nothing to tell it against.
    fn grown(&self, key: ProcessKey, rss_bytes: u64, started: Duration, now: Duration) -> Option<Grown> {
        let snapshot = self.older.as_ref().or(self.newer.as_ref())?;
        let before = snapshot.rss_bytes.get(&key).copied();
        let since = match before {
            Some(_) => snapshot.at,
            // It was too small to be noted, or is younger.
            None => snapshot.at.max(started),
        };
        let bytes = rss_bytes.checked_sub(before.unwrap_or(0)).filter(|bytes| *bytes >= WORTH_BYTES)?;
        Some(Grown { bytes, over: now.saturating_sub(since) })
    }
}

impl Monitor {
    /// A walk read the host's memory.
    pub(super) fn on_host_memory(&mut self, memory: HostMemory) {
        self.ask_watches(boot_time(), |watch, view, _| watch.host_memory(&memory, view));
        let stalled = |stall: &Stall| detect::is_stalled(stall, &self.limits);
        let high = detect::is_short(&memory, &self.limits) || memory.stall.as_ref().is_some_and(stalled);
        let earlier = &self.pressure.cgroups;
        let cgroups = memory.cgroups.iter().filter(|(_, stall)| stalled(stall)).map(|(path, stall)| {
            let scans = earlier.get(path).map_or(0, |(_, scans)| *scans);
            (Arc::clone(path), (*stall, scans.saturating_add(1)))
        });
        self.pressure.cgroups = cgroups.collect();
        let scans = self.pressure.host.as_ref().map_or(0, |(_, scans)| *scans);
        self.pressure.host = Some((memory, if high { scans.saturating_add(1) } else { 0 }));
    }

    /// A walk is over: what it saw of processes is known by now.
    pub(super) fn judge_pressure(&mut self, now: Duration) {
        let table = &self.table;
        let size = |it: &Process| Some((it.key, it.sample?.rss_bytes));
        self.pressure.sizes.note(now, || {
            table.live().filter_map(size).filter(|(_, rss_bytes)| *rss_bytes >= WORTH_BYTES).collect()
        });
        let host = self.pressure.host.take();
        if let Some((memory, scans)) = &host
            && *scans > 0
            && let Some((largest, residents)) = self.residents(now, |_| true)
            && let Some(draft) = detect::host_memory(memory, *scans, &residents, &self.limits)
        {
            let mut info = largest;
            // It is the host's fault, whichever cgroup its largest process is in today.
            info.cgroup = None;
            self.raise_condition(draft, info, now);
        }
        self.pressure.host = host;
        let stalls: Vec<_> = self.pressure.cgroups.iter().map(|(path, it)| (Arc::clone(path), *it)).collect();
        for (path, (stall, scans)) in stalls {
            let inside =
                |it: &Process| it.cgroup.as_deref().is_some_and(|of| crate::cgroup::is_inside(&path, of));
            let Some((mut info, residents)) = self.residents(now, inside) else { continue };
            if let Some(draft) = detect::cgroup_stall(&path, &stall, scans, &residents, &self.limits) {
                info.cgroup = Some(path.to_string());
                self.raise_condition(draft, info, now);
            }
        }
    }

    /// The largest of some processes, and the first few, those that grew most first. `None` where there are none.
    pub(super) fn residents(
        &self,
        now: Duration,
        belongs: impl Fn(&Process) -> bool,
    ) -> Option<(crate::model::ProcessInfo, Vec<Resident>)> {
        let mut members: Vec<_> = self
            .table
            .live()
            .filter(|it| !it.kernel_thread && belongs(it))
            .map(|it| (self.resident(it, now), it))
            .collect();
        let (_, largest) = members.iter().max_by_key(|(resident, _)| resident.rss_bytes)?;
        let info = largest.info();
        members.sort_by_key(|(it, _)| {
            std::cmp::Reverse((it.grown.map_or(0, |grown| grown.bytes), it.rss_bytes))
        });
        Some((info, members.into_iter().take(NAMED).map(|(resident, _)| resident).collect()))
    }

    fn resident(&self, process: &Process, now: Duration) -> Resident {
        let rss_bytes = process.sample.map_or(0, |sample| sample.rss_bytes);
        let started = self.host.ticks_to_duration(process.key.start_ticks);
        let grown = self.pressure.sizes.grown(process.key, rss_bytes, started, now);
        Resident { pid: process.key.pid, name: lossy(&process.comm), rss_bytes, grown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ProcessKey = ProcessKey { pid: 5, start_ticks: 50 };
    const MIB: u64 = 1 << 20;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn growth_is_told_against_sizes_that_are_old_enough() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.grown(KEY, 900 * MIB, secs(1), secs(100)), None, "nothing to tell it against");
        for (at, rss) in [(100, 100), (110, 800), (220, 300), (230, 900), (340, 500), (350, 900)] {
            sizes.note(secs(at), || HashMap::from([(KEY, rss * MIB)]));
        }
        // Noted were the sizes at 100, 220 and 340 s; the last but one counts.
        let grown = |key, rss, now| sizes.grown(key, rss * MIB, secs(300), secs(now));
        assert_eq!(grown(KEY, 500, 350), Some(Grown { bytes: 200 * MIB, over: secs(130) }));
        assert_eq!(grown(KEY, 300, 350), None, "as large as it was");
        assert_eq!(grown(KEY, 200, 350), None, "smaller");
        let young = ProcessKey { pid: 5, start_ticks: 60 };
        assert_eq!(grown(young, 70, 350), Some(Grown { bytes: 70 * MIB, over: secs(50) }), "its whole life");
    }
}
