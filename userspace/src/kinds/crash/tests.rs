//! What is a crash, and how bad it is.

use std::time::Duration;

use super::*;
use crate::kinds::fixture::told;
use crate::kinds::shared::ending::facts::EndFact;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::model::{ExitRecord, ProcessInfo, ProcessKey};
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

#[test]
fn a_copy_that_its_parent_makes_to_see_it_end_wakes_nobody() {
    let process = process();
    let who = Who { name: "death_test".into(), pid: 7 };
    let parent = || Some(&who);
    let ended_by = |signal, age_ms| ExitRecord { age_ms, ..exit(ExitCause::Signal(signal)) };
    for (what, copy_of, age_ms, signal, code, sender, want) in [
        ("a death test", parent(), 4, 6, -6, 42, Severity::Info),
        ("by kill(2)", parent(), 4, 6, 0, 42, Severity::Info),
        ("raise(SIGSEGV)", parent(), 4, 11, -6, 42, Severity::Info),
        ("a worker that has worked", parent(), 1000, 6, -6, 42, Severity::Warning),
        ("a fault of its own", parent(), 4, 11, 1, 42, Severity::Warning),
        ("no copy of its parent, or of one that serves", None, 4, 6, -6, 42, Severity::Warning),
        ("aborted by its parent, for which it hung", parent(), 4, 6, 0, 7, Severity::Warning),
    ] {
        let (exit, crash) = (ended_by(signal, age_ms), FatalSignal::sample(signal, Some(code), sender));
        let starter = ProcessKey { pid: 7, start_ticks: 7 };
        let it = Ended {
            signal: Some(&crash),
            copy_of,
            starter,
            parent_name: "death_test",
            ..ended(&process, &exit)
        };
        let draft = detect(&it).unwrap();
        assert_eq!(draft.severity, want, "{what}");
        let at_once = |it: &Statement| matches!(it.data.as_crash(), Some(CrashFact::EndedAtOnce { .. }));
        assert_eq!(draft.facts.iter().any(at_once), want == Severity::Info, "{what}");
        let loops = crate::kinds::crash_loop::counts(&it);
        assert_eq!(loops, want == Severity::Warning && sender == 42, "{what}: a loop");
    }
    let supervised = ProcessInfo { ppid: 1, ..process };
    let (exit, crash) = (ended_by(6, 4), FatalSignal::sample(6, Some(-6), 42));
    let it = Ended { signal: Some(&crash), copy_of: parent(), ..ended(&supervised, &exit) };
    assert_eq!(detect(&it).unwrap().severity, Severity::Critical, "a service");
}

#[test]
fn a_master_that_aborts_its_worker_says_that_it_hung_and_a_shell_does_not() {
    let process = process();
    let exit = ExitRecord { age_ms: 31_000, ..exit(ExitCause::Signal(6)) };
    let mut crash = FatalSignal::sample(6, Some(0), 7);
    let starter = ProcessKey { pid: 7, start_ticks: 7 };
    for (parent_name, want) in [
        ("gunicorn", Severity::Warning),
        ("uvicorn", Severity::Warning),
        ("python3", Severity::Warning),
        ("timeout", Severity::Warning),
        ("bash", Severity::Info),
        ("-sh", Severity::Info),
    ] {
        crash.sender.comm = parent_name.as_bytes().into();
        let it = Ended { signal: Some(&crash), parent_name, starter, ..ended(&process, &exit) };
        let draft = detect(&it).unwrap();
        assert_eq!(draft.severity, want, "{parent_name}");
        let cause = crate::analyst::built_in(&crate::kinds::fixture::case_of(&draft)).probable_cause;
        let hung = format!("hung, as it seems: its parent {parent_name} (pid 7) aborted it");
        assert_eq!(cause.contains(&hung), want == Severity::Warning, "{cause}");
        assert_eq!(cause.contains("on purpose"), want == Severity::Info, "{cause}");
    }
}
