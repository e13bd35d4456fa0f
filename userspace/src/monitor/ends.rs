//! What the kernel reports of ends: a victim chosen, a process gone. Joins the two, and both with what the
//! table knew, and asks the detectors.

use std::time::Duration;

use super::Monitor;
use super::case::Material;
use super::join::{Joined, is_relay};
use super::raise::{Evidence, Reading, Record};
use super::victims::{Chosen, EarlyEnd, is_victim};
use super::{located, roots, stacks};
use crate::host::boot_time;
use crate::kinds;
use crate::kinds::late::both;
use crate::kinds::pieces::Who;
use crate::kinds::room::Tie;
use crate::kinds::shared::ending::OomTrigger;
use crate::kinds::shared::signal;
use crate::model::{EvidenceFile, ExitCause, ExitRecord, ProcessKey, Severity};
use crate::observation::{FatalSignal, KernelExit, OomVictim};
use crate::stack::Capture;
use crate::state::process::{Process, lossy};

impl Monitor {
    /// The OOM killer chose a victim: its /proc files are read now, while it still dies.
    pub(super) fn on_victim(&mut self, victim: OomVictim) {
        if let Some(EarlyEnd { process, starter, .. }) = self.victims.ended_early(&victim) {
            self.judge_end(process, starter, Some(Chosen { victim, reading: None }));
            return;
        }
        let known = self.table.live_by_pid(victim.pid).filter(|it| is_victim(it.key, &victim));
        let cgroup = known.and_then(|it| it.cgroup.clone());
        let start_ticks = victim.start_ticks.or(known.map(|it| it.key.start_ticks));
        let reading = start_ticks
            .and_then(|start_ticks| self.raiser.read(ProcessKey { pid: victim.pid, start_ticks }, cgroup));
        if !self.victims.choose(Chosen { victim, reading }) {
            self.metrics.count_turned_away("oom_victims", 1);
        }
    }

    /// A process ended.
    pub(super) fn on_exit(&mut self, event: KernelExit) {
        let (event_key, parent, oom_killed) = (event.process.key, event.process.parent, event.oom_killed);
        let pids = [event.process.key.pid, parent.pid];
        let cgroup = self.paths.resolve(event.process.cgroup, pids, event.cgroup.as_deref());
        // Nearly every end is an exit with status 0: nothing is looked up for it, nor allocated.
        let cause = event.cause();
        let by_signal = matches!(cause, ExitCause::Signal(_));
        let generated = if by_signal { self.signals.of(event.process.key) } else { None };
        let sent = generated.is_some_and(|it| signal::is_sent(&it.signal));
        let raised = generated.is_some_and(|it| signal::is_own(&it.signal));
        let source = generated.filter(|it| it.ends_with(cause)).map(|it| it.source.clone());
        let Some(process) = self.table.end(event, source, cgroup) else { return };
        let chosen = if oom_killed { self.victims.take(process.key.pid) } else { None };
        if cause == ExitCause::Status(0) {
            self.watches.iter_mut().for_each(|watch| watch.ended_well(process, parent));
        }
        if !cause.is_unremarkable() && !process.kernel_thread && !is_own(process) {
            let mut process = process.clone();
            // One that never began a program of its own was not seen before.
            located::locate(&mut self.containers, &mut process);
            // Before it waits for anything: what comes of its parent by then is to know of it.
            let child = Who { name: lossy(&process.comm).into(), pid: process.key.pid };
            let at = process.end.as_ref().map_or_else(boot_time, |end| end.at);
            // Whoever was gone a moment before had it as a child all the same.
            let first = process.first_ppid;
            let adopted = parent.pid != first;
            let of = adopted.then(|| self.table.by_pid(first).map(|it| it.key)).flatten().unwrap_or(parent);
            self.fallen.add(of, process.key, child, cause, at);
            // timeout(1) sends SIGKILL to its child and itself: either may be gone first.
            let with_child = !oom_killed && raised && is_relay(&process, &process.info());
            let is_early = oom_killed && chosen.is_none() || with_child;
            if !oom_killed && self.units.is_awaited(&process, cause, sent) {
                self.units.wait(process, parent, boot_time());
            } else if is_early && self.victims.has_room_for_early() {
                self.victims.wait(process, parent, boot_time());
            } else {
                self.judge_end(process, parent, chosen);
            }
        } else if by_signal {
            self.signals.forget(event_key);
        }
    }

    /// Ends of victims that have waited for long enough: the word was lost, or there is no such hook.
    pub(super) fn judge_early_ends(&mut self, now: Duration) {
        for EarlyEnd { process, starter, .. } in self.victims.due(now) {
            self.judge_end(process, starter, None);
        }
    }

    pub(super) fn judge_end(&mut self, process: Process, starter: ProcessKey, chosen: Option<Chosen>) {
        let Some(joined) = self.join(process, starter, chosen.as_ref()) else { return };
        let joined = self.who_it_began_with(&joined).unwrap_or(joined);
        self.conclude(joined, chosen.and_then(|it| it.reading));
    }

    /// Asks the detectors, and raises what they find.
    fn conclude(&mut self, joined: Joined, mut early: Option<Reading>) {
        let ended = &joined.ended();
        let systemds = ended.is_systemds_doing();
        let mut drafts: Vec<_> = self.with_watches(ended.at, |watches, view| {
            let judged = watches.iter_mut().filter_map(|watch| {
                let draft = watch.ended(ended, view)?;
                Some((draft, watch.late(joined.info.pid, joined.chosen_at)))
            });
            judged.collect()
        });
        let process = &joined.process;
        if drafts.iter().any(|(draft, _)| draft.severity >= Severity::Warning) {
            self.fallen.told_of(process.key);
        }
        if drafts.is_empty() {
            let key = process.key;
            if let Some(generated) = joined.generated {
                if systemds {
                    // Where it hung is told of the unit.
                    self.signals.add(generated);
                } else {
                    // Or of whoever passes this end on.
                    self.fallen.keep_signal(key, generated);
                }
            }
            return;
        }
        // What is made of such ends tells of this one as well.
        let kinds: Vec<_> = drafts.iter().map(|(draft, _)| kinds::room(draft.kind)).collect();
        drafts.retain(|(draft, _)| !kinds.iter().any(|room| room.tie(draft.kind) == Some(Tie::MadeOf)));
        if !systemds {
            self.units.explain(process, ended.at);
        }
        let events_lost = self.losses.since_last(&self.metrics);
        for (draft, late) in drafts {
            let material = Material { process: joined.info.clone(), at: ended.at, events_lost };
            let evidence = early.take().map_or(Evidence::Read, Evidence::Early);
            let has_stack = kinds::room(draft.kind).stack.is_some();
            let stack = ended
                .signal
                .filter(|_| has_stack)
                .and_then(|it| self.capture(it, process, ended.exit, ended.started));
            let late = both(late, self.units.promise(process, boot_time()));
            let container = process.container.clone();
            let record = Record { file: record(ended.exit), stack, late, container };
            self.raiser.raise(draft, material, evidence, record);
        }
    }

    /// What the stack of a process that ended can be made from.
    pub(super) fn capture(
        &self,
        signal: &FatalSignal,
        process: &Process,
        exit: &ExitRecord,
        started: Duration,
    ) -> Option<Capture> {
        let kept = roots::kept(process, &self.table, &self.kept);
        let proc_root = &self.examiner.sources.proc_root;
        let root = roots::root(process, exit, !kept.is_empty(), &self.table, proc_root);
        stacks::capture(signal, &process.info(), started, root, kept)
    }

    /// Victims that were chosen but whose end nobody has reported: stuck, or its report was lost.
    pub(super) fn raise_overdue_victims(&mut self, now: Duration) {
        for (pid, chosen) in self.victims.overdue(now) {
            let Some(process) = self.table.by_pid(pid) else {
                self.metrics.count_turned_away("oom_victim_unknown", 1);
                continue;
            };
            if process.end.is_some() {
                continue;
            }
            let info = process.info();
            let trigger = chosen.trigger();
            let found = self.watches.iter_mut().find_map(|watch| {
                let draft = watch.not_ended(&info, OomTrigger { pid: trigger.0, name: &trigger.1 })?;
                Some((draft, watch.late(pid, chosen.victim.at)))
            });
            let Some((draft, late)) = found else { continue };
            let events_lost = self.losses.since_last(&self.metrics);
            let material = Material { process: info, at: chosen.victim.at, events_lost };
            let evidence = chosen.reading.map_or(Evidence::Read, Evidence::Early);
            self.raiser.raise(draft, material, evidence, Record { late, ..Record::default() });
        }
    }
}

/// Ourselves, or anything below us: the monitor does not watch itself, nor what its analysis starts.
pub(super) const fn is_own(process: &Process) -> bool {
    process.own
}

/// The kernel's account of the end as a piece of evidence.
fn record(exit: &ExitRecord) -> Option<EvidenceFile> {
    Some(EvidenceFile {
        name: "kernel-exit.json".to_owned(),
        source: "kernel:sched_process_exit".to_owned(),
        taken_at: exit.at,
        body: serde_json::to_vec_pretty(exit).ok()?,
        truncated: false,
    })
}
