//! Crash: ended by a signal that dumps core, or would: SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
//! SIGSYS, SIGXCPU, SIGXFSZ.
//!
//! To an operator: a bug, or a limit, ended the program. Critical where it was supervised or had been running for
//! a while, else a warning. Near miss: SIGKILL, SIGTERM, SIGPIPE, SIGINT, SIGQUIT, which somebody sent or which
//! are part of ordinary pipelines; what a test runner started, what ended itself on purpose anywhere below one, and a copy
//! that a program made of itself to see it end (a death test), of which somebody else is told: info; a handled SIGSEGV,
//! after which the process lives on or exits by status. A signal that another process sent on purpose is
//! told apart by its siginfo and is only worth knowing, but for a SIGABRT from its own parent: so a service manager's
//! watchdog and a server's master end what no longer answers, a warning. Who waits for a program and ends the way it did
//! (unshare(1), timeout(1), su(1): the same signal, to themselves, right after) only passes the news on: the crash
//! is the child's.

pub mod facts;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod words;

use super::case::{Draft, Statement};
use super::pieces::Who;
use super::room::{Nature, Room, Tie, at_once};
use super::shared::ending::Ended;
use super::shared::{signal, stack};
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal, signal_name};
use crate::programs;
use facts::CrashFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Crash",
    nature: Nature::HappensOnce,
    of_cgroup: false,
    of_unit: None,
    explains: &[
        (IncidentKind::AbnormalExit, Tie::Grouped),
        (IncidentKind::CrashLoop, Tie::Grouped),
        (IncidentKind::UnitFailed, Tie::Grouped),
    ],
    patience: at_once,
    stack: Some(stack::add),
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: verdict::tests::sample,
};

const SIGABRT: u8 = 6;
/// A program that had run for so long was doing a job.
const LONG_LIVED_MS: u64 = 60_000;

/// A finding about a process that ended by such a signal of its own.
pub fn detect(ended: &Ended<'_>) -> Option<Draft> {
    let ExitCause::Signal(signal) = ended.exit.cause else { return None };
    if !is_crash_signal(signal) || ended.relays_childs_signal() || ended.is_systemds_doing() {
        return None;
    }
    // A shell's signal is a person's, or a script's.
    let by_program = !programs::is_shell_name(ended.parent_name);
    let aborted = signal == SIGABRT && ended.is_ended_by_parent() && by_program;
    let sent = ended.signal.is_some_and(signal::is_sent);
    let working = ended.is_supervised() || ended.exit.age_ms >= LONG_LIVED_MS;
    let tested = ended.is_tested();
    let mut facts = ended.facts();
    let below = ended.tested_by.map(|runner| CrashFact::BelowTestRunner { runner: runner.into() });
    let at_once = || Some(CrashFact::EndedAtOnce { parent: ended.is_death_test_of()?.clone() });
    let meant = below.or_else(at_once).filter(|_| tested);
    facts.extend(meant.map(|it| Statement::new("monitor:process", it)));
    // Right after the cause, which says what they explain.
    let mut of_signal = ended.signal.map(|it| signal::facts(it, ended.source)).unwrap_or_default();
    if aborted {
        let parent = Who { name: ended.parent_name.into(), pid: ended.starter.pid };
        of_signal.push(Statement::new("kernel:signal_generate", CrashFact::AbortedByParent { parent }));
    }
    facts.splice(1..1, of_signal);
    Some(Draft {
        kind: IncidentKind::Crash,
        severity: match (sent || tested, working) {
            (true, _) if aborted && !tested => Severity::Warning,
            (true, _) => Severity::Info,
            (false, true) => Severity::Critical,
            (false, false) => Severity::Warning,
        },
        facts,
        site: signal_name(signal),
    })
}
