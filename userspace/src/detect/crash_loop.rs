//! Crash loop: the same program in the same cgroup dies again and again.
//!
//! To an operator: a restart does not help. Critical under a supervisor, else a warning: somebody starts it by
//! hand or by script. Counted deaths: crashes and OOM kills whoever the parent is, and exits by status ≠ 0
//! under a supervisor, unless the status says that a signal to stop was obeyed. Limits: `crash_loop_count` deaths within `crash_loop_window`.
//! Near miss: failing commands of a shell loop, a build or a test suite, which nobody supervises.

use super::{Draft, Ended, Statement, oom, signals};
use crate::config::DetectLimits;
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal};
use crate::text;

/// Whether this end is one of those that make a loop.
pub fn counts(ended: &Ended<'_>) -> bool {
    match ended.exit.cause {
        ExitCause::Signal(_) if ended.crash.is_some_and(signals::is_sent) => false,
        ExitCause::Signal(signal) => is_crash_signal(signal) || ended.exit.oom_killed,
        ExitCause::Unknown => false,
        ExitCause::Status(status) => status != 0 && !is_obedient(status) && ended.is_supervised(),
    }
}

/// 128 + SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGTERM: what shells and runtimes make of being told to stop.
const fn is_obedient(status: u8) -> bool {
    matches!(status, 129 | 130 | 137 | 141 | 143)
}

pub(super) fn detect(ended: &Ended<'_>, limits: &DetectLimits) -> Option<Draft> {
    let last = *ended.deaths.last()?;
    let since = last.saturating_sub(limits.crash_loop_window);
    let recent: Vec<_> = ended.deaths.iter().filter(|at| **at >= since).collect();
    let times = recent.len();
    if !counts(ended) || times < usize::try_from(limits.crash_loop_count).unwrap_or(usize::MAX) {
        return None;
    }
    let span = last.saturating_sub(**recent.first()?);
    let gaps = u32::try_from(times.saturating_sub(1).max(1)).unwrap_or(u32::MAX);
    let name = text::printable(&ended.process.name);
    let history = format!(
        "{times} deaths within {}, one every {} on average",
        text::duration(span),
        text::duration(span / gaps)
    );
    let mut facts = vec![Statement::new("monitor:history", history)];
    facts.extend(ended.exit.oom_killed.then(oom::chosen));
    facts.extend(ended.facts());
    Some(Draft {
        kind: IncidentKind::CrashLoop,
        severity: if ended.is_supervised() { Severity::Critical } else { Severity::Warning },
        summary: format!(
            "{name} keeps dying: {times} times in {}, last by {}.",
            text::duration(span),
            ended.cause()
        ),
        facts,
        site: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ended::tests::{ended, exit, process};
    use super::*;
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
        assert_eq!(draft.facts[0].text, "3 deaths within 20.0 s, one every 10.0 s on average");
    }

    #[test]
    fn failing_commands_count_only_under_a_supervisor() {
        for (ppid, cause, oom_killed, want) in [
            (7, ExitCause::Status(1), false, false),
            (1, ExitCause::Status(1), false, true),
            (1, ExitCause::Status(0), false, false),
            (1, ExitCause::Status(143), false, false),
            (1, ExitCause::Status(130), false, false),
            (7, ExitCause::Signal(6), false, true),
            (7, ExitCause::Signal(9), true, true),
            (1, ExitCause::Signal(9), false, false),
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
