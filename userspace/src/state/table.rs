//! The process table: live processes by pid, ended ones by identity for a while with what was last known.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::end::End;
use super::process::{Begun, Judged, Process};
use crate::cgroup;
use crate::coverage::{EventKind, Loss, LossReason, Way};
use crate::host::Host;
use crate::metrics::Metrics;
use crate::model::{ProcessKey, SignalSource};
use crate::observation::{ForkCount, KernelExit, KernelProcess, PeakRss, SeenProcess};

/// Most live processes: more than a host with default pid_max runs.
const LIVE_MAX: usize = 65_536;
/// Most ended processes kept.
const ENDED_MAX: usize = 4096;
/// How far up the family anybody is asked.
const ANCESTORS: usize = 12;

/// The table. The kernel chooses its keys, so a fast hash with a seed does.
#[derive(Default)]
pub struct Table {
    /// Who has a pid now.
    live: HashMap<u32, Process, RandomState>,
    ended: HashMap<ProcessKey, Process, RandomState>,
    /// Ended ones, oldest first, with the time of their end.
    ended_order: VecDeque<(Duration, ProcessKey)>,
    /// What was not taken because the table was full.
    pub refused: Refused,
}

/// Processes that there was no room for, each time that they were told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Processes that an exec told of.
    execs: u64,
    /// Processes that a scan of /proc told of.
    walks: u64,
}

impl Refused {
    /// Adds what has come since the last call: those who told of them came, and nothing of it could be kept.
    pub fn report(&mut self, metrics: &Metrics) {
        let Self { execs, walks } = std::mem::take(self);
        for (way, kind, count) in
            [(Way::CommonRing, EventKind::Exec, execs), (Way::Scan, EventKind::Process, walks)]
        {
            if count > 0 {
                let loss = Loss { way, kind, reason: LossReason::ProcessTable };
                metrics.coverage.add_evidence_lost(loss, count);
            }
        }
    }
}

impl Table {
    /// Every live process of the table.
    pub fn live(&self) -> impl Iterator<Item = &Process> {
        self.live.values()
    }

    /// How many are alive.
    pub fn live_len(&self) -> usize {
        self.live.len()
    }

    /// How many that ended are kept.
    pub fn ended_len(&self) -> usize {
        self.ended.len()
    }

    /// The process with this identity, live or ended.
    pub fn get(&self, key: ProcessKey) -> Option<&Process> {
        self.live_by_pid(key.pid).filter(|process| process.key == key).or_else(|| self.ended.get(&key))
    }

    /// The live process with this identity.
    pub fn get_live_mut(&mut self, key: ProcessKey) -> Option<&mut Process> {
        self.live.get_mut(&key.pid).filter(|process| process.key == key)
    }

    /// The live process with this pid, else the one that had it last.
    pub fn by_pid(&self, pid: u32) -> Option<&Process> {
        self.live_by_pid(pid).or_else(|| {
            self.ended_order
                .iter()
                .rev()
                .find(|(_, key)| key.pid == pid)
                .and_then(|(_, key)| self.ended.get(key))
        })
    }

    /// The live process with this pid.
    pub fn live_by_pid(&self, pid: u32) -> Option<&Process> {
        self.live.get(&pid)
    }

    /// The live processes above it, the parent first.
    pub fn above(&self, process: &Process) -> impl Iterator<Item = &Process> {
        let next = |above: &&Process| {
            let parent = Some(above.ppid).filter(|parent| *parent != 0 && *parent != above.key.pid);
            parent.and_then(|parent| self.live_by_pid(parent))
        };
        std::iter::successors(self.live_by_pid(process.ppid), next).take(ANCESTORS)
    }

    /// An exec: a new process, or a new program in a known one. `None` where it is over already (events of
    /// one process may overtake each other between CPUs) or the table is full.
    pub fn exec(&mut self, event: KernelProcess, cgroup: Option<Arc<str>>) -> Option<&mut Process> {
        if self.ended.contains_key(&event.key) {
            return None;
        }
        if !self.has(event.key) && !self.insert(Process::from_kernel(&event)) {
            self.refused.execs += 1;
        }
        let process = self.get_live_mut(event.key)?;
        if process.begun != Begun::Exec {
            (process.first_ppid, process.begun) = (event.parent.pid, Begun::Exec);
        }
        process.began = Some(event.at);
        process.peak_before_exec = event.peak_rss.map(PeakRss::pages);
        process.judged = Judged::default();
        // Those of the program before are not this one's, even where its own could not be read.
        process.argv = Box::default();
        process.learn(event, cgroup);
        Some(process)
    }

    /// A scan saw a process that is not a zombie. Nothing where it has ended since.
    pub fn seen(&mut self, seen: &SeenProcess, now: Duration, host: &Host) {
        if self.ended.contains_key(&seen.key) {
            return;
        }
        if !self.has(seen.key) && !self.insert(Process::from_scan(seen, now)) {
            self.refused.walks += 1;
        }
        if let Some(process) = self.get_live_mut(seen.key) {
            process.measure(seen, now, host);
        }
    }

    /// A process ended. `None` where that was known: two threads that end at once may both report it.
    /// `signal` is where the signal that ended it came from.
    pub fn end(
        &mut self,
        event: KernelExit,
        signal: Option<Box<SignalSource>>,
        cgroup: Option<Arc<str>>,
    ) -> Option<&Process> {
        let key = event.process.key;
        // A scan may have found it gone before its report was read.
        let known = match self.take(key) {
            Some(process) => Some(process),
            None if self.ended.get(&key).is_some_and(|process| process.end.is_some()) => return None,
            None => self.take_ended(key),
        };
        let mut process = known.unwrap_or_else(|| Process::from_kernel(&event.process));
        process.own |= self.is_own(process.ppid);
        let mut end = End::new(&event, process.peak_before_exec);
        end.signal = signal;
        let at = end.at;
        process.end = Some(end);
        process.learn(event.process, cgroup);
        Some(self.keep_ended(process, at))
    }

    /// A process is gone and nobody said how.
    pub fn vanish(&mut self, key: ProcessKey, now: Duration) {
        if let Some(process) = self.take(key) {
            self.keep_ended(process, now);
        }
    }

    /// Whether the service manager had started another process of this one's unit that is still there: then it did not
    /// start this one, which was left to it before it began its program.
    pub fn has_elder(&self, process: &Process) -> bool {
        let Some(cgroup) = process.cgroup.as_ref().filter(|path| cgroup::unit(path).is_some()) else {
            return false;
        };
        self.live.values().any(|other| {
            other.cgroup.as_ref() == Some(cgroup)
                && other.ppid == process.ppid
                && other.key.start_ticks < process.key.start_ticks
        })
    }

    /// Live processes of which nothing was heard since `since`.
    pub fn silent_since(&self, since: Duration) -> Vec<ProcessKey> {
        self.live.values().filter(|process| process.touched < since).map(|process| process.key).collect()
    }

    /// The kernel's fork counts, as of now.
    pub fn add_forks(&mut self, counts: &[ForkCount]) {
        for count in counts {
            if let Some(process) = self.get_live_mut(count.key) {
                process.forks = Some(count.forks);
            }
        }
    }

    /// Forgets the processes that ended before `before`.
    pub fn forget_ended(&mut self, before: Duration) {
        while self.ended_order.front().is_some_and(|(at, _)| *at < before) {
            self.forget_oldest();
        }
    }

    fn has(&self, key: ProcessKey) -> bool {
        self.live_by_pid(key.pid).is_some_and(|process| process.key == key)
    }

    /// Whether there was room.
    fn insert(&mut self, mut process: Process) -> bool {
        process.own |= self.is_own(process.ppid);
        if self.live.len() >= LIVE_MAX {
            return false;
        }
        // The pid's former owner must be over, or the pid would not have been given away.
        let at = process.touched;
        if let Some(former) = self.live.insert(process.key.pid, process) {
            self.keep_ended(former, at);
        }
        true
    }

    /// Whether the process with this pid is ourselves or below us.
    fn is_own(&self, pid: u32) -> bool {
        self.live_by_pid(pid).is_some_and(|parent| parent.own)
    }

    fn take(&mut self, key: ProcessKey) -> Option<Process> {
        self.get_live_mut(key)?;
        self.live.remove(&key.pid)
    }

    fn take_ended(&mut self, key: ProcessKey) -> Option<Process> {
        let process = self.ended.remove(&key)?;
        self.ended_order.retain(|(_, ended)| *ended != key);
        Some(process)
    }

    fn keep_ended(&mut self, process: Process, at: Duration) -> &Process {
        if self.ended.len() >= ENDED_MAX {
            self.forget_oldest();
        }
        let key = process.key;
        self.ended_order.push_back((at, key));
        self.ended.entry(key).insert_entry(process).into_mut()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.ended_order.pop_front() {
            self.ended.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
