//! After each scan: for how many scans in a row memory has been short, of the host and of each limited cgroup; and
//! which processes grew meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::sizes::{Sizes, WORTH_BYTES};
use super::{Resident, host, is_near_limit, is_short, is_stalled, near_limit, stall};
use crate::cgroup::is_inside;
use crate::config::DetectLimits;
use crate::kinds::case::Draft;
use crate::kinds::pieces::Who;
use crate::kinds::watch::{Found, View, Watch};
use crate::model::ProcessInfo;
use crate::observation::{CgroupMemory, HostMemory, Stall};
use crate::state::Process;
use crate::state::process::lossy;

/// Processes given to a detector.
const GIVEN: usize = 8;

/// What the scans need to remember of memory.
#[derive(Default)]
pub struct MemoryWatch {
    /// The host's, and for how many scans in a row it has been short.
    host: Option<(HostMemory, u32)>,
    /// The cgroups that stall, and for how many scans in a row.
    stalls: HashMap<Arc<str>, (Stall, u32)>,
    /// For how many scans in a row each cgroup has been near its limit.
    near_limit: HashMap<Arc<str>, u32>,
    sizes: Sizes,
}

impl Watch for MemoryWatch {
    fn host_memory(&mut self, memory: &HostMemory, view: View<'_>) {
        let is_stalled = |stall: &Stall| is_stalled(stall, view.limits);
        let high = is_short(memory, view.limits) || memory.stall.as_ref().is_some_and(is_stalled);
        let stalls = memory.cgroups.iter().filter(|(_, stall)| is_stalled(stall)).map(|(path, stall)| {
            let scans = self.stalls.get(path).map_or(0, |(_, scans)| *scans);
            (Arc::clone(path), (*stall, scans.saturating_add(1)))
        });
        self.stalls = stalls.collect();
        let scans = self.host.as_ref().map_or(0, |(_, scans)| *scans);
        self.host = Some((memory.clone(), if high { scans.saturating_add(1) } else { 0 }));
    }

    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let size = |it: &Process| Some((it.key, it.sample?.rss_bytes));
        self.sizes.note(view.now, || {
            view.table.live().filter_map(size).filter(|(_, rss_bytes)| *rss_bytes >= WORTH_BYTES).collect()
        });
        self.count_near_limit(view.cgroups, view.limits);
        found.extend(self.of_host(view));
        for (path, (stalled, scans)) in &self.stalls {
            found.extend(
                self.of_cgroup(path, view, |residents| stall(path, stalled, *scans, residents, view.limits)),
            );
        }
        for cgroup in view.cgroups {
            let scans = self.near_limit.get(&cgroup.path).copied().unwrap_or(0);
            if scans > 0 {
                found.extend(self.of_cgroup(&cgroup.path, view, |residents| {
                    near_limit(cgroup, scans, residents, view.limits)
                }));
            }
        }
    }
}

impl MemoryWatch {
    fn count_near_limit(&mut self, cgroups: &[CgroupMemory], limits: &DetectLimits) {
        let earlier = &self.near_limit;
        let near = cgroups.iter().filter(|cgroup| is_near_limit(cgroup, limits)).map(|cgroup| {
            let scans = earlier.get(&cgroup.path).copied().unwrap_or(0);
            (Arc::clone(&cgroup.path), scans.saturating_add(1))
        });
        self.near_limit = near.collect();
    }

    fn of_host(&self, view: View<'_>) -> Option<Found> {
        let (memory, scans) = self.host.as_ref().filter(|(_, scans)| *scans > 0)?;
        let (largest, residents) = self.residents(view, |_| true)?;
        let draft = host(memory, *scans, &residents, view.limits)?;
        // It is the host's fault, whichever cgroup its largest process is in today.
        Some(Found { draft, process: ProcessInfo { cgroup: None, ..largest } })
    }

    fn of_cgroup(
        &self,
        path: &str,
        view: View<'_>,
        detect: impl FnOnce(&[Resident]) -> Option<Draft>,
    ) -> Option<Found> {
        let inside = |it: &Process| it.cgroup.as_deref().is_some_and(|of| is_inside(path, of));
        let (largest, residents) = self.residents(view, inside)?;
        let draft = detect(&residents)?;
        Some(Found { draft, process: ProcessInfo { cgroup: Some(path.to_owned()), ..largest } })
    }

    /// The largest of some processes, and the first few, those that grew most first. `None` where there are none.
    fn residents(
        &self,
        view: View<'_>,
        belongs: impl Fn(&Process) -> bool,
    ) -> Option<(ProcessInfo, Vec<Resident>)> {
        let belonging = view.table.live().filter(|it| !it.kernel_thread && belongs(it));
        let mut members: Vec<_> = belonging.map(|it| (self.resident(it, view), it)).collect();
        let (_, largest) = members.iter().max_by_key(|(resident, _)| resident.rss_bytes)?;
        let info = largest.info();
        members.sort_by_key(|(it, _)| {
            std::cmp::Reverse((it.grown.as_ref().map_or(0, |grown| grown.bytes), it.rss_bytes))
        });
        Some((info, members.into_iter().take(GIVEN).map(|(resident, _)| resident).collect()))
    }

    fn resident(&self, process: &Process, view: View<'_>) -> Resident {
        let rss_bytes = process.sample.map_or(0, |sample| sample.rss_bytes);
        let started = view.host.ticks_to_duration(process.key.start_ticks);
        let grown = self.sizes.grown(process.key, rss_bytes, started, view.now);
        let process = Who { name: lossy(&process.comm).into(), pid: process.key.pid };
        Resident { process, rss_bytes, grown }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Hierarchy;
    use crate::evidence::Sources;
    use crate::host::Host;
    use crate::metrics::Metrics;
    use crate::model::{ProcessKey, Severity};
    use crate::observation::{SeenDetails, SeenProcess};
    use crate::state::{History, Table, Zombies};

    const MIB: u64 = 1 << 20;

    /// A host of two processes: 10 MiB in /app/w, 20 MiB in /else.
    fn table(host: &Host) -> Table {
        let mut table = Table::default();
        for (pid, rss_mib, cgroup) in [(5, 10, "/app/w"), (6, 20, "/else")] {
            let key = ProcessKey { pid, start_ticks: 1 };
            let details =
                SeenDetails { argv: Box::default(), exe: None, uid: None, cgroup: Some(cgroup.into()) };
            let seen = SeenProcess {
                comm: (*b"app").into(),
                rss_bytes: rss_mib * MIB,
                details: Some(details),
                ..SeenProcess::sample(key)
            };
            table.seen(&seen, Duration::from_secs(100), host);
        }
        table
    }

    /// What the second and third of some equal scans find.
    fn after_scans(
        memory: &HostMemory,
        cgroups: &[CgroupMemory],
    ) -> Vec<(u32, Option<String>, String, Severity)> {
        let host = Host::read("/proc".as_ref());
        let (table, metrics, limits) = (table(&host), Metrics::new(), DetectLimits::default());
        let sources = Sources { proc_root: "/proc".into(), hierarchy: Hierarchy::None };
        let growth = &limits.growth;
        let (history, zombies) =
            (History::new(growth.growth_window, growth.growth_history), Zombies::default());
        let mut watch = MemoryWatch::default();
        let mut found = Vec::new();
        for scan in 1..=limits.memory_scans {
            assert!(found.is_empty(), "{scan} scans are not enough");
            let view = View {
                table: &table,
                history: &history,
                zombies: &zombies,
                cgroups,
                host: &host,
                sources: &sources,
                limits: &limits,
                metrics: &metrics,
                now: Duration::from_secs(100),
            };
            watch.host_memory(memory, view);
            watch.scanned(Duration::ZERO, view, &mut found);
        }
        let found = found
            .into_iter()
            .map(|Found { draft, process }| (process.pid, process.cgroup, draft.site, draft.severity));
        found.collect()
    }

    fn plenty() -> HostMemory {
        HostMemory { total_bytes: 1000 * MIB, available_bytes: 500 * MIB, ..HostMemory::default() }
    }

    #[test]
    fn what_is_short_for_enough_scans_is_found_with_its_largest_process() {
        let full = |path: &str, usage_bytes| CgroupMemory {
            path: path.into(),
            usage_bytes,
            file_bytes: 0,
            limit_bytes: 10 * MIB,
        };
        let app = Some("/app".to_owned());
        let near = [full("/app", 10 * MIB), full("/else", 5 * MIB), full("/empty", 10 * MIB)];
        assert_eq!(after_scans(&plenty(), &near), [(5, app.clone(), "cgroup".into(), Severity::Warning)]);
        let short = HostMemory { available_bytes: MIB, ..plenty() };
        assert_eq!(after_scans(&short, &[]), [(6, None, "host".into(), Severity::Critical)]);
        let stall = Stall { some_avg60: 90.0, full_avg10: 60.0, full_avg60: 50.0 };
        let stalls = HostMemory { cgroups: vec![("/app".into(), stall)], ..plenty() };
        assert_eq!(after_scans(&stalls, &[]), [(5, app, "cgroup".into(), Severity::Warning)]);
        assert_eq!(after_scans(&plenty(), &[]), []);
    }
}
