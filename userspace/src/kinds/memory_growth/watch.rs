//! After each scan: which processes grew, looked at closely; the rest costs a comparison each.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{MemoryGrowth, detect};
use crate::evidence::start_ticks;
use crate::kinds::shared::limits::{host_memory_left, of_memory};
use crate::kinds::shared::trend::watch::{Growing, Points, grew_by};
use crate::kinds::watch::{Found, View, Watch};
use crate::model::ProcessKey;
use crate::state::Measure;

/// Most threads asked how long they waited for a CPU.
const THREADS: usize = 64;

/// What was growing at the last scan.
#[derive(Default)]
pub struct MemoryGrowthWatch {
    growing: Growing,
}

impl Watch for MemoryGrowthWatch {
    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let mut host_left = None;
        let growing = self.growing.judge_all(view, |key, series, limits| {
            let kib = series.latest(Measure::AnonKib)?;
            let points = Points::of(series, Measure::AnonKib, limits);
            let from_start = series.recent(Measure::AnonKib, limits.growth.growth_window, Duration::ZERO);
            let least = limits.growth.memory_growth_bytes as f64 / 1024.0;
            if !points.grew_by(least) && !grew_by(&from_start, least) {
                return None;
            }
            let process = view.suspect(key)?;
            let proc_root = &view.sources.proc_root;
            let left = *host_left.get_or_insert_with(|| host_memory_left(proc_root));
            let limit = of_memory(process.cgroup.as_deref(), view.cgroups, left);
            let peak_before = |since| series.peak_before(Measure::AnonKib, since);
            let memory = MemoryGrowth {
                past: points.past(&peak_before),
                from_start: &from_start,
                anon_bytes: kib << 10,
                limit: limit.as_ref(),
                age: view.now.saturating_sub(series.began()),
                worked: process.sample.map(|sample| {
                    let queued = queued(proc_root, key).unwrap_or_default();
                    view.host.ticks_to_duration(sample.cpu_ticks) + queued
                }),
            };
            let info = process.info();
            detect(&info, &memory, limits).map(|draft| Found { draft, process: info })
        });
        found.extend(growing);
    }
}

/// How long the process's threads that are alive have waited for a CPU, as far as the first of them say
/// (kernel Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat).
fn queued(proc_root: &Path, key: ProcessKey) -> Option<Duration> {
    let directory = proc_root.join(key.pid.to_string());
    let threads = fs::read_dir(directory.join("task")).ok()?.flatten().take(THREADS);
    let waited = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let waited = waited.fold(0_u64, u64::saturating_add);
    (start_ticks(&directory) == Some(key.start_ticks)).then(|| Duration::from_nanos(waited))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture::view::{Curve, PID, Short, TEN_MINUTES, World};
    use crate::model::Severity;
    use crate::observation::{CgroupMemory, SeenProcess};

    const MIB: u64 = 1 << 20;

    /// A process whose anonymous memory is so many MiB.
    fn holding(world: &World<MemoryGrowthWatch>, mib: u64) -> SeenProcess {
        let mut seen = SeenProcess { anon_bytes: Some(mib * MIB), ..world.process(PID) };
        seen.details.as_mut().unwrap().cgroup = Some("/app".into());
        seen
    }

    /// What is found of a process that holds so many MiB after so many seconds, and after how many minutes.
    fn found(cgroups: Vec<CgroupMemory>, mib: impl Fn(u64) -> u64) -> Vec<(u64, Short)> {
        let mut world = World::new(MemoryGrowthWatch::default());
        world.cgroups = cgroups;
        let first = world.scan_for(4 * TEN_MINUTES, |world, age| vec![holding(world, mib(age.as_secs()))]);
        first.into_iter().map(|(age, it)| (age.as_secs() / 60, it)).collect()
    }

    #[test]
    fn a_leak_is_found_once_it_has_outlasted_start_and_window() {
        let warning = (PID, Severity::Warning);
        let leak = |age: u64| 100 + age / 10;
        let leaks = found(vec![], leak);
        assert!(matches!(*leaks, [(18..=20, it)] if it == warning), "{leaks:?}");
        // 300 MiB: after 20 minutes it holds 220, and the rest lasts for 13.
        let limit = CgroupMemory {
            path: "/app".into(),
            usage_bytes: 220 * MIB,
            file_bytes: 0,
            limit_bytes: 300 * MIB,
        };
        let urgent = found(vec![limit.clone()], leak);
        assert!(urgent.iter().any(|(_, it)| *it == (PID, Severity::Critical)), "{urgent:?}");
        let of_others = CgroupMemory { path: "/else".into(), ..limit };
        assert_eq!(found(vec![of_others], leak), leaks);
        let over_a_sawtooth = found(vec![], |age| leak(age) + age % 70);
        assert!(matches!(*over_a_sawtooth, [(18..=30, it)] if it == warning), "{over_a_sawtooth:?}");
    }

    #[test]
    fn what_only_looks_like_a_leak_is_not() {
        let near_misses: [Curve; 6] = [
            ("large and level", |_| 4000),
            ("a start", |age| 100 + age.min(600)),
            ("a cache that fills up", |age| 100 + age.min(720)),
            ("a garbage collector", |age| 100 + age % 300),
            ("one large allocation", |age| if age < 1000 { 100 } else { 900 }),
            ("too little to matter", |age| 100 + age / 60),
        ];
        for (what, mib) in near_misses {
            assert_eq!(found(vec![], mib), [], "{what}");
        }
    }

    #[test]
    fn what_goes_on_is_found_by_every_scan_until_it_ends() {
        let mut world = World::new(MemoryGrowthWatch::default());
        let first =
            world.scan_for(2 * TEN_MINUTES, |world, age| vec![holding(world, 100 + age.as_secs() / 10)]);
        assert_eq!(first.len(), 1);
        for scan in 1..=30 {
            let seen = holding(&world, 220 + scan);
            assert_eq!(world.scan(&[seen]).len(), 1, "{scan}");
        }
        let ends = world.scan_for(TEN_MINUTES, |world, _| vec![holding(world, 250)]);
        let last = holding(&world, 250);
        assert_eq!(world.scan(&[last]), [], "{ends:?}");
    }

    #[test]
    fn nobody_who_cannot_be_blamed_is() {
        let mut world = World::new(MemoryGrowthWatch::default());
        let kernel = world.scan_for(3 * TEN_MINUTES, |world, age| {
            vec![SeenProcess { kernel_thread: true, ..holding(world, 100 + age.as_secs() / 10) }]
        });
        assert_eq!(kernel, []);
        let unmeasured = world.scan_for(3 * TEN_MINUTES, |world, _| vec![world.process(PID + 1)]);
        assert_eq!(unmeasured, []);
    }
}
