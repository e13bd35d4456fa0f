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

use std::time::Duration;

use super::{Draft, Ended, Statement, programs, respawn};
use crate::config::DetectLimits;
use crate::kinds::shared::{ending, signal};
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal};
use crate::text;

/// A pause that is so much longer or shorter than it was is a trend, in tenths.
const TREND_TENTHS: u32 = 15;

/// Whether this end is one of those that make a loop.
pub fn counts(ended: &Ended<'_>) -> bool {
    match ended.exit.cause {
        ExitCause::Signal(_) if ended.crash.is_some_and(signal::is_sent) || ended.relays_childs_signal() => {
            false
        }
        ExitCause::Signal(_) if ended.exit.oom_killed => true,
        ExitCause::Signal(signal) if is_crash_signal(signal) => {
            ended.tested_by.is_none() || ended.is_supervised()
        }
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
    ended.is_failure(status) && !no_program && !programs::is_command(ended.process) && !counts(ended)
}

pub(super) fn detect(ended: &Ended<'_>, limits: &DetectLimits) -> Option<Draft> {
    let respawned =
        ended.respawns.and_then(|respawns| Some((respawn::severity(ended, &respawns, limits)?, respawns)));
    let ends: Vec<_> = match &respawned {
        Some((_, respawns)) => respawns.lives.iter().map(|life| life.ended).collect(),
        None if counts(ended) => ended.deaths.to_vec(),
        None => return None,
    };
    let last = *ends.last()?;
    let since = last.saturating_sub(limits.crash_loop_window);
    let recent: Vec<_> = ends.into_iter().filter(|at| *at >= since).collect();
    let times = recent.len();
    if times < usize::try_from(limits.crash_loop_count).unwrap_or(usize::MAX) {
        return None;
    }
    let span = last.saturating_sub(*recent.first()?);
    let gaps = u32::try_from(times.saturating_sub(1).max(1)).unwrap_or(u32::MAX);
    let name = text::printable(&ended.process.name);
    let history = format!(
        "{times} deaths within {}, one every {} on average{}",
        text::duration(span),
        text::duration(span / gaps),
        trend(&recent)
    );
    let mut facts = vec![Statement::new("monitor:history", history)];
    facts.extend(respawned.map(|(_, respawns)| starter(ended, &respawns)));
    facts.extend(ended.exit.oom_killed.then(ending::chosen_by_oom_killer));
    facts.extend(ended.facts());
    Some(Draft {
        kind: IncidentKind::CrashLoop,
        severity: match respawned {
            _ if ended.is_supervised() => Severity::Critical,
            Some((severity, _)) => severity,
            None => Severity::Warning,
        },
        summary: format!(
            "{name} keeps dying: {times} times in {}, last by {}.",
            text::duration(span),
            ended.cause()
        ),
        facts,
        site: String::new(),
    })
}

/// Who starts it again, where no known supervisor does.
fn starter(ended: &Ended<'_>, respawns: &respawn::Respawns<'_>) -> Statement {
    let parent = text::printable(ended.parent_name);
    let pause = text::duration(respawn::typical_pause(respawns.lives));
    let text = format!(
        "{parent} (pid {}) has started it with the same arguments {} times without a success, typically {pause} after its end",
        ended.process.ppid, respawns.total
    );
    Statement::new("monitor:history", text)
}

/// Whether the deaths come faster or more slowly than they did: the later half of the gaps against the earlier.
fn trend(ends: &[Duration]) -> &'static str {
    let gaps: Vec<_> = ends.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    if gaps.len() < 4 {
        return "";
    }
    let (earlier, later) = (&gaps[..gaps.len() / 2], &gaps[gaps.len().div_ceil(2)..]);
    let (earlier, later): (Duration, Duration) = (earlier.iter().sum(), later.iter().sum());
    if later * 10 >= earlier * TREND_TENTHS {
        ", and less and less often: what starts it backs off"
    } else if earlier * 10 >= later * TREND_TENTHS {
        ", and more and more often"
    } else {
        ", at a steady pace"
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::kinds::shared::ending::fixture::{ended, exit, process};
    use crate::model::{ExitRecord, ProcessInfo};

    fn seconds<const N: usize>(at: [u64; N]) -> [Duration; N] {
        at.map(Duration::from_secs)
    }

    #[test]
    fn three_deaths_within_the_window_are_a_loop() {
        let process = process();
        let exit = exit(ExitCause::Signal(11));
        let limits = DetectLimits::default();
        for (deaths, want) in [
            (&seconds([1000, 1010, 1020])[..], true),
            (&seconds([1000, 1300, 1600]), true),
            (&seconds([1000, 1300, 1601]), false),
            (&seconds([1000, 1010]), false),
            (&[], false),
        ] {
            assert_eq!(detect(&ended(&process, &exit, deaths), &limits).is_some(), want, "{deaths:?}");
        }
        let draft = detect(&ended(&process, &exit, &seconds([1000, 1010, 1020])), &limits).unwrap();
        assert_eq!(draft.summary, "worker keeps dying: 3 times in 20.0 s, last by SIGSEGV (signal 11).");
        assert_eq!(draft.facts[0].text(), "3 deaths within 20.0 s, one every 10.0 s on average");
    }

    #[test]
    fn the_trend_is_told_from_five_deaths_on() {
        for (deaths, want) in [
            (&seconds([10, 20, 30, 40])[..], ""),
            (&seconds([10, 20, 30, 40, 50]), ", at a steady pace"),
            (&seconds([10, 11, 13, 17, 25]), ", and less and less often: what starts it backs off"),
            (&seconds([10, 20, 25, 27, 28]), ", and more and more often"),
        ] {
            assert_eq!(trend(deaths), want, "{deaths:?}");
        }
    }

    #[test]
    fn a_commands_no_is_not_a_death() {
        for (name, status, want) in
            [("grep", 1, false), ("grep", 2, true), ("test", 1, false), ("app", 1, true)]
        {
            let exe = Some(format!("/usr/bin/{name}"));
            let process = ProcessInfo { ppid: 1, name: name.into(), exe, ..process() };
            let exit = exit(ExitCause::Status(status));
            assert_eq!(counts(&ended(&process, &exit, &[])), want, "{name} {status}");
        }
    }

    #[test]
    fn failing_commands_count_only_under_a_supervisor() {
        for (ppid, cause, oom_killed, want) in [
            (7, ExitCause::Status(1), false, false),
            (1, ExitCause::Status(1), false, true),
            (1, ExitCause::Status(0), false, false),
            (1, ExitCause::Unknown, false, false),
            (1, ExitCause::Unknown, true, false),
            (1, ExitCause::Status(143), false, false),
            (1, ExitCause::Status(130), false, false),
            (1, ExitCause::Status(137), false, true),
            (7, ExitCause::Signal(6), false, true),
            (7, ExitCause::Signal(9), true, true),
            (1, ExitCause::Signal(9), false, true),
            (7, ExitCause::Signal(9), false, false),
            (1, ExitCause::Signal(15), false, false),
            (7, ExitCause::Signal(13), false, false),
        ] {
            let process = ProcessInfo { ppid, ..process() };
            let exit = ExitRecord { oom_killed, ..exit(cause) };
            let deaths = seconds([1, 2, 3, 4]);
            let it = ended(&process, &exit, &deaths);
            assert_eq!(counts(&it), want, "{ppid} {cause:?}");
            assert_eq!(detect(&it, &DetectLimits::default()).is_some(), want);
        }
    }
}
