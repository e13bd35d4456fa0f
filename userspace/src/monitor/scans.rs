//! What the walks of /proc add: measurements, zombies, cgroups near their limit; and who is gone without a
//! kernel event to say so. Conditions must hold for several walks in a row before they are findings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Monitor;
use super::case::Material;
use super::ends::is_own;
use super::process::{Process, lossy};
use super::raise::{Evidence, Record};
use super::rooms::inside;
use crate::detect::{self, Draft, FdUse, MemoryUse};
use crate::host::boot_time;
use crate::kinds::zombie_pileup::{self, Zombie};
use crate::metrics::StateLabel;
use crate::model::{ProcessInfo, ProcessKey};
use crate::observation::{CgroupMemory, ScanDone, SeenProcess};

/// What the walks need to remember from one to the next.
#[derive(Default)]
pub(super) struct Scans {
    zombies: HashMap<ProcessKey, Dead>,
    cgroups: HashMap<Arc<str>, Streak>,
}

/// A process that ended and was not waited for.
struct Dead {
    ppid: u32,
    name: String,
    since: Duration,
    /// When a walk last saw it.
    seen: Duration,
}

/// For how many walks in a row a cgroup has been near its limit.
struct Streak {
    scans: u32,
    seen: Duration,
    memory: CgroupMemory,
}

impl Scans {
    /// The limited memory cgroups of the last walk.
    pub(super) fn memory_cgroups(&self) -> impl Iterator<Item = &CgroupMemory> {
        self.cgroups.values().map(|streak| &streak.memory)
    }
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
        self.note_growth(seen, now);
        let Some(process) = self.table.get_live_mut(seen.key) else { return };
        if seen.details.is_some() {
            self.looks.consider(process, &self.limits.exec, &self.metrics);
        }
        let high =
            seen.fds.zip(seen.fd_limit).filter(|(open, limit)| FdUse::is_high(*open, *limit, &self.limits));
        process.fd_scans = if high.is_some() { process.fd_scans.saturating_add(1) } else { 0 };
        let Some((open, limit)) = high else { return };
        let fds = FdUse { open, limit, scans: process.fd_scans };
        if is_own(process) {
            return;
        }
        let info = process.info();
        if let Some(mut draft) = detect::fds(&info, fds, &self.limits) {
            self.growth.add_kinds(&mut draft, &self.examiner.sources.proc_root, seen.key, open);
            self.raise_condition(draft, info, now);
        }
    }

    fn on_zombie(&mut self, seen: &SeenProcess, now: Duration) {
        let ended = self.table.get(seen.key).and_then(|it| it.end.as_ref());
        let since = ended.map_or(now, |end| end.at);
        // Without a kernel event this is how its end is learnt.
        self.table.vanish(seen.key, now);
        let name = lossy(&seen.comm);
        let dead =
            self.scans.zombies.entry(seen.key).or_insert(Dead { ppid: seen.ppid, name, since, seen: now });
        (dead.ppid, dead.seen) = (seen.ppid, now);
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
        (streak.seen, streak.memory) = (now, memory);
    }

    /// A walk is over: what it did not see is gone, and what must hold across processes is judged.
    pub(super) fn on_scan_done(&mut self, done: ScanDone) {
        let now = boot_time();
        for key in self.table.silent_since(done.began) {
            self.table.vanish(key, now);
        }
        self.scans.zombies.retain(|_, dead| dead.seen >= done.began);
        self.scans.cgroups.retain(|_, streak| streak.seen >= done.began);
        self.stuck.forget(done.began);
        self.judge_zombies(now);
        self.judge_pressure(now);
        self.judge_cgroups(now);
        self.judge_growth(done.began, now);
        self.table.forget_ended(now.saturating_sub(self.limits.ended_keep));
        self.table.refused.report(&self.metrics);
        for (state, count) in [("live", self.table.live_len()), ("ended", self.table.ended_len())] {
            let gauge = self.metrics.processes.get_or_create_owned(&StateLabel { state });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.health.first_scan_done();
    }

    /// Processes that ended and wait to be reaped, with the time of their end.
    pub(super) fn zombies(&self) -> impl Iterator<Item = ProcessKey> {
        self.scans.zombies.keys().copied()
    }

    fn judge_zombies(&mut self, now: Duration) {
        let mut by_parent: HashMap<u32, Vec<Zombie>> = HashMap::new();
        for (key, dead) in &self.scans.zombies {
            let age = now.saturating_sub(dead.since);
            by_parent.entry(dead.ppid).or_default().push(Zombie {
                pid: key.pid,
                name: dead.name.as_str().into(),
                age,
            });
        }
        for (parent, zombies) in by_parent {
            let Some(parent) = self.table.live_by_pid(parent).filter(|it| !is_own(it)).map(Process::info)
            else {
                continue;
            };
            if let Some(draft) = zombie_pileup::detect(&zombies, &self.limits) {
                self.raise_condition(draft, parent, now);
            }
        }
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
            let member = |it: &Process| it.cgroup.as_deref().is_some_and(|path| inside(&cgroup.path, path));
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
        self.raiser.raise(
            draft,
            Material { process, at: now, events_lost },
            Evidence::Read,
            Record::default(),
        );
    }
}
