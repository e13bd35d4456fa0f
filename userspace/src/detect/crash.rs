//! Crash: ended by a signal that dumps core, or would: SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
//! SIGSYS, SIGXCPU, SIGXFSZ.
//!
//! To an operator: a bug, or a limit, ended the program. Critical where it was supervised or had been running
//! for a while, else a warning. Near miss: SIGKILL, SIGTERM, SIGPIPE, SIGINT, SIGQUIT, which somebody sent or
//! which are part of ordinary pipelines; a handled SIGSEGV, after which the process lives on or exits by status. A
//! signal that another process sent on purpose is told apart by its siginfo and is only worth knowing.

use super::{Draft, Ended, signals};
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal, signal_name};
use crate::text;

/// A program that had run for so long was doing a job.
const LONG_LIVED_MS: u64 = 60_000;

pub(super) fn detect(ended: &Ended<'_>) -> Option<Draft> {
    let ExitCause::Signal(signal) = ended.exit.cause else { return None };
    if !is_crash_signal(signal) {
        return None;
    }
    let name = text::printable(&ended.process.name);
    let sent = ended.crash.is_some_and(signals::is_sent);
    let working = ended.is_supervised() || ended.exit.age_ms >= LONG_LIVED_MS;
    let mut facts = ended.facts();
    // Right after the cause, which says what they explain.
    facts.splice(1..1, ended.crash.map(signals::facts).unwrap_or_default());
    Some(Draft {
        kind: IncidentKind::Crash,
        severity: match (sent, working) {
            (true, _) => Severity::Info,
            (false, true) => Severity::Critical,
            (false, false) => Severity::Warning,
        },
        summary: if sent {
            format!("{name} was ended on purpose, with {}.", ended.cause())
        } else {
            format!("{name} crashed with {}.", ended.cause())
        },
        facts,
        site: signal_name(signal),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::ended::tests::{ended, exit, process};
    use super::*;
    use crate::model::{ExitRecord, ProcessInfo};
    use crate::observation::KernelCrash;

    #[test]
    fn core_dumping_signals_are_crashes_and_nothing_else() {
        let process = process();
        for signal in [4, 5, 6, 7, 8, 11, 24, 25, 31] {
            let exit = exit(ExitCause::Signal(signal));
            assert!(detect(&ended(&process, &exit, &[])).is_some(), "signal {signal}");
        }
        for cause in [1, 2, 3, 9, 10, 13, 14, 15, 34].map(ExitCause::Signal) {
            assert_eq!(detect(&ended(&process, &exit(cause), &[])), None, "{cause:?}");
        }
        for status in [0, 1, 134, 139] {
            assert_eq!(
                detect(&ended(&process, &exit(ExitCause::Status(status)), &[])),
                None,
                "status {status}"
            );
        }
    }

    #[test]
    fn a_signal_sent_on_purpose_wakes_nobody() {
        let process = ProcessInfo { ppid: 1, ..process() };
        let exit = exit(ExitCause::Signal(11));
        let crash = |code, sender| KernelCrash {
            key: process.key(),
            tid: process.pid,
            at: Duration::ZERO,
            signal: 11,
            code: Some(code),
            fault_address: None,
            sender,
            sender_comm: b"gdb"[..].into(),
            capture: None,
        };
        for (code, sender, want) in
            [(0, 7, Severity::Info), (1, 42, Severity::Critical), (-6, 42, Severity::Critical)]
        {
            let crash = crash(code, sender);
            let draft = detect(&Ended { crash: Some(&crash), ..ended(&process, &exit, &[]) }).unwrap();
            assert_eq!(draft.severity, want, "{code} {sender}");
            assert!(draft.facts[0].text.starts_with("ended by"), "{:?}", draft.facts);
        }
    }

    #[test]
    fn a_supervised_or_long_lived_program_is_critical() {
        for (ppid, age_ms, want) in
            [(7, 10, Severity::Warning), (1, 10, Severity::Critical), (7, 60_000, Severity::Critical)]
        {
            let process = ProcessInfo { ppid, ..process() };
            let exit = ExitRecord { age_ms, ..exit(ExitCause::Signal(11)) };
            let draft = detect(&ended(&process, &exit, &[])).unwrap();
            assert_eq!((draft.severity, draft.site.as_str()), (want, "SIGSEGV"));
            assert_eq!(draft.summary, "worker crashed with SIGSEGV (signal 11).");
        }
    }
}
