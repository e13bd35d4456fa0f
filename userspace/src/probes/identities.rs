//! Who an event of a classic tracepoint is about: it names a pid alone. The start time that makes it an identity,
//! argv and the parent are read from /proc while the process is there; of one that is gone by then, the start is
//! when it was forked, as the kernel side noted, which may be off by a tick.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::coverage::{EventKind, Loss, LossReason, Way};
use crate::host::{Host, boot_time};
use crate::metrics::Metrics;
use crate::model::{Comm, ProcessKey};
use crate::observation::{KernelExit, KernelProcess, Observation};
use crate::scan;

/// Most processes remembered between their exec and their end.
const KNOWN_MAX: usize = 8192;
/// Most leaders waited for that ended before their threads.
const LEADERS_MAX: usize = 256;
/// A fork is noted a moment after the start time was taken: the next tick, at most.
const TICKS_APART: u64 = 2;

/// An exec whose arguments were not there to be read.
const ARGV_UNREADABLE: Loss =
    Loss { way: Way::CommonRing, kind: EventKind::Exec, reason: LossReason::ArgvUnreadable };

/// What is remembered of a process.
#[derive(Clone)]
struct Identity {
    key: ProcessKey,
    parent: ProcessKey,
    parent_comm: Comm,
}

/// Who has which pid, as far as it is known.
pub(super) struct Identities {
    proc_root: PathBuf,
    host: Host,
    metrics: Arc<Metrics>,
    /// Whether the kernel says which thread is a process's last.
    ends_are_certain: bool,
    known: HashMap<u32, Identity>,
    /// Ends of leaders whose threads live on, or are being ended.
    leaders: VecDeque<KernelExit>,
}

impl Identities {
    /// Begins with the processes there are.
    pub(super) fn new(proc_root: PathBuf, host: Host, metrics: Arc<Metrics>, ends_are_certain: bool) -> Self {
        let all = scan::measure_all(&proc_root, &host).unwrap_or_default();
        let starts: HashMap<u32, (u64, Comm)> =
            all.iter().map(|it| (it.key.pid, (it.key.start_ticks, (&*it.comm).into()))).collect();
        let known = all.iter().take(KNOWN_MAX).map(|it| {
            let (start_ticks, parent_comm) = starts.get(&it.ppid).cloned().unwrap_or_default();
            let parent = ProcessKey { pid: it.ppid, start_ticks };
            (it.key.pid, Identity { key: it.key, parent, parent_comm })
        });
        let known = known.collect();
        Self { proc_root, host, metrics, ends_are_certain, known, leaders: VecDeque::new() }
    }

    /// Adds what the kernel did not say. `None` where a leader ended before its threads: see
    /// [`Identities::settled`].
    pub(super) fn complete(&mut self, mut observation: Observation) -> Option<Observation> {
        match &mut observation {
            Observation::Exec(process) => self.exec(process),
            Observation::Exit(exit) => {
                if !self.ends_are_certain && self.has_threads(exit.process.key.pid) {
                    if self.leaders.len() >= LEADERS_MAX {
                        // Its end will be found by a scan.
                        self.metrics.count_turned_away("fallback_leaders", 1);
                    } else {
                        self.leaders.push_back(exit.clone());
                    }
                    return None;
                }
                self.exit(&mut exit.process);
            }
            Observation::OomVictim(victim) => {
                victim.start_ticks = self.known.get(&victim.pid).map(|it| it.key.start_ticks);
                if let Some(trigger) = self.known.get(&victim.trigger.pid) {
                    victim.trigger = trigger.key;
                }
            }
            _ => {}
        }
        Some(observation)
    }

    /// The processes whose leader ended before and whose last thread has, by now.
    pub(super) fn settled(&mut self) -> Vec<Observation> {
        let mut over = Vec::new();
        for mut exit in std::mem::take(&mut self.leaders) {
            if self.has_threads(exit.process.key.pid) {
                self.leaders.push_back(exit);
            } else {
                exit.process.at = boot_time();
                self.exit(&mut exit.process);
                over.push(Observation::Exit(exit));
            }
        }
        over
    }

    fn exec(&mut self, process: &mut KernelProcess) {
        let seen = scan::one(&self.proc_root, process.key.pid, &self.host, None);
        if let Some(seen) = seen.filter(|it| self.may_be(it.key, process.started)) {
            process.key = seen.key;
            process.parent.pid = seen.ppid;
            process.argv = seen.details.map(|it| it.argv).unwrap_or_default();
        } else {
            self.metrics.coverage.add_evidence_lost(ARGV_UNREADABLE, 1);
            self.guess(process);
        }
        process.started = self.started(process.key, process.started);
        self.name_parent(process);
        let known =
            Identity { key: process.key, parent: process.parent, parent_comm: process.parent_comm.clone() };
        let room = self.known.len() < KNOWN_MAX;
        match self.known.entry(process.key.pid) {
            Entry::Occupied(mut entry) => drop(entry.insert(known)),
            Entry::Vacant(entry) if room => drop(entry.insert(known)),
            Entry::Vacant(_) => self.metrics.count_turned_away("fallback_identities", 1),
        }
    }

    fn exit(&mut self, process: &mut KernelProcess) {
        let known = self.known.remove(&process.key.pid).filter(|it| self.may_be(it.key, process.started));
        if let Some(known) = known {
            (process.key, process.parent, process.parent_comm) = (known.key, known.parent, known.parent_comm);
        } else {
            // Until its parent has waited for it, it is a zombie.
            match scan::measure(&self.proc_root, process.key.pid, &self.host) {
                Some(seen) if self.may_be(seen.key, process.started) => {
                    process.key = seen.key;
                    process.parent.pid = seen.ppid;
                }
                _ => self.guess(process),
            }
            self.name_parent(process);
        }
        process.started = self.started(process.key, process.started);
    }

    /// From the fork, and where that was not seen, from the event itself: younger than it is, and still not taken for
    /// another process.
    fn guess(&self, process: &mut KernelProcess) {
        let start = if process.started.is_zero() { process.at } else { process.started };
        let start_ns = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
        process.key.start_ticks = self.host.ticks_from_boot_ns(start_ns);
    }

    fn name_parent(&self, process: &mut KernelProcess) {
        let seen = scan::measure(&self.proc_root, process.parent.pid, &self.host);
        if let Some(parent) = seen.filter(|it| it.key.start_ticks <= process.key.start_ticks) {
            (process.parent, process.parent_comm) = (parent.key, (&*parent.comm).into());
        }
    }

    /// Whether this can be who was forked at that time, where it is known.
    fn may_be(&self, key: ProcessKey, forked: Duration) -> bool {
        let forked_ns = u64::try_from(forked.as_nanos()).unwrap_or(u64::MAX);
        forked_ns == 0 || self.host.ticks_from_boot_ns(forked_ns).abs_diff(key.start_ticks) <= TICKS_APART
    }

    /// As exact as it can be had.
    fn started(&self, key: ProcessKey, forked: Duration) -> Duration {
        if forked.is_zero() { self.host.ticks_to_duration(key.start_ticks) } else { forked }
    }

    fn has_threads(&self, pid: u32) -> bool {
        let threads = std::fs::read_dir(self.proc_root.join(pid.to_string()).join("task"));
        threads.is_ok_and(|threads| threads.count() > 1)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn identities(ends_are_certain: bool) -> Identities {
        let host = Host::read("/proc".as_ref());
        Identities::new("/proc".into(), host, Metrics::new(), ends_are_certain)
    }

    /// As a classic tracepoint tells it: of a process forked then, or nobody knows when.
    fn event(pid: u32, forked: Duration) -> KernelProcess {
        KernelProcess {
            started: forked,
            parent: ProcessKey { pid: 0, start_ticks: 0 },
            comm: b"x"[..].into(),
            ..KernelProcess::sample(ProcessKey { pid, start_ticks: 0 }, boot_time())
        }
    }

    fn exit(process: KernelProcess) -> Observation {
        Observation::Exit(KernelExit::sample(process, None))
    }

    fn process(observation: Option<Observation>) -> KernelProcess {
        match observation {
            Some(Observation::Exec(process) | Observation::Exit(KernelExit { process, .. })) => process,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_live_process_is_who_proc_says_and_keeps_that_to_its_end() {
        let mut identities = identities(true);
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let key = scan::measure("/proc".as_ref(), child.id(), &identities.host).unwrap().key;
        // The parent goes on before the new program's argv is in place (kernel fs/exec.c, begin_new_exec).
        while std::fs::read(format!("/proc/{}/cmdline", key.pid)).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let exec = process(identities.complete(Observation::Exec(event(child.id(), Duration::ZERO))));
        assert_eq!((exec.key, exec.parent.pid), (key, std::process::id()));
        assert_eq!(&*exec.argv, b"sleep\x0060\x00");
        child.kill().unwrap();
        child.wait().unwrap();
        let end = process(identities.complete(exit(event(key.pid, Duration::ZERO))));
        assert_eq!((end.key, end.parent), (key, exec.parent));
        assert!(!end.started.is_zero());
    }

    #[test]
    fn a_process_that_is_gone_began_when_it_was_forked() {
        let mut identities = identities(true);
        let mut child = Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        for (forked, want) in [(Duration::from_secs(5), 5), (Duration::ZERO, boot_time().as_secs())] {
            let got = process(identities.complete(Observation::Exec(event(pid, forked))));
            let seconds = identities.host.ticks_to_duration(got.key.start_ticks).as_secs();
            assert!(seconds.abs_diff(want) <= 1, "{seconds}, not {want}");
            assert!(got.argv.is_empty());
        }
        let lost = identities.metrics.coverage.now().evidence_lost;
        assert_eq!(lost, [(ARGV_UNREADABLE, 2)].into());
    }

    #[test]
    fn the_former_owner_of_a_pid_is_somebody_else() {
        let mut identities = identities(true);
        let own = std::process::id();
        let former = process(identities.complete(exit(event(own, Duration::from_millis(10)))));
        let key = scan::measure("/proc".as_ref(), own, &identities.host).unwrap().key;
        assert_ne!(former.key, key);
    }

    #[test]
    fn a_leader_that_ends_first_waits_for_its_threads() {
        let mut identities = identities(false);
        // This process has threads: the test's own and the harness's.
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || stopped.recv());
        assert_eq!(identities.complete(exit(event(std::process::id(), Duration::ZERO))), None);
        assert!(identities.settled().is_empty(), "it lives");
        drop(stop);
        thread.join().unwrap().unwrap_err();
        // One that is gone has none.
        identities.leaders[0].process.key.pid = i32::MAX.cast_unsigned();
        assert_eq!(identities.settled().len(), 1);
        assert!(identities.settled().is_empty());
    }
}
