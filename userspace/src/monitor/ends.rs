//! What the kernel reports of ends: a victim chosen, a process gone. Joins the two, and both with what the
//! table knew, and asks the detectors.

use std::time::Duration;

use super::Monitor;
use super::case::Material;
use super::raise::{Evidence, Record};
use super::units::Told;
use super::victims::{Chosen, EarlyEnd, is_victim};
use super::{located, roots, stacks};
use crate::host::boot_time;
use crate::kinds;
use crate::kinds::late::both;
use crate::kinds::pieces::Who;
use crate::kinds::room::Tie;
use crate::kinds::shared::ending::{self, Ended, OomTrigger};
use crate::kinds::shared::signal;
use crate::model::{EvidenceFile, ExitCause, ExitRecord, ProcessInfo, ProcessKey, Severity, is_crash_signal};
use crate::observation::{FatalSignal, KernelExit, OomVictim};
use crate::programs::{self, Roles, roles_of};
use crate::stack::Capture;
use crate::state::process::{Process, lossy};
use crate::state::{Origin, Table};

impl Monitor {
    /// The OOM killer chose a victim: its /proc files are read now, while it still dies.
    pub(super) fn on_victim(&mut self, victim: OomVictim) {
        if let Some(EarlyEnd { process, starter, .. }) = self.victims.ended_early(&victim) {
            self.judge_end(&process, starter, Some(Chosen { victim, reading: None }));
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
            self.fallen.add(parent, process.key, child, cause, at);
            if oom_killed && chosen.is_none() && self.victims.has_room_for_early() {
                self.victims.wait(process, parent, boot_time());
            } else if !oom_killed && self.units.is_awaited(&process, cause, sent) {
                self.units.wait(process, parent, boot_time());
            } else {
                self.judge_end(&process, parent, chosen);
            }
        } else if by_signal {
            self.signals.forget(event_key);
        }
    }

    /// Ends of victims that have waited for long enough: the word was lost, or there is no such hook.
    pub(super) fn judge_early_ends(&mut self, now: Duration) {
        for EarlyEnd { process, starter, .. } in self.victims.due(now) {
            self.judge_end(&process, starter, None);
        }
    }

    pub(super) fn judge_end(&mut self, process: &Process, starter: ProcessKey, chosen: Option<Chosen>) {
        let Some(end) = &process.end else { return };
        let info = process.info();
        let parent_name = lossy(&process.parent_comm);
        let exit = &end.record(parent_name.clone(), &self.host);
        let told = self.units.told(process);
        let word = told.as_ref().and_then(Told::word);
        let generated = self.signals.take(process.key, exit.cause);
        let signal = generated.as_ref().map(|it| &*it.signal);
        let memory =
            process.cgroup.as_ref().filter(|_| end.oom_killed).and_then(|it| self.hierarchy.memory(it));
        let chosen_at = chosen.as_ref().map_or(end.at, |it| it.victim.at);
        let trigger = chosen.as_ref().map(Chosen::trigger);
        let child_crashed = signal.is_some_and(|it| self.fallen.is_after_child(it));
        let relayed = self.fallen.passed_on(process.key, exit.cause, end.at);
        let origin = match process.origin() {
            Origin::Started if process.ppid == 1 && self.table.has_elder(process) => Origin::Orphan,
            origin => origin,
        };
        let crashed = matches!(exit.cause, ExitCause::Signal(signal) if is_crash_signal(signal));
        let on_purpose = signal.is_some_and(signal::is_own);
        let tested_by = crashed.then(|| test_runner(&self.table, process, on_purpose)).flatten();
        let ended = Ended {
            process: &info,
            starter,
            started: end.started,
            at: end.at,
            parent_name: &parent_name,
            origin,
            session: process.session,
            forks: process.forks,
            exit,
            // The OOM killer's own signal says no more than its choice does.
            signal: signal.filter(|_| !end.oom_killed),
            source: end.signal.as_deref(),
            relayed: relayed.as_ref(),
            tested_by: tested_by.as_deref(),
            child_crashed,
            copy_of: crashed.then(|| original(&self.table, process, starter, origin)).flatten(),
            oom_trigger: trigger.as_ref().map(|(pid, name)| OomTrigger { pid: *pid, name }),
            memory: memory.as_ref(),
            word,
        };
        let systemds = ended.is_systemds_doing();
        let mut drafts: Vec<_> = self.with_watches(end.at, |watches, view| {
            let judged = watches.iter_mut().filter_map(|watch| {
                let draft = watch.ended(&ended, view)?;
                Some((draft, watch.late(info.pid, chosen_at)))
            });
            judged.collect()
        });
        if drafts.iter().any(|(draft, _)| draft.severity >= Severity::Warning) {
            self.fallen.told_of(process.key);
        }
        if drafts.is_empty() {
            if let Some(generated) = generated.filter(|_| systemds) {
                // Where it hung is told of the unit.
                self.signals.add(generated);
            }
            return;
        }
        // What is made of such ends tells of this one as well.
        let kinds: Vec<_> = drafts.iter().map(|(draft, _)| kinds::room(draft.kind)).collect();
        drafts.retain(|(draft, _)| !kinds.iter().any(|room| room.tie(draft.kind) == Some(Tie::MadeOf)));
        if !systemds {
            self.units.explain(process, end.at);
        }
        let events_lost = self.losses.since_last(&self.metrics);
        let mut early = chosen.and_then(|it| it.reading);
        for (draft, late) in drafts {
            let material = Material { process: info.clone(), at: end.at, events_lost };
            let evidence = early.take().map_or(Evidence::Read, Evidence::Early);
            let has_stack = kinds::room(draft.kind).stack.is_some();
            let stack =
                signal.filter(|_| has_stack).and_then(|it| self.capture(it, process, exit, end.started));
            let late = both(late, self.units.promise(process, boot_time()));
            let container = process.container.clone();
            let record = Record { file: record(exit), stack, late, container };
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

/// The test runner that started it, itself or by a shell and the like. Further up, what is tested may have started it: that
/// counts for what ended itself on purpose alone, as tests of that do; and not beyond a supervisor, which is told of what
/// it looks after.
fn test_runner(table: &Table, process: &Process, on_purpose: bool) -> Option<String> {
    const KEEPERS: Roles = Roles::SUPERVISOR.union(Roles::CONTAINER_RUNTIME);
    let kept = |above: &ProcessInfo| roles_of(programs::program(above)).intersects(KEEPERS);
    let mut above = table.above(process).map(Process::info).take_while(|above| !kept(above));
    let stop =
        |above: &ProcessInfo| programs::is_test_runner(above) || !on_purpose && !programs::only_starts(above);
    let runner = above.find(stop).filter(programs::is_test_runner)?;
    Some(programs::program(&runner).to_owned())
}

/// The parent that goes on, where the process was a copy of it: forked, or started from the same file. Not one that serves,
/// whose copies are its workers, nor one that is a copy itself; nor a shell, whose copies run commands.
fn original(table: &Table, process: &Process, starter: ProcessKey, origin: Origin) -> Option<Who> {
    let goes_on = |it: &&Process| it.key == starter && it.end.is_none() && it.origin() == Origin::Started;
    let parent = table.live_by_pid(starter.pid).filter(goes_on)?;
    let copy = origin == Origin::Forked || parent.exe.is_some() && parent.exe == process.exe;
    let info = parent.info();
    let serves = ending::is_kept(&info, &lossy(&parent.parent_comm), parent.origin(), parent.session)
        || info.container_id.is_some();
    let fits = copy && !serves && !programs::runs_shell(&info);
    fits.then(|| Who { name: lossy(&parent.comm).into(), pid: parent.key.pid })
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
