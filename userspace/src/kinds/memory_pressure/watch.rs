//! After each scan: for how many scans in a row memory has been short, of the host and of each limited cgroup; and
//! which processes grew meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::sizes::{Sizes, WORTH_BYTES};
use super::{
    Resident, host, is_near_limit, is_short, is_stalled, near_limit, stall, stalls_for_want_of_memory,
};
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
        let high = is_short(memory, view.limits) || stalls_for_want_of_memory(memory, view.limits);
        let stalls =
            memory.cgroups.iter().filter(|(_, stall)| is_stalled(stall, view.limits)).map(|(path, stall)| {
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
        let belonging = view.table.live().filter(|it| !it.kernel_thread && !it.own && belongs(it));
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
    use crate::kinds::fixture::view::{PID, Short, World};
    use crate::kinds::memory_pressure::facts::PressureFact;
    use crate::model::Severity;
    use crate::observation::SeenProcess;

    const MIB: u64 = 1 << 20;
    const SMALL: u32 = PID + 5;
    const LARGE: u32 = PID + 6;

    /// A host of two processes: 10 MiB in /app/w, 20 MiB in /else.
    fn processes(world: &World<MemoryWatch>) -> Vec<SeenProcess> {
        let process = |(pid, rss_mib, cgroup): (u32, u64, &str)| {
            let mut seen = SeenProcess { rss_bytes: rss_mib * MIB, ..world.process(pid) };
            seen.details.as_mut().unwrap().cgroup = Some(cgroup.into());
            seen
        };
        [(SMALL, 10, "/app/w"), (LARGE, 20, "/else")].map(process).into()
    }

    /// What each scan finds where the host's and the cgroups' memory is like that.
    fn scans(scans: &[(HostMemory, Vec<CgroupMemory>)]) -> Vec<Vec<Short>> {
        let mut world = World::new(MemoryWatch::default());
        let scan = |(memory, cgroups): &(HostMemory, Vec<CgroupMemory>)| {
            world.cgroups = cgroups.clone();
            world.host_memory(memory);
            let seen = processes(&world);
            world.scan(&seen)
        };
        scans.iter().map(scan).collect()
    }

    fn plenty() -> HostMemory {
        HostMemory { total_bytes: 1000 * MIB, available_bytes: 500 * MIB, ..HostMemory::default() }
    }

    fn short() -> HostMemory {
        HostMemory { available_bytes: MIB, ..plenty() }
    }

    fn stalls(path: &str, full_avg10: f64, full_avg60: f64) -> HostMemory {
        let stall = Stall { some_avg60: 90.0, full_avg10, full_avg60 };
        HostMemory { cgroups: vec![(path.into(), stall)], ..plenty() }
    }

    /// A cgroup with a limit of 10 MiB.
    fn full(path: &str, usage_bytes: u64, file_bytes: u64) -> CgroupMemory {
        CgroupMemory { path: path.into(), usage_bytes, file_bytes, limit_bytes: 10 * MIB }
    }

    #[test]
    fn what_is_short_for_enough_scans_is_found_with_its_largest_process() {
        let near = vec![full("/app", 10 * MIB, 0), full("/else", 5 * MIB, 0), full("/empty", 10 * MIB, 0)];
        let (of_cgroup, of_host) = (vec![(SMALL, Severity::Warning)], vec![(LARGE, Severity::Critical)]);
        let twice = |memory: HostMemory, cgroups: Vec<CgroupMemory>| {
            scans(&[(memory.clone(), cgroups.clone()), (memory, cgroups)])
        };
        assert_eq!(twice(plenty(), near), [vec![], of_cgroup.clone()]);
        assert_eq!(twice(short(), vec![]), [vec![], of_host]);
        assert_eq!(twice(stalls("/app", 60.0, 50.0), vec![]), [vec![], of_cgroup]);
        assert_eq!(twice(plenty(), vec![]).concat(), []);
    }

    #[test]
    fn the_incident_names_the_cgroup_or_the_host() {
        let mut world = World::new(MemoryWatch::default());
        let mut found = Vec::new();
        for _ in 0..2 {
            world.cgroups = vec![full("/app", 10 * MIB, 0)];
            world.host_memory(&short());
            let seen = processes(&world);
            found = world.scan_in_full(&seen);
        }
        let named = found.into_iter().map(|Found { draft, process }| (process.cgroup, draft.site));
        let (of_cgroup, of_host) =
            ((Some("/app".to_owned()), "cgroup".to_owned()), (None, "host".to_owned()));
        assert_eq!(named.collect::<Vec<_>>(), [of_host, of_cgroup]);
    }

    #[test]
    fn the_monitor_itself_is_never_named() {
        let mut world = World::new(MemoryWatch::default());
        let us = std::process::id();
        let mut found = Vec::new();
        for _ in 0..2 {
            world.cgroups = vec![full("/ours", 10 * MIB, 0)];
            world.host_memory(&HostMemory { available_bytes: MIB, ..stalls("/ours", 60.0, 50.0) });
            let mut ours = SeenProcess { rss_bytes: 500 * MIB, ..world.process(us) };
            ours.details.as_mut().unwrap().cgroup = Some("/ours".into());
            let seen = [processes(&world), vec![ours]].concat();
            found = world.scan_in_full(&seen);
        }
        let [Found { draft, process }] = &found[..] else { panic!("the host's alone: {}", found.len()) };
        assert_eq!((process.pid, draft.site.as_str()), (LARGE, "host"));
        let named = draft.facts.iter().filter_map(|it| match it.data.as_memory_pressure()? {
            PressureFact::MemoryHolder { process, .. } => Some(process.pid),
            _ => None,
        });
        assert_eq!(named.collect::<Vec<_>>(), [LARGE, SMALL]);
    }

    #[test]
    fn moments_and_page_cache_are_no_pressure() {
        let once = |memory: HostMemory, cgroups| [(memory, cgroups), (plenty(), vec![])];
        for (what, seen) in [
            ("a host that is short for a moment", once(short(), vec![])),
            ("a cgroup that is full for a moment", once(plenty(), vec![full("/app", 10 * MIB, 0)])),
            ("a stall for a moment", once(stalls("/app", 60.0, 50.0), vec![])),
            ("a limit filled by files", [(); 2].map(|()| (plenty(), vec![full("/app", 10 * MIB, 2 * MIB)]))),
            ("a peak that has just begun", [(); 2].map(|()| (stalls("/app", 90.0, 19.0), vec![]))),
            ("a peak that is over", [(); 2].map(|()| (stalls("/app", 19.0, 90.0), vec![]))),
            ("nobody is in it", [(); 2].map(|()| (stalls("/empty", 60.0, 50.0), vec![]))),
        ] {
            let repeated = [seen.clone(), seen].concat();
            assert_eq!(scans(&repeated).concat(), [], "{what}");
        }
    }
}
