//! What the walks of /proc add: measurements, zombies, cgroups near their limit; and who is gone without a
//! kernel event to say so. Conditions must hold for several walks in a row before they are findings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Monitor;
use super::case::Material;
use super::raise::{Evidence, Record};
use crate::cgroup::is_inside;
use crate::detect::{self, Draft, MemoryUse};
use crate::host::boot_time;
use crate::metrics::StateLabel;
use crate::model::{IncidentKind, ProcessInfo};
use crate::observation::{CgroupMemory, ScanDone, SeenProcess};
use crate::state::Process;

/// What the walks need to remember from one to the next.
#[derive(Default)]
pub(super) struct Scans {
    cgroups: HashMap<Arc<str>, Streak>,
}

/// For how many walks in a row a cgroup has been near its limit.
struct Streak {
    scans: u32,
    seen: Duration,
    memory: CgroupMemory,
}

impl Monitor {
    /// A walk saw a process.
    pub(super) fn on_seen(&mut self, seen: &SeenProcess) {
        let now = boot_time();
        if matches!(seen.state, 'Z' | 'X') {
            self.on_zombie(seen, now);
            return;
        }
        self.table.seen(seen, now, &self.host);
        if let Some(process) = self.table.get(seen.key).filter(|_| !seen.kernel_thread) {
            let began = process.began.unwrap_or_else(|| self.host.ticks_to_duration(seen.key.start_ticks));
            self.history.add(seen, began, now);
        }
        self.ask_watches(now, |watch, view, found| watch.saw(seen, view, found));
        let Some(process) = self.table.get_live_mut(seen.key) else { return };
        if seen.details.is_some() {
            self.watches.iter_mut().for_each(|watch| watch.began(process, &self.limits, &self.metrics));
        }
    }

    fn on_zombie(&mut self, seen: &SeenProcess, now: Duration) {
        let ended = self.table.get(seen.key).and_then(|it| it.end.as_ref());
        let since = ended.map_or(now, |end| end.at);
        // Without a kernel event this is how its end is learnt.
        self.table.vanish(seen.key, now);
        self.zombies.add(seen, since, now);
    }

    /// A walk read a limited cgroup's memory.
    pub(super) fn on_cgroup(&mut self, memory: CgroupMemory) {
        let now = boot_time();
        let high = MemoryUse::is_high(&memory, &self.limits);
        let streak = self.scans.cgroups.entry(Arc::clone(&memory.path)).or_insert_with(|| Streak {
            scans: 0,
            seen: now,
            memory: memory.clone(),
        });
        streak.scans = if high { streak.scans.saturating_add(1) } else { 0 };
        (streak.seen, streak.memory) = (now, memory.clone());
        self.cgroups_read.push(memory);
    }

    /// A walk is over: what it did not see is gone, and what must hold across processes is judged.
    pub(super) fn on_scan_done(&mut self, done: ScanDone) {
        let now = boot_time();
        self.cgroups = std::mem::take(&mut self.cgroups_read);
        for key in self.table.silent_since(done.began) {
            self.table.vanish(key, now);
        }
        self.zombies.forget_unseen(done.began);
        self.scans.cgroups.retain(|_, streak| streak.seen >= done.began);
        self.judge_pressure(now);
        self.judge_cgroups(now);
        self.history.forget_unseen(done.began);
        self.metrics.count_turned_away("history", std::mem::take(&mut self.history.refused));
        self.ask_watches(now, |watch, view, found| watch.scanned(done.began, view, found));
        self.standing.scanned(done.began, IncidentKind::is_condition);
        self.table.forget_ended(now.saturating_sub(self.limits.ended_keep));
        self.table.refused.report(&self.metrics);
        for (state, count) in [("live", self.table.live_len()), ("ended", self.table.ended_len())] {
            let gauge = self.metrics.processes.get_or_create_owned(&StateLabel { state });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.health.first_scan_done();
    }

    fn judge_cgroups(&mut self, now: Duration) {
        let high: Vec<_> = self
            .scans
            .cgroups
            .values()
            .filter(|it| it.scans > 0)
            .map(|it| (it.memory.clone(), it.scans))
            .collect();
        for (cgroup, scans) in high {
            let member =
                |it: &Process| it.cgroup.as_deref().is_some_and(|path| is_inside(&cgroup.path, path));
            let Some((mut info, residents)) = self.residents(now, member) else { continue };
            let memory = MemoryUse { cgroup: &cgroup, scans, processes: &residents };
            if let Some(draft) = detect::memory(&memory, &self.limits) {
                info.cgroup = Some(cgroup.path.to_string());
                self.raise_condition(draft, info, now);
            }
        }
    }

    pub(super) fn raise_condition(&mut self, draft: Draft, process: ProcessInfo, now: Duration) {
        let events_lost = self.losses.since_last(&self.metrics);
        self.standing.note(process.key(), &draft, now, &self.metrics);
        self.raiser.raise(
            draft,
            Material { process, at: now, events_lost },
            Evidence::Read,
            Record::default(),
        );
    }
}
