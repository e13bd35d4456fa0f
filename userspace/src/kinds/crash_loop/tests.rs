//! Which deaths count, and when they are a loop.

use super::*;
use crate::kinds::fixture::told;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::model::{ExitRecord, ProcessInfo};
use crate::observation::FatalSignal;

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
        assert_eq!(detect(&ended(&process, &exit), deaths, None, &limits).is_some(), want, "{deaths:?}");
    }
    let draft = detect(&ended(&process, &exit), &seconds([1000, 1010, 1020]), None, &limits).unwrap();
    let told = told(&draft);
    assert_eq!(told.summary, "python3 keeps dying: 3 times in 20.0 s, last by SIGSEGV (signal 11).");
    assert_eq!(told.facts[0], "3 deaths within 20.0 s, one every 10.0 s on average");
}

#[test]
fn the_trend_is_told_from_five_deaths_on() {
    for (deaths, want) in [
        (&seconds([10, 20, 30, 40])[..], None),
        (&seconds([10, 20, 30, 40, 50]), Some(Pace::Steady)),
        (&seconds([10, 11, 13, 17, 25]), Some(Pace::SlowingDown)),
        (&seconds([10, 20, 25, 27, 28]), Some(Pace::SpeedingUp)),
    ] {
        assert_eq!(pace(deaths), want, "{deaths:?}");
    }
}

#[test]
fn a_commands_no_is_not_a_death() {
    for (name, status, want) in [("grep", 1, false), ("grep", 2, true), ("test", 1, false), ("app", 1, true)]
    {
        let exe = Some(format!("/usr/bin/{name}"));
        let process = ProcessInfo { ppid: 1, name: name.into(), exe, ..process() };
        let exit = exit(ExitCause::Status(status));
        assert_eq!(counts(&ended(&process, &exit)), want, "{name} {status}");
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
        let it = ended(&process, &exit);
        assert_eq!(counts(&it), want, "{ppid} {cause:?}");
        assert_eq!(detect(&it, &deaths, None, &DetectLimits::default()).is_some(), want);
    }
}

#[test]
fn a_childs_signal_passed_on_and_one_that_was_sent_are_no_deaths() {
    let process = process();
    let exit = exit(ExitCause::Signal(6));
    for (what, child_crashed, code, sender, want) in [
        ("kill(getpid(), …), as unshare does", true, Some(0), 42, false),
        ("raise(), as timeout does", true, Some(-6), 42, false),
        ("abort(3) of its own", false, Some(-6), 42, true),
        ("a fault of its own, after the child's", true, Some(1), 42, true),
        ("sent by another, after the child's", true, Some(0), 7, false),
        ("nothing known of the signal", true, None, 42, true),
    ] {
        let crash = FatalSignal::sample(6, code, sender);
        let it = Ended { signal: Some(&crash), child_crashed, ..ended(&process, &exit) };
        assert_eq!(counts(&it), want, "{what}");
    }
}

#[test]
fn what_systemd_ends_is_no_death_and_what_ends_by_itself_is() {
    use crate::kinds::shared::unit::Word;
    use crate::observation::{StopReason, Unit, UnitLife, UnitResult, UnitStop};
    let process = ProcessInfo { ppid: 1, ..process() };
    let unit = Unit::new("app.service".into());
    for (why, cause, want) in [
        (None, ExitCause::Status(3), true),
        (Some(StopReason::Restart), ExitCause::Status(3), false),
        (Some(StopReason::Stop), ExitCause::Signal(9), false),
        (Some(StopReason::Failure), ExitCause::Status(3), true),
    ] {
        let stopping = why.map(|why| UnitStop { since: Duration::ZERO, why, killed: None });
        let life = UnitLife { stopping, result: UnitResult::ExitCode, ..UnitLife::default() };
        let exit = exit(cause);
        let it =
            Ended { word: Some(Word { unit: &unit, life: &life, is_main: true }), ..ended(&process, &exit) };
        assert_eq!(counts(&it), want, "{why:?}");
        assert!(!may_be_respawned(&it) || want, "{why:?}");
        let draft = detect(&it, &seconds([1, 2, 3, 4]), None, &DetectLimits::default());
        let again =
            draft.map(|it| told(&it).facts.iter().any(|fact| fact.ends_with("which starts it again")));
        assert_eq!(again, want.then_some(true), "a loop was seen to be started again");
    }
}
