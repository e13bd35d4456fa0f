//! Abnormal exit: a service ended by a status other than 0 or by a signal that nobody expects of it.
//!
//! To an operator: something that was meant to run does not, and the one who would have read its status is no person.
//! Who is a service, strongest first:
//!
//! - *supervised*: started by init, a service manager or a container's runtime (see `Ended::is_supervised`); however
//!   short it lived;
//! - *daemon*: its starter is gone and init took it in, in a session that is its own or whose leader is gone, without
//!   a terminal, for `abnormal_exit_age` or longer: nobody else would read its status;
//! - *unattended*: started by a program that is no shell, without a terminal, idle for most of `abnormal_exit_age` or
//!   longer, and no command that is run for its answer. Its parent reads its status, so this is info only.
//!
//! A warning for the first two; info where who looks after it ended it: its parent, a service manager, its container's
//! runtime, a time limit. A clean end is what systemd.service(5) calls one: status 0, SIGHUP, SIGINT, SIGTERM,
//! SIGPIPE, and 128 + one of them. Cites the kernel's record of the end and why it is a service.
//! Near miss: `grep` finding nothing, `test -f`, a pipeline's SIGPIPE, Ctrl-C, a supervisor's SIGTERM; a shell, which
//! ends with the status of its last command; who ends as a child of it just did, of which an incident tells; `make`, a
//! test runner, an ssh that fail after an hour. A crash and an OOM kill are findings of their own. What systemd was asked
//! to stop, however it ends then; SIGKILL after its stop timeout is info (`stop.rs`).

pub mod facts;
mod stop;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod words;

use std::time::Duration;

use super::case::{Draft, Statement};
use super::pieces::Who;
use super::room::{Nature, OfUnit, Room, Tie, at_once};
use super::shared::ending::{self, Ended};
use super::shared::signal;
use crate::config::DetectLimits;
use crate::model::{ExitCause, IncidentKind, Severity, SignalWay, is_crash_signal, signal_name};
use crate::programs::{self, Roles, roles_of};
use crate::state::Origin;
use facts::{AbnormalExitFact, ServiceRole};

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Abnormal exit",
    nature: Nature::HappensOnce,
    of_cgroup: false,
    of_unit: Some(OfUnit::MainProcess),
    explains: &[(IncidentKind::UnitFailed, Tie::Grouped)],
    patience: at_once,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: verdict::tests::sample,
};

/// CPU time in percent of its life up to which a process was waiting for work rather than working something off.
const IDLE_PERCENT: u128 = 50;
/// A server forks a few helpers; what forks more runs other programs for a living.
const FEW_FORKS: u64 = 16;
const SIGKILL: u8 = 9;

/// A finding about a service that ended in a way that nobody expects of it.
pub fn detect(ended: &Ended<'_>, limits: &DetectLimits) -> Option<Draft> {
    if ended.is_systemds_doing() {
        return stop::detect(ended);
    }
    let role = role(ended, limits)?;
    if !is_abnormal(ended, role) || ended.is_told_by_child() {
        return None;
    }
    let mut facts = ended.facts();
    let parent = Who { name: ended.parent_name.into(), pid: ended.process.ppid };
    facts.insert(1, Statement::new("monitor:process", AbnormalExitFact::Service { role, parent }));
    match ended.signal {
        Some(signal) => drop(facts.splice(1..1, signal::facts(signal, ended.source))),
        None if ended.exit.cause == ExitCause::Signal(SIGKILL) => {
            let killed = AbnormalExitFact::KilledByUnknown {};
            facts.insert(1, Statement::new("kernel:sched_process_exit", killed));
        }
        None => {}
    }
    Some(Draft {
        kind: IncidentKind::AbnormalExit,
        severity: if role == ServiceRole::Unattended || is_stopped(ended) {
            Severity::Info
        } else {
            Severity::Warning
        },
        facts,
        site: site(ended.exit.cause),
    })
}

fn role(ended: &Ended<'_>, limits: &DetectLimits) -> Option<ServiceRole> {
    if ended.is_service_managed() {
        let first = ended.is_first_of_container();
        return Some(if first { ServiceRole::FirstOfContainer } else { ServiceRole::Supervised });
    }
    if Duration::from_millis(ended.exit.age_ms) < limits.abnormal_exit_age
        || programs::is_shell(ended.process)
        || programs::is_command(ended.process)
    {
        return None;
    }
    // A process that no scan saw for that long has not lived that long.
    // Nor has one whose session leads out of our pid namespace (id 0) a session that could be told from another.
    let session = ended.session.filter(|session| !session.has_terminal && session.id != 0)?;
    let orphan = ended.process.ppid == 1;
    // daemon(3), a double fork, a script's `server &`: an interactive shell's job has a group of its own.
    if orphan && session.group == session.id {
        return Some(ServiceRole::Daemon);
    }
    let idle = ended.exit.cpu_ns.is_some_and(|cpu_ns| {
        u128::from(cpu_ns) * 100 <= u128::from(ended.exit.age_ms) * 1_000_000 * IDLE_PERCENT
    });
    let started = ended.origin == Origin::Started && !programs::is_shell_name(ended.parent_name);
    let few_forks = ended.forks.unwrap_or(0) <= FEW_FORKS;
    (started && idle && few_forks).then_some(ServiceRole::Unattended)
}

/// Whether who looks after it ended it: its parent, a service manager, its container's runtime, a time limit. Such a stop
/// took longer than it should, as a rule, and is worth knowing.
fn is_stopped(ended: &Ended<'_>) -> bool {
    const KEEPERS: Roles =
        Roles::INIT.union(Roles::SUPERVISOR).union(Roles::CONTAINER_RUNTIME).union(Roles::STARTER);
    let Some(signal) = ended.signal.filter(|it| signal::is_sent(it)) else { return false };
    ended.is_ended_by_parent() || roles_of(&String::from_utf8_lossy(&signal.sender.comm)).intersects(KEEPERS)
}

fn is_abnormal(ended: &Ended<'_>, role: ServiceRole) -> bool {
    // Whatever else was in the container ends with its first process, of which there is more to say.
    if ended.signal.is_some_and(|it| it.way() == SignalWay::NamespaceEnd) {
        return false;
    }
    match ended.exit.cause {
        ExitCause::Status(status) => ended.is_failure(status),
        // Findings of their own.
        ExitCause::Signal(signal) if is_crash_signal(signal) || ended.exit.oom_killed => false,
        // The one who started it kills it, as a rule: a test, a time limit.
        ExitCause::Signal(SIGKILL) => role != ServiceRole::Unattended,
        ExitCause::Signal(signal) => !ending::is_expected_signal(signal),
        ExitCause::Unknown => false,
    }
}

/// Equal for equal ends.
fn site(cause: ExitCause) -> String {
    match cause {
        ExitCause::Status(status) => format!("status {status}"),
        ExitCause::Signal(signal) => signal_name(signal),
        ExitCause::Unknown => "unknown".to_owned(),
    }
}
