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
