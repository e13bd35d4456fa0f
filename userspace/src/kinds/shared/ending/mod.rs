//! A process's end, as the kinds see it, and the facts that every finding about an end shares.

pub mod facts;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
pub mod words;

use std::time::Duration;

use super::signal;
use super::unit::Word;
use crate::kinds::case::{CaseFile, Finding, Statement};
use crate::kinds::pieces::Who;
use crate::model::{ExitCause, ExitRecord, ProcessInfo, ProcessKey, SignalSource};
use crate::observation::{CgroupMemory, FatalSignal, Session};
use crate::programs::{self, Roles, roles_of};
use crate::state::Origin;
use facts::EndFact;

/// Where an end is read.
const EXIT: &str = "kernel:sched_process_exit";
/// The first process of a pid namespace that lived so long may be a container's.
const SANDBOX_MS: u64 = 1000;
/// What is made to end itself does so at once.
const DEATH_TEST_MS: u64 = 1000;

/// A process's end and what surrounds it.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// The process that ended.
    pub process: &'a ProcessInfo,
    /// The parent that started it, whoever has taken it in since.
    pub starter: ProcessKey,
    /// When it started, on CLOCK_BOOTTIME.
    pub started: Duration,
    /// When it ended, as time since boot.
    pub at: Duration,
    /// The parent's `comm`; empty where unknown.
    pub parent_name: &'a str,
    /// How it came to be that parent's child.
    pub origin: Origin,
    /// Its session, as a scan last saw it; unknown for what lived shorter than it takes.
    pub session: Option<Session>,
    /// How often it forked; unknown where it did not.
    pub forks: Option<u64>,
    /// The record of its end, from the kernel.
    pub exit: &'a ExitRecord,
    /// The signal that ended it, as it was generated; absent where none did, or the kernel did not say.
    pub signal: Option<&'a FatalSignal>,
    /// Where that signal came from, with what is known of the sender.
    pub source: Option<&'a SignalSource>,
    /// The end of a child a moment before, where this end only passes it on.
    pub relayed: Option<&'a Relayed>,
    /// Who passed this end on, to a supervisor that waits for it.
    pub passed_on: Option<&'a Who>,
    /// The test runner that it was started below, looked for where it crashed.
    pub tested_by: Option<&'a str>,
    /// The parent that goes on, where it was a copy of it and the parent does not serve; looked for where it crashed.
    pub copy_of: Option<&'a Who>,
    /// Whether a child of it had ended by that signal a moment before the signal came.
    pub child_crashed: bool,
    /// Whose allocation triggered the OOM killer, where the kernel said so.
    pub oom_trigger: Option<OomTrigger<'a>>,
    /// Its memory cgroup's limit and use, where it has a limit.
    pub memory: Option<&'a CgroupMemory>,
    /// What systemd says of its unit, where it is one of the host's and systemd is listened to.
    pub word: Option<Word<'a>>,
}

/// The end of a child, which its parent passes on by ending in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The child.
    pub child: Who,
    /// How it ended.
    pub cause: ExitCause,
    /// Whether something was found wrong with that end, so that it has been told.
    pub told: bool,
}

/// Who was allocating when the OOM killer was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomTrigger<'a> {
    /// Its pid, in the host's pid namespace.
    pub pid: u32,
    /// The `comm` of the thread that the kernel reported.
    pub name: &'a str,
}

impl Ended<'_> {
    /// Whether its parent is there to start it again.
    pub fn is_supervised(&self) -> bool {
        // A container's runtime starts the container again, not the commands and health checks run in it.
        let runtime = roles_of(self.parent_name).contains(Roles::CONTAINER_RUNTIME);
        let beside = runtime && self.exit.ns_pid.is_some_and(|pid| pid != 1);
        let started = is_started(self.process, self.parent_name, self.origin, self.session);
        let main = self.word.is_some_and(|word| word.is_main);
        (started && !beside) || main || self.is_first_of_container() || self.passed_on.is_some()
    }

    /// As [`Self::is_supervised`], and not a shell that a person runs commands in: it ends with the status of the last
    /// one.
    pub fn is_service_managed(&self) -> bool {
        let interactive = self.process.argv.len() <= 1 || self.session.is_some_and(|it| it.has_terminal);
        self.is_supervised() && !(programs::is_shell(self.process) && interactive)
    }

    /// Whether it is what a container was started for, whatever the runtime's name.
    pub fn is_first_of_container(&self) -> bool {
        // Without a container's cgroup it may be a sandbox around one command of a build, which is soon over.
        let worked = self.exit.age_ms >= SANDBOX_MS
            && !roles_of(self.parent_name).contains(Roles::SANDBOX)
            && !programs::is_command(self.process)
            && !programs::is_shell(self.process);
        let first = self.exit.ns_pid == Some(1) && self.process.pid != 1;
        first && (self.process.container_id.is_some() || worked)
    }

    /// Whether systemd ended it, or asked it to: what is wrong, if anything is, is told of the unit.
    pub fn is_systemds_doing(&self) -> bool {
        // Without the signal's record nobody else is known to have sent it.
        let own = self.signal.is_none_or(|it| !signal::is_sent(it));
        self.word.is_some_and(|word| word.is_systemds_doing(self.exit.cause, own))
    }

    /// Whether it ran a program of its own, as far as that was seen.
    pub const fn is_program(&self) -> bool {
        matches!(self.origin, Origin::Started | Origin::Found | Origin::Orphan)
    }

    /// Whether its signal was its own doing, after a child's.
    pub fn relays_childs_signal(&self) -> bool {
        self.child_crashed && self.signal.is_some_and(signal::is_own)
    }

    /// The parent that had it end itself to see what becomes of that, as tests of such ends do (death tests): a copy that
    /// ends itself as soon as it is made, while its parent goes on.
    pub fn is_death_test_of(&self) -> Option<&Who> {
        let own = self.signal.is_some_and(signal::is_own);
        self.copy_of.filter(|_| own && self.exit.age_ms < DEATH_TEST_MS && !self.is_supervised())
    }

    /// Whether its crash may have been meant: somebody tests it, and tells a reader.
    pub fn is_tested(&self) -> bool {
        !self.is_supervised() && (self.tested_by.is_some() || self.is_death_test_of().is_some())
    }

    /// Whether its end only passes on that of a child, which has been told of.
    pub fn is_told_by_child(&self) -> bool {
        self.relayed.is_some_and(|it| it.told)
    }

    /// Whether its own parent sent it the signal that ended it.
    pub fn is_ended_by_parent(&self) -> bool {
        self.signal.is_some_and(|it| signal::is_sent(it) && it.sender.key == self.starter)
    }

    /// Whether a status means that something went wrong.
    pub fn is_failure(&self, status: u8) -> bool {
        let is_answer = status == 1 && programs::is_answer(self.process);
        let is_success = self.word.is_some_and(|word| word.takes_for_success());
        status != 0 && !is_obedient(status) && !is_answer && !is_success
    }

    /// What is true of every end, most telling first.
    pub fn facts(&self) -> Vec<Statement> {
        self.facts_with(self.word.is_some_and(|word| word.starts_again()))
    }

    /// The same of one that was started again and again.
    pub fn facts_of_loop(&self) -> Vec<Statement> {
        self.facts_with(self.is_supervised())
    }

    fn facts_with(&self, starts_it_again: bool) -> Vec<Statement> {
        let exit = self.exit;
        let ended = EndFact::Ended { cause: exit.cause, core_dumped: exit.core_dumped, age_ms: exit.age_ms };
        let mut facts = vec![Statement::new(EXIT, ended)];
        let relayed = self.relayed.map(|it| EndFact::ChildEnded { child: it.child.clone(), cause: it.cause });
        let passed_on = self.passed_on.map(|by| EndFact::PassedOn { by: by.clone() });
        facts.extend(relayed.into_iter().chain(passed_on).map(|it| Statement::new(EXIT, it)));
        let peak = exit.peak_rss_bytes.map(|rss_bytes| EndFact::PeakMemory { rss_bytes });
        facts.extend(peak.map(|it| Statement::new(EXIT, it)));
        let cgroup = self.memory.map(|it| EndFact::CgroupAtEnd {
            cgroup: (&*it.path).into(),
            limit_bytes: it.limit_bytes,
            usage_bytes: it.usage_bytes,
        });
        facts.extend(cgroup.map(|it| Statement::new("cgroup:memory", it)));
        let cpu = exit.cpu_ns.map(|cpu_ns| EndFact::CpuUsed { cpu_ns });
        facts.extend(cpu.map(|it| Statement::new(EXIT, it)));
        let parent =
            EndFact::Parent { name: self.parent_name.into(), pid: self.process.ppid, starts_it_again };
        facts.push(Statement::new(EXIT, parent));
        facts.extend(self.word.filter(|word| word.is_main).map(|word| word.statement()));
        facts
    }
}

/// What proves that the OOM killer ended it.
pub fn chosen_by_oom_killer() -> Statement {
    Statement::new(EXIT, EndFact::OomVictim {})
}

/// How the process of a finding ended, and whether it dumped core.
pub fn cause(file: &CaseFile, finding: &Finding) -> Option<(ExitCause, bool)> {
    stated(file, finding).find_map(|fact| match fact {
        EndFact::Ended { cause, core_dumped, .. } => Some((*cause, *core_dumped)),
        _ => None,
    })
}

/// Whether the finding rests on the OOM killer's choice.
pub fn is_oom_victim(file: &CaseFile, finding: &Finding) -> bool {
    stated(file, finding).any(|fact| matches!(fact, EndFact::OomVictim {}))
}

/// What a finding rests on of the end.
pub fn stated<'a>(file: &'a CaseFile, finding: &'a Finding) -> impl Iterator<Item = &'a EndFact> {
    file.cited(finding).filter_map(|fact| fact.data.as_ending())
}

/// The signals that systemd takes for a clean end (systemd.service(5), `SuccessExitStatus=`), and SIGQUIT, which a
/// person sends from the keyboard.
pub const fn is_expected_signal(signal: u8) -> bool {
    matches!(signal, 1 | 2 | 3 | 13 | 15)
}

/// 128 + SIGHUP, SIGINT, SIGPIPE, SIGTERM: what shells and runtimes make of being told to stop.
const fn is_obedient(status: u8) -> bool {
    matches!(status, 129 | 130 | 141 | 143)
}

/// Whether a supervisor started it and is there to do so again.
fn is_started(process: &ProcessInfo, parent_name: &str, origin: Origin, session: Option<Session>) -> bool {
    // Not pid 1 of whatever name: what a container began with takes orphans in and starts nothing again.
    let roles = roles_of(parent_name);
    let started = match origin {
        Origin::Started => true,
        // What was there before us: service managers make each service the leader of a session without terminal.
        Origin::Found => session.is_none_or(|it| !it.has_terminal && it.id == process.pid),
        Origin::Forked | Origin::Orphan => false,
    };
    // A scope's processes are init's children only once they are orphans. Of other supervisors a scope says nothing:
    // whatever a person starts in a login's session is in one, and so are most containers.
    let orphan = roles.contains(Roles::INIT) && process.cgroup.as_deref().is_some_and(is_scope);
    started && roles.contains(Roles::SUPERVISOR) && !orphan
}

/// Whether a living process is there for good: supervised, or a daemon whose starter is gone.
pub fn is_kept(process: &ProcessInfo, parent_name: &str, origin: Origin, session: Option<Session>) -> bool {
    let daemon = |it: Session| process.ppid == 1 && !it.has_terminal && it.id != 0 && it.group == it.id;
    is_started(process, parent_name, origin, session) || session.is_some_and(daemon)
}

/// `…/session-3.scope` of logind, `…/run-r1.scope` of systemd-run: processes that systemd was handed and has not
/// started (systemd.scope(5)). A container's scope holds a manager of its own, with slices below it.
fn is_scope(cgroup: &str) -> bool {
    let unit = |part: &&str| part.ends_with(".scope") || part.ends_with(".service");
    cgroup.rsplit('/').find(unit).is_some_and(|part| part.ends_with(".scope") && part != "init.scope")
}
