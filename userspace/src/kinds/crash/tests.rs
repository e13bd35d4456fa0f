//! What is a crash, and how bad it is.

use std::time::Duration;

use super::*;
use crate::kinds::fixture::told;
use crate::kinds::shared::ending::facts::EndFact;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::model::{ExitRecord, ProcessInfo};
use crate::observation::FatalSignal;

#[test]
fn core_dumping_signals_are_crashes_and_nothing_else() {
    let process = process();
    for signal in [4, 5, 6, 7, 8, 11, 24, 25, 31] {
        let exit = exit(ExitCause::Signal(signal));
        assert!(detect(&ended(&process, &exit)).is_some(), "signal {signal}");
    }
    for cause in [1, 2, 3, 9, 10, 13, 14, 15, 34].map(ExitCause::Signal) {
        assert_eq!(detect(&ended(&process, &exit(cause))), None, "{cause:?}");
    }
    for status in [0, 1, 134, 139] {
        assert_eq!(detect(&ended(&process, &exit(ExitCause::Status(status)))), None, "status {status}");
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
        let draft = detect(&Ended { tested_by, ..ended(process, &exit) }).unwrap();
        assert_eq!(draft.severity, want, "{what}");
        let fact = draft.facts.iter().any(|fact| fact.data.as_crash().is_some());
        assert_eq!(fact, want == Severity::Info, "{what}");
    }
}

#[test]
fn a_signal_sent_on_purpose_wakes_nobody() {
    let process = ProcessInfo { ppid: 1, ..process() };
    let exit = exit(ExitCause::Signal(11));
    let crash = |code, sender| FatalSignal::sample(11, Some(code), sender);
    for (code, sender, want) in
        [(0, 7, Severity::Info), (1, 42, Severity::Critical), (-6, 42, Severity::Critical)]
    {
        let crash = crash(code, sender);
        let draft = detect(&Ended { signal: Some(&crash), ..ended(&process, &exit) }).unwrap();
        assert_eq!(draft.severity, want, "{code} {sender}");
        assert!(matches!(draft.facts[0].data.as_ending(), Some(EndFact::Ended { .. })), "{:?}", draft.facts);
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
        let crash = FatalSignal::sample(6, code, sender);
        let it = Ended { signal: Some(&crash), child_crashed, ..ended(&process, &exit) };
        assert_eq!(detect(&it).is_some(), want, "{what}");
    }
}

#[test]
fn a_supervised_or_long_lived_program_is_critical() {
    for (ppid, age_ms, want) in
        [(7, 10, Severity::Warning), (1, 10, Severity::Critical), (7, 60_000, Severity::Critical)]
    {
        let process = ProcessInfo { ppid, ..process() };
        let exit = ExitRecord { age_ms, ..exit(ExitCause::Signal(11)) };
        let draft = detect(&ended(&process, &exit)).unwrap();
        assert_eq!((draft.severity, draft.site.as_str()), (want, "SIGSEGV"));
        assert_eq!(told(&draft).summary, "python3 crashed with SIGSEGV (signal 11).");
    }
}

#[test]
fn an_abort_that_a_watchdog_had_sent_is_told_of_the_unit() {
    use crate::kinds::shared::unit::Word;
    use crate::observation::{StopReason, Unit, UnitLife, UnitResult, UnitStop};
    let process = process();
    let unit = Unit::new("app.service".into());
    for (result, signal, sender, is_main, want) in [
        (UnitResult::Watchdog, 6, 1, true, false),
        (UnitResult::Watchdog, 6, 1, false, false),
        (UnitResult::Watchdog, 6, 42, true, false),
        (UnitResult::Watchdog, 11, 42, true, true),
        (UnitResult::CoreDump, 6, 42, true, true),
        (UnitResult::CoreDump, 6, 42, false, true),
    ] {
        let stopping = Some(UnitStop { since: Duration::ZERO, why: StopReason::Failure, killed: None });
        let life = UnitLife { stopping, result, ..UnitLife::default() };
        let exit = exit(ExitCause::Signal(signal));
        let crash = FatalSignal::sample(signal, Some(0), sender);
        let word = Some(Word { unit: &unit, life: &life, is_main });
        let it = Ended { word, signal: Some(&crash), ..ended(&process, &exit) };
        assert_eq!(detect(&it).is_some(), want, "{result:?} {signal} by {sender}, main: {is_main}");
    }
}
