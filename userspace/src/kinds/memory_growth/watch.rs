//! After each scan: which processes grew, looked at closely; the rest costs a comparison each.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::bounds::{OwnBound, of_arguments, of_environment};
use super::facts::MemorySort;
use super::{MemoryGrowth, detect};
use crate::children::Toucher;
use crate::config::DetectLimits;
use crate::evidence::start_ticks;
use crate::kinds::shared::limits::{host_memory_left, of_memory};
use crate::kinds::shared::trend::watch::{Growing, Points, grew_by};
use crate::kinds::watch::{Found, View, Watch, WatchSetup};
use crate::metrics::Metrics;
use crate::model::ProcessKey;
use crate::state::process::Begun;
use crate::state::{Measure, Process};

/// Most threads asked how long they waited for a CPU.
const THREADS: usize = 64;

/// Most programs whose own bound is remembered.
const BOUNDS: usize = 4096;
/// Most bytes read of an environment, and the longest wait for one.
const ENVIRONMENT: (u64, Duration) = (64 << 10, Duration::from_millis(50));

/// What was growing at the last scan, and what programs were told at their start.
pub struct MemoryGrowthWatch {
    sorts: [(Measure, Option<MemorySort>, Growing); 3],
    bounds: Bounds,
}

/// How much programs were told that they may use. Their arguments are read at their start: some write over them.
struct Bounds {
    toucher: Option<Arc<Toucher>>,
    told: HashMap<ProcessKey, OwnBound>,
    /// Of programs that grew: what their environment says.
    environments: HashMap<ProcessKey, Option<OwnBound>>,
}

impl Bounds {
    /// What the program was told by its arguments, else by its environment.
    fn of(&mut self, process: &Process, proc_root: &Path) -> Option<OwnBound> {
        if let Some(bound) = self.told.get(&process.key) {
            return Some(bound.clone());
        }
        of_arguments(&process.argv).or_else(|| {
            if self.environments.len() >= BOUNDS {
                self.environments.clear();
            }
            let toucher = self.toucher.as_ref()?;
            let read = || {
                let file =
                    fs::File::open(proc_root.join(process.key.pid.to_string()).join("environ")).ok()?;
                of_environment(&toucher.read(file, ENVIRONMENT.0, ENVIRONMENT.1)?)
            };
            self.environments.entry(process.key).or_insert_with(read).clone()
        })
    }
}

impl MemoryGrowthWatch {
    /// Who reads environments, which may hang.
    pub fn new(setup: &WatchSetup<'_>) -> Self {
        Self::reading_by(setup.toucher.clone())
    }

    fn reading_by(toucher: Option<Arc<Toucher>>) -> Self {
        let sort = |measure, sort| (measure, sort, Growing::default());
        Self {
            sorts: [
                sort(Measure::AnonKib, None),
                sort(Measure::ShmemKib, Some(MemorySort::Shared)),
                sort(Measure::TablesKib, Some(MemorySort::PageTables)),
            ],
            bounds: Bounds { toucher, told: HashMap::new(), environments: HashMap::new() },
        }
    }
}

impl Watch for MemoryGrowthWatch {
    fn began(&mut self, process: &mut Process, _limits: &DetectLimits, _metrics: &Metrics) {
        if process.begun == Begun::Exec
            && self.bounds.told.len() < BOUNDS
            && !self.bounds.told.contains_key(&process.key)
            && let Some(bound) = of_arguments(&process.argv)
        {
            self.bounds.told.insert(process.key, bound);
        }
    }

    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let mut host_left = None;
        for (measure, sort, growing) in &mut self.sorts {
            let (measure, sort, bounds) = (*measure, *sort, &mut self.bounds);
            let growing = growing.judge_all(view, |key, series, limits| {
                // One tells of it where several sorts grow.
                if found.iter().any(|it| it.process.key() == key) {
                    return None;
                }
                let kib = series.latest(measure)?;
                let points = Points::of(series, measure, limits);
                let from_start = series.recent(measure, limits.growth.growth_window, Duration::ZERO);
                let least = limits.growth.memory_growth_bytes as f64 / 1024.0;
                if !points.grew_by(least) && !grew_by(&from_start, least) {
                    return None;
                }
                let process = view.suspect(key)?;
                let proc_root = &view.sources.proc_root;
                let left = *host_left.get_or_insert_with(|| host_memory_left(proc_root));
                let limit = of_memory(process.cgroup.as_deref(), view.cgroups, left);
                let peak_before = |since| series.peak_before(measure, since);
                let mapped_since = |since| series.grown_since(Measure::SizeKib, since);
                let bound = if sort.is_none() { bounds.of(process, proc_root) } else { None };
                let memory = MemoryGrowth {
                    past: points.past(&peak_before),
                    from_start: &from_start,
                    sort,
                    anon_bytes: kib << 10,
                    bound: bound.as_ref(),
                    mapped_since: &mapped_since,
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

    fn forget(&mut self, key: ProcessKey) {
        self.bounds.told.remove(&key);
        self.bounds.environments.remove(&key);
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
        let mut world = World::new(MemoryGrowthWatch::reading_by(None));
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
    fn growth_towards_a_bound_of_its_own_pages_nobody() {
        let grows = |argv: &'static str, limit_mib: u64| {
            let mut world = World::new(MemoryGrowthWatch::reading_by(None));
            world.cgroups = vec![CgroupMemory {
                path: "/app".into(),
                usage_bytes: 220 * MIB,
                file_bytes: 0,
                limit_bytes: limit_mib * MIB,
            }];
            let found = world.scan_for(2 * TEN_MINUTES, |world, age| {
                let mut seen = holding(world, 100 + age.as_secs() / 10);
                seen.details.as_mut().unwrap().argv = argv.as_bytes().into();
                vec![seen]
            });
            found.last().map(|(_, it)| it.1)
        };
        for (argv, limit_mib, want) in [
            ("java\0-Xms256m\0-Xmx256m\0Main\0", 4000, Severity::Info),
            ("redis-server\0--maxmemory\x00300mb\0", 4000, Severity::Info),
            ("java\0-Xmx64g\0Main\0", 4000, Severity::Warning),
            ("java\0Main\0", 4000, Severity::Warning),
            ("java\0-Xmx256m\0Main\0", 300, Severity::Critical),
        ] {
            assert_eq!(grows(argv, limit_mib), Some(want), "{argv} in {limit_mib} MiB");
        }
    }

    #[test]
    fn memory_that_is_no_heap_is_found_and_named() {
        let grows = |change: fn(&mut SeenProcess, u64)| {
            let mut world = World::new(MemoryGrowthWatch::reading_by(None));
            let found = world.scan_for(2 * TEN_MINUTES, |world, age| {
                let mut seen = holding(world, 20);
                change(&mut seen, (100 + age.as_secs() / 10) * MIB);
                vec![seen]
            });
            found.len()
        };
        assert_eq!(grows(|seen, bytes| seen.tables_bytes = Some(bytes)), 1, "page tables");
        let mapped: fn(&mut SeenProcess, u64) = |seen, bytes| {
            (seen.shmem_bytes, seen.size_bytes) = (Some(bytes), bytes);
        };
        assert_eq!(grows(mapped), 1, "files on tmpfs that it maps");
        let touched: fn(&mut SeenProcess, u64) = |seen, bytes| {
            (seen.shmem_bytes, seen.size_bytes) = (Some(bytes), 8 << 30);
        };
        assert_eq!(grows(touched), 0, "a database's buffers");
        assert_eq!(grows(|seen, bytes| seen.size_bytes = bytes), 0, "address space alone");
    }

    #[test]
    fn what_goes_on_is_found_by_every_scan_until_it_ends() {
        let mut world = World::new(MemoryGrowthWatch::reading_by(None));
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
        let mut world = World::new(MemoryGrowthWatch::reading_by(None));
        let kernel = world.scan_for(3 * TEN_MINUTES, |world, age| {
            vec![SeenProcess { kernel_thread: true, ..holding(world, 100 + age.as_secs() / 10) }]
        });
        assert_eq!(kernel, []);
        let unmeasured = world.scan_for(3 * TEN_MINUTES, |world, _| vec![world.process(PID + 1)]);
        assert_eq!(unmeasured, []);
    }
}
