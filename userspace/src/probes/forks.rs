//! The kernel's fork counts, read as totals now and then: one observation for all parents that forked since.

use std::collections::HashMap;

use ai_debugger_ebpf::counters::FORK_PARENTS;
use aya::maps::{MapData, PerCpuHashMap};

use super::wire::ForkKey;
use crate::host::Host;
use crate::model::ProcessKey;
use crate::observation::ForkCount;

/// The map and what of it was told before.
pub(super) struct Forks {
    map: PerCpuHashMap<MapData, ForkKey, u64>,
    told: HashMap<ProcessKey, u64>,
}

impl Forks {
    pub(super) fn new(map: PerCpuHashMap<MapData, ForkKey, u64>) -> Self {
        Self { map, told: HashMap::new() }
    }

    /// The parents whose count has changed since the last call, with their totals. Parents come and go while
    /// the map is read: one that is missed now is read the next time.
    pub(super) fn changed(&mut self, host: &Host) -> Vec<ForkCount> {
        let limit = usize::try_from(FORK_PARENTS).unwrap_or(usize::MAX);
        let mut now = HashMap::new();
        for (ForkKey(parent), per_cpu) in self.map.iter().take(limit).flatten() {
            let key = ProcessKey { pid: parent.tgid, start_ticks: host.ticks_from_boot_ns(parent.start_ns) };
            now.insert(key, per_cpu.iter().sum());
        }
        let changed = now.iter().filter(|(key, forks)| self.told.get(key) != Some(forks));
        let changed = changed.map(|(key, forks)| ForkCount { key: *key, forks: *forks }).collect();
        self.told = now;
        changed
    }
}
