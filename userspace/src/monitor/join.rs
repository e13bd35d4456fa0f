//! An end with all that is known beside it, as the detectors are asked about it; and whose end it was first, where a
//! process only passes on that of another.

use std::time::Duration;

use super::Monitor;
use super::fallen::{LONG_MOMENT, MOMENT, PassedOn};
use super::signals::Generated;
use super::units::Told;
use super::victims::Chosen;
use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::{self, Ended, OomTrigger};
use crate::kinds::shared::signal;
use crate::model::{ExitCause, ExitRecord, ProcessInfo, ProcessKey, is_crash_signal};
use crate::observation::CgroupMemory;
use crate::programs::{self, Roles, roles_of};
use crate::state::process::{Process, lossy};
use crate::state::{End, Origin, Table};

/// What [`Ended`] borrows.
pub(super) struct Joined {
    pub(super) process: Process,
    pub(super) info: ProcessInfo,
    pub(super) generated: Option<Generated>,
    /// When the OOM killer chose it; else its end.
    pub(super) chosen_at: Duration,
    end: End,
    starter: ProcessKey,
    parent_name: String,
    exit: ExitRecord,
    told: Option<Told>,
    memory: Option<CgroupMemory>,
    trigger: Option<(u32, String)>,
    child_crashed: bool,
    is_relay: bool,
    relayed: Option<PassedOn>,
    passed_on: Option<Who>,
    tested_by: Option<String>,
    copy_of: Option<Who>,
    origin: Origin,
}

impl Joined {
    pub(super) fn ended(&self) -> Ended<'_> {
        let generated = self.generated.as_ref().map(|it| &*it.signal);
        Ended {
            process: &self.info,
            starter: self.starter,
            started: self.end.started,
            at: self.end.at,
            parent_name: &self.parent_name,
            origin: self.origin,
            session: self.process.session,
            forks: self.process.forks,
            exit: &self.exit,
            // The OOM killer's own signal says no more than its choice does.
            signal: generated.filter(|_| !self.end.oom_killed),
            source: self.end.signal.as_deref(),
            relayed: self.relayed.as_ref().map(|it| &it.end),
            passed_on: self.passed_on.as_ref(),
            tested_by: self.tested_by.as_deref(),
            child_crashed: self.child_crashed,
            copy_of: self.copy_of.as_ref(),
            oom_trigger: self.trigger.as_ref().map(|(pid, name)| OomTrigger { pid: *pid, name }),
            memory: self.memory.as_ref(),
            word: self.told.as_ref().and_then(Told::word),
        }
    }
}

impl Monitor {
    pub(super) fn join(
        &mut self,
        process: Process,
        starter: ProcessKey,
        chosen: Option<&Chosen>,
    ) -> Option<Joined> {
        let end = process.end.clone()?;
        let parent_name = lossy(&process.parent_comm);
        let exit = end.record(parent_name.clone(), &self.host);
        let generated = self.signals.take(process.key, exit.cause);
        let generated = generated.or_else(|| self.fallen.take_signal(process.key));
        let signal = generated.as_ref().map(|it| &*it.signal);
        let memory =
            process.cgroup.as_ref().filter(|_| end.oom_killed).and_then(|it| self.hierarchy.memory(it));
        let info = process.info();
        let is_relay = is_relay(&process, &info);
        let moment = if is_relay { LONG_MOMENT } else { MOMENT };
        let crashed = matches!(exit.cause, ExitCause::Signal(signal) if is_crash_signal(signal));
        let on_purpose = signal.is_some_and(signal::is_own);
        let origin = match process.origin() {
            Origin::Started if process.ppid == 1 && self.table.has_elder(&process) => Origin::Orphan,
            origin => origin,
        };
        Some(Joined {
            starter,
            told: self.units.told(&process),
            memory,
            chosen_at: chosen.map_or(end.at, |it| it.victim.at),
            trigger: chosen.map(Chosen::trigger),
            child_crashed: signal.is_some_and(|it| self.fallen.is_after_child(it)),
            relayed: self.fallen.passed_on(process.key, exit.cause, end.at, moment),
            passed_on: None,
            tested_by: crashed.then(|| test_runner(&self.table, &process, on_purpose)).flatten(),
            copy_of: crashed.then(|| original(&self.table, &process, starter, origin)).flatten(),
            origin,
            is_relay,
            process,
            info,
            generated,
            end,
            parent_name,
            exit,
        })
    }

    /// The end that a process passes on which is there for that alone, where its supervisor hears of it that way only:
    /// of a container's init, of timeout(1) in a service. Nothing was told of it, since nobody looked after it itself.
    pub(super) fn who_it_began_with(&mut self, relay: &Joined) -> Option<Joined> {
        let passed = relay.relayed.as_ref().filter(|it| !it.end.told)?;
        if !relay.is_relay || !relay.ended().is_supervised() {
            return None;
        }
        let child = self.table.get(passed.child).filter(|it| it.end.is_some())?.clone();
        let by = Who { name: lossy(&relay.process.comm).into(), pid: relay.process.key.pid };
        let told = self.units.told(&relay.process);
        let joined = self.join(child, passed.parent, None)?;
        Some(Joined { passed_on: Some(by), relayed: None, told, ..joined })
    }
}

/// Whether a process is there to start another and to pass its end on: by its trade, or as that is all it ever started.
pub(super) fn is_relay(process: &Process, info: &ProcessInfo) -> bool {
    let roles = roles_of(programs::program(info)) | roles_of(&info.name);
    roles.intersects(Roles::RELAY | Roles::STARTER) || process.forks == Some(1)
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
