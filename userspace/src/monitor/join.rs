//! An end with all that is known beside it, as the detectors are asked about it; and whose end it was first, where a
//! process only passes on that of another.

use std::time::Duration;

use super::Monitor;
use super::fallen::{LONG_MOMENT, MOMENT, PassedOn};
use super::signals::Generated;
use super::units::Told;
use super::victims::Chosen;
use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::{Ended, OomTrigger};
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
    relayed: Option<PassedOn>,
    passed_on: Option<Who>,
    tested_by: Option<String>,
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
            oom_trigger: self.trigger.as_ref().map(|(pid, name)| OomTrigger { pid: *pid, name }),
            memory: self.memory.as_ref(),
            word: self.told.as_ref().and_then(Told::word),
        }
    }
}

impl Monitor {
    pub(super) fn join(
        &mut self,
        process: &Process,
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
        let moment = if is_relay(process, &info) { LONG_MOMENT } else { MOMENT };
        let crashed = matches!(exit.cause, ExitCause::Signal(signal) if is_crash_signal(signal));
        Some(Joined {
            starter,
            told: self.units.told(process),
            memory,
            chosen_at: chosen.map_or(end.at, |it| it.victim.at),
            trigger: chosen.map(Chosen::trigger),
            child_crashed: signal.is_some_and(|it| self.fallen.is_after_child(it)),
            relayed: self.fallen.passed_on(process.key, exit.cause, end.at, moment),
            passed_on: None,
            tested_by: if crashed { test_runner(&self.table, process) } else { None },
            origin: match process.origin() {
                Origin::Started if process.ppid == 1 && self.table.has_elder(process) => Origin::Orphan,
                origin => origin,
            },
            process: process.clone(),
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
        if !is_relay(&relay.process, &relay.info) || !relay.ended().is_supervised() {
            return None;
        }
        let child = self.table.get(passed.child).filter(|it| it.end.is_some())?.clone();
        let by = Who { name: lossy(&relay.process.comm).into(), pid: relay.process.key.pid };
        let told = self.units.told(&relay.process);
        let joined = self.join(&child, passed.parent, None)?;
        Some(Joined { passed_on: Some(by), relayed: None, told, ..joined })
    }
}

/// Whether a process is there to start another and to pass its end on: by its trade, or as that is all it ever started.
pub(super) fn is_relay(process: &Process, info: &ProcessInfo) -> bool {
    let roles = roles_of(programs::program(info)) | roles_of(&info.name);
    roles.intersects(Roles::RELAY | Roles::STARTER) || process.forks == Some(1)
}

/// The test runner that started it, itself or by a shell and the like: further up, a program under test that serves
/// may have started it.
fn test_runner(table: &Table, process: &Process) -> Option<String> {
    let starter = table.above(process).map(Process::info).find(|above| !programs::only_starts(above))?;
    programs::is_test_runner(&starter).then(|| programs::program(&starter).to_owned())
}
