//! Crash: ended by a signal that dumps core, or would: SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
//! SIGSYS, SIGXCPU, SIGXFSZ.
//!
//! To an operator: a bug, or a limit, ended the program. Critical where it was supervised or had been running for
//! a while, else a warning. Near miss: SIGKILL, SIGTERM, SIGPIPE, SIGINT, SIGQUIT, which somebody sent or which
//! are part of ordinary pipelines; what a test runner started, which tells its own reader: info; a handled
//! SIGSEGV, after which the process lives on or exits by status. A signal that another process sent on purpose is
//! told apart by its siginfo and is only worth knowing. Who waits for a program and ends the way it did
//! (unshare(1), timeout(1), su(1): the same signal, to themselves, right after) only passes the news on: the crash
//! is the child's.

use super::{Draft, Ended, Statement};
use crate::kinds::shared::signal;
use crate::model::{ExitCause, IncidentKind, Severity, is_crash_signal, signal_name};
use crate::text;

/// A program that had run for so long was doing a job.
const LONG_LIVED_MS: u64 = 60_000;

pub(super) fn detect(ended: &Ended<'_>) -> Option<Draft> {
    let ExitCause::Signal(signal) = ended.exit.cause else { return None };
    if !is_crash_signal(signal) || ended.relays_childs_signal() {
        return None;
    }
    let name = text::printable(&ended.process.name);
    let sent = ended.crash.is_some_and(signal::is_sent);
    let working = ended.is_supervised() || ended.exit.age_ms >= LONG_LIVED_MS;
    let mut facts = ended.facts();
    let tested = ended.tested_by.filter(|_| !ended.is_supervised());
    facts.extend(tested.map(|by| {
        let by = text::printable(by);
        Statement::new(
            "monitor:process",
            format!("{by}, above it, runs tests: it may have been meant to crash"),
        )
    }));
    // Right after the cause, which says what they explain.
    facts.splice(1..1, ended.crash.map(signal::facts).unwrap_or_default());
    Some(Draft {
        kind: IncidentKind::Crash,
        severity: match (sent || tested.is_some(), working) {
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

    use super::*;
    use crate::kinds::shared::ending::facts::EndFact;
    use crate::kinds::shared::ending::fixture::{ended, exit, process};
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
    fn what_a_test_runner_started_wakes_nobody() {
        let (process, exit) = (process(), exit(ExitCause::Signal(11)));
        let supervised = ProcessInfo { ppid: 1, ..process.clone() };
        for (what, process, tested_by, want) in [
            ("by itself", &process, None, Severity::Warning),
            ("below a test runner", &process, Some("unittest"), Severity::Info),
            ("supervised, wherever", &supervised, Some("unittest"), Severity::Critical),
        ] {
            let draft = detect(&Ended { tested_by, ..ended(process, &exit, &[]) }).unwrap();
            assert_eq!(draft.severity, want, "{what}");
            let fact = draft.facts.iter().any(|fact| fact.text().contains("runs tests"));
            assert_eq!(fact, want == Severity::Info, "{what}");
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
            assert!(
                matches!(draft.facts[0].data.as_ending(), Some(EndFact::Ended { .. })),
                "{:?}",
                draft.facts
            );
        }
    }

    #[test]
    fn who_passes_a_childs_signal_on_has_not_crashed() {
        let process = process();
        let exit = exit(ExitCause::Signal(6));
        for (what, child_crashed, code, sender, want) in [
            ("kill(getpid(), …), as unshare does", true, Some(0), 42, false),
            ("raise(), as timeout does", true, Some(-6), 42, false),
            ("abort(3) of its own", false, Some(-6), 42, true),
            ("a fault of its own, after the child's", true, Some(1), 42, true),
            ("sent by another, after the child's", true, Some(0), 7, true),
            ("nothing known of the signal", true, None, 42, true),
        ] {
            let crash = KernelCrash {
                key: process.key(),
                tid: process.pid,
                at: Duration::ZERO,
                signal: 6,
                code,
                fault_address: None,
                sender,
                sender_comm: Box::default(),
                capture: None,
            };
            let it = Ended { crash: Some(&crash), child_crashed, ..ended(&process, &exit, &[]) };
            assert_eq!(detect(&it).is_some(), want, "{what}");
            assert_eq!(super::super::counts_as_death(&it), want && sender == 42, "{what}: a death");
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
