//! Crash loop: the same program in the same cgroup dies again and again.
//!
//! To an operator: a restart does not help. Critical under a known supervisor, else a warning, and info for what a
//! shell that is no service repeats. Counted deaths:
//! crashes and OOM kills whoever the parent is, and exits by status ≠ 0 under a supervisor, unless the status says
//! that a signal to stop was obeyed, or is a command's way to say no. Limits: `crash_loop_count` deaths within
//! `crash_loop_window`. A program that no known supervisor but always the same parent starts again with the same argv
//! is a loop after `crash_loop_respawns` bad ends in a row (see `respawn.rs`, with `crash_loop_life`).
//! Near miss: failing commands of a shell loop, a build or a test suite; a person's `until curl …; do sleep 1; done`;
//! a program that ends with status 0 and is started again.

mod deaths;
pub mod facts;
mod respawn;
mod starters;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;

use std::time::Duration;

use super::case::{Draft, Statement};
use super::pieces::Who;
use super::room::{Nature, OfUnit, Room, Tie, at_once};
use super::shared::ending::{self, Ended};
use super::shared::{signal, stack};
use crate::config::DetectLimits;
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal};
use crate::programs::{self, Roles, roles_of};
use crate::state::Origin;
use facts::{CrashLoopFact, Pace};
use respawn::Respawns;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Crash loop",
    nature: Nature::Repeats,
    of_cgroup: false,
    of_unit: Some(OfUnit::MainProcess),
    explains: &[(IncidentKind::AbnormalExit, Tie::MadeOf), (IncidentKind::UnitFailed, Tie::Grouped)],
    patience: at_once,
    stack: Some(stack::add_facts),
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: verdict::tests::sample,
};

/// A pause that is so much longer or shorter than it was is a trend, in tenths.
const TREND_TENTHS: u32 = 15;

/// Whether this end is one of those that make a loop.
pub fn counts(ended: &Ended<'_>) -> bool {
    match ended.exit.cause {
        _ if ended.is_told_by_child() => false,
        ExitCause::Signal(_) if ended.signal.is_some_and(signal::is_sent) || ended.relays_childs_signal() => {
            false
        }
        _ if ended.is_systemds_doing() => false,
        ExitCause::Signal(_) if ended.exit.oom_killed => true,
        ExitCause::Signal(signal) if is_crash_signal(signal) => !ended.is_tested(),
        ExitCause::Signal(signal) => !ending::is_expected_signal(signal) && ended.is_service_managed(),
        ExitCause::Status(status) => ended.is_failure(status) && ended.is_service_managed(),
        ExitCause::Unknown => false,
    }
}

/// Whether this end may be one of those that a parent which is no known supervisor makes good.
pub fn may_be_respawned(ended: &Ended<'_>) -> bool {
    let ExitCause::Status(status) = ended.exit.cause else { return false };
    // A shell's subshell: forked to run one more command; or a fork that found no program to become (127, 126).
    let no_program =
        !ended.is_program() && (programs::is_shell_name(ended.parent_name) || matches!(status, 126 | 127));
    // Whose parent is gone ends up with the first process, which has not started it.
    let adopted = matches!(ended.origin, Origin::Forked | Origin::Orphan)
        && (ended.process.ppid == 1 || roles_of(ended.parent_name).contains(Roles::INIT));
    let made_good =
        !no_program && !adopted && !programs::is_command(ended.process) && !ended.is_systemds_doing();
    ended.is_failure(status) && made_good && !counts(ended)
}

/// A finding about a program whose deaths, this one last, are enough within the window: those that count
/// wherever, else those that its parent has made good.
pub fn detect(
    ended: &Ended<'_>,
    deaths: &[Duration],
    respawns: Option<Respawns<'_>>,
    limits: &DetectLimits,
) -> Option<Draft> {
    let respawned = respawns.and_then(|it| Some((respawn::severity(ended, &it, limits)?, it)));
    let ends: Vec<_> = match &respawned {
        Some((_, respawns)) => respawns.lives.iter().map(|life| life.ended).collect(),
        None if counts(ended) => deaths.to_vec(),
        None => return None,
    };
    let last = *ends.last()?;
    let since = last.saturating_sub(limits.crash_loop_window);
    let recent: Vec<_> = ends.into_iter().filter(|at| *at >= since).collect();
    if recent.len() < usize::try_from(limits.crash_loop_count).unwrap_or(usize::MAX) {
        return None;
    }
    let mut facts = vec![Statement::new("monitor:history", history(&recent))];
    facts.extend(respawned.map(|(_, it)| Statement::new("monitor:history", started_again(ended, &it))));
    facts.extend(ended.exit.oom_killed.then(ending::chosen_by_oom_killer));
    facts.extend(ended.facts_of_loop());
    // The last end has its own cause, which the loop's is made of.
    facts.extend(ended.signal.map(|it| signal::facts(it, ended.source)).unwrap_or_default());
    Some(Draft {
        kind: IncidentKind::CrashLoop,
        severity: match respawned {
            _ if ended.is_supervised() => Severity::Critical,
            Some((severity, _)) => severity,
            None => Severity::Warning,
        },
        facts,
        site: String::new(),
    })
}

/// These deaths, the last one last.
fn history(deaths: &[Duration]) -> CrashLoopFact {
    let within = match deaths {
        [first, .., last] => last.saturating_sub(*first),
        _ => Duration::ZERO,
    };
    let gaps = u32::try_from(deaths.len().saturating_sub(1).max(1)).unwrap_or(u32::MAX);
    CrashLoopFact::Deaths {
        count: u64::try_from(deaths.len()).unwrap_or(u64::MAX),
        within_ms: millis(within),
        apart_ms: millis(within / gaps),
        pace: pace(deaths),
    }
}

/// Who starts it again, where no known supervisor does.
fn started_again(ended: &Ended<'_>, respawns: &Respawns<'_>) -> CrashLoopFact {
    CrashLoopFact::StartedAgain {
        by: Who { name: ended.parent_name.into(), pid: ended.process.ppid },
        times: respawns.total,
        pause_ms: millis(respawn::typical_pause(respawns.lives)),
    }
}

/// Whether the deaths come faster or more slowly than they did: the later half of the gaps against the earlier.
fn pace(deaths: &[Duration]) -> Option<Pace> {
    let gaps: Vec<_> = deaths.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    if gaps.len() < 4 {
        return None;
    }
    let (earlier, later) = (&gaps[..gaps.len() / 2], &gaps[gaps.len().div_ceil(2)..]);
    let (earlier, later): (Duration, Duration) = (earlier.iter().sum(), later.iter().sum());
    Some(if later * 10 >= earlier * TREND_TENTHS {
        Pace::SlowingDown
    } else if earlier * 10 >= later * TREND_TENTHS {
        Pace::SpeedingUp
    } else {
        Pace::Steady
    })
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
