//! Which ends wait for systemd's word and for how long, and which failures an end explains.

use super::*;
use crate::observation::{KernelExit, KernelProcess, MainProcess, StopReason, UnitState, UnitStop};
use crate::state::Table;

const APP: &str = "app.service";
const SECOND: Duration = Duration::from_secs(1);

/// A process of the unit that init started, ended at this second.
fn ended(pid: u32, ppid: u32, at: u64, cgroup: &str) -> Process {
    let key = ProcessKey { pid, start_ticks: 1 };
    let mut process = KernelProcess::sample(key, Duration::from_secs(at));
    process.parent.pid = ppid;
    let exit = KernelExit::sample(process, Some(3 << 8));
    Table::default().end(exit, None, Some(cgroup.into())).unwrap().clone()
}

fn service_process(pid: u32, at: u64) -> Process {
    ended(pid, 1, at, "/system.slice/app.service")
}

fn unit(life: UnitLife, before: Option<UnitLife>) -> Arc<Unit> {
    let state = if life.over.is_some() { UnitState::Failed } else { UnitState::Running };
    Arc::new(Unit { state, life, before, ..Unit::new(APP.into()) })
}

fn life(pid: u32, ended: Option<u64>, result: UnitResult) -> UnitLife {
    let at = ended.map(Duration::from_secs);
    UnitLife {
        main: Some(MainProcess { pid, ended: at.map(|at| (at, ExitCause::Status(3))) }),
        result,
        over: at,
        ..UnitLife::default()
    }
}

fn followed() -> Units {
    let mut units = Units::default();
    units.follow(true);
    units
}

#[test]
fn only_ends_of_which_systemd_knows_more_wait_for_it() {
    let mut units = followed();
    let main = service_process(7, 5);
    let status = ExitCause::Status(3);
    assert!(units.is_awaited(&main, status, false));
    assert!(units.is_awaited(&main, ExitCause::Signal(9), false));
    assert!(units.is_awaited(&main, ExitCause::Signal(6), false), "a handler's abort after a watchdog's");
    assert!(!units.is_awaited(&main, ExitCause::Signal(11), false), "a crash of its own is told at once");
    assert!(units.is_awaited(&main, ExitCause::Signal(11), true));
    assert!(!units.is_awaited(&main, ExitCause::Unknown, false));
    let child = ended(8, 7, 5, "/system.slice/app.service");
    assert!(!units.is_awaited(&child, status, false), "a script's command");
    assert!(units.is_awaited(&child, ExitCause::Signal(6), true), "a watchdog aborts all");
    for elsewhere in ["/user.slice/user-1.slice/session-3.scope", "/app", "/"] {
        assert!(!units.is_awaited(&ended(9, 1, 5, elsewhere), status, false), "{elsewhere}");
    }
    units.hear(&unit(life(7, Some(5), UnitResult::ExitCode), None), 5 * SECOND);
    assert!(!units.is_awaited(&main, status, false), "it has spoken");
    units.follow(false);
    assert!(!units.is_awaited(&service_process(10, 6), status, false), "nobody listens");
    let mut full = followed();
    for _ in 0..ENDS {
        full.wait(main.clone(), main.key, SECOND);
    }
    assert!(!full.is_awaited(&main, status, false));
}

#[test]
fn an_end_waits_until_systemd_has_noticed_it_or_for_a_moment() {
    let mut units = followed();
    units.hear(&unit(life(7, None, UnitResult::Success), None), SECOND);
    let main = service_process(7, 5);
    units.wait(main.clone(), main.key, 5 * SECOND);
    units.hear(&unit(life(7, None, UnitResult::Success), None), 5 * SECOND);
    assert!(units.settled(APP).is_empty(), "it has not noticed yet");
    assert!(units.settled("other.service").is_empty());
    units.hear(&unit(life(7, Some(5), UnitResult::ExitCode), None), 5 * SECOND);
    assert_eq!(units.settled(APP).len(), 1);
    let told = units.told(&main).unwrap();
    assert!(told.word().unwrap().is_main);

    units.wait(service_process(8, 6), main.key, 6 * SECOND);
    assert!(units.due(6 * SECOND).is_empty());
    assert_eq!(units.due(6 * SECOND + WORD_PATIENCE).len(), 1);
    units.wait(service_process(8, 6), main.key, 6 * SECOND);
    units.follow(false);
    assert_eq!(units.due(6 * SECOND).len(), 1, "nothing more will come");
}

/// `ExecStart=-`, or a unit that is started again and has a new result already: which of them shows when it is over.
#[test]
fn a_bad_status_with_a_good_result_waits_until_the_unit_is_over() {
    let mut units = followed();
    let main = service_process(7, 5);
    units.wait(main.clone(), main.key, 5 * SECOND);
    let good = life(7, Some(5), UnitResult::Success);
    units.hear(&unit(UnitLife { over: None, ..good.clone() }, None), 5 * SECOND);
    assert!(units.settled(APP).is_empty());
    units.hear(&unit(good, None), 5 * SECOND);
    assert_eq!(units.settled(APP).len(), 1);
}

#[test]
fn an_end_belongs_to_the_life_that_it_was_a_part_of() {
    let mut units = followed();
    let stop = UnitStop { since: 4 * SECOND, why: StopReason::Restart, killed: None };
    let before = UnitLife { stopping: Some(stop), ..life(7, Some(5), UnitResult::Success) };
    units.hear(&unit(life(8, None, UnitResult::Success), Some(before)), 5 * SECOND);
    let asked = |pid, at| {
        let told = units.told(&service_process(pid, at)).unwrap();
        let word = told.word().unwrap();
        (word.is_main, word.stopped_in_order().is_some())
    };
    assert_eq!(asked(7, 5), (true, true), "the main process of the life before");
    assert_eq!(asked(70, 4), (false, true), "another of that life");
    assert_eq!(asked(8, 9), (true, false), "the main process of this one");
    assert_eq!(asked(70, 9), (false, false), "another of this one");
    assert_eq!(asked(7, 9), (false, false), "its pid, given to another");
}

#[test]
fn a_failure_is_told_where_no_end_says_why() {
    let over = |result| unit(life(7, Some(50), result), None);
    let late = 50 * SECOND + END_PATIENCE;
    for (result, explained_at, want) in [
        (UnitResult::Watchdog, None, 1),
        (UnitResult::ExitCode, Some(50), 0),
        (UnitResult::ExitCode, Some(41), 0),
        (UnitResult::ExitCode, Some(39), 1),
        (UnitResult::StartLimitHit, Some(50), 1),
        (UnitResult::Success, None, 0),
    ] {
        let mut units = followed();
        units.hear(&over(result), 50 * SECOND);
        units.hear(&over(result), 50 * SECOND);
        if let Some(at) = explained_at {
            units.explain(&service_process(7, at), Duration::from_secs(at));
        }
        assert!(units.unexplained(late - SECOND).is_empty(), "{result:?}: an end may come yet");
        assert_eq!(units.unexplained(late).len(), want, "{result:?} {explained_at:?}");
        assert!(!units.is_waiting());
    }
}

#[test]
fn a_life_that_went_wrong_unseen_is_a_failure_too_and_each_only_once() {
    let mut units = followed();
    let before = life(7, Some(50), UnitResult::Watchdog);
    let both = unit(life(8, Some(60), UnitResult::Watchdog), Some(before));
    units.hear(&both, 60 * SECOND);
    units.hear(&both, 61 * SECOND);
    let over: Vec<_> = units.unexplained(Duration::MAX).iter().map(|it| it.over.as_secs()).collect();
    assert_eq!(over, [50, 60]);
}

#[test]
fn units_and_failures_are_bounded() {
    let mut units = followed();
    for number in 0..UNITS + 9 {
        let life = life(7, Some(50), UnitResult::Watchdog);
        let unit = Unit {
            name: format!("{number}.service").into(),
            state: UnitState::Failed,
            life,
            ..Unit::new(APP.into())
        };
        assert_eq!(units.hear(&Arc::new(unit), SECOND), number < FAILURES);
    }
    assert_eq!((units.known.len(), units.failures.len()), (UNITS, FAILURES));
}

#[tokio::test]
async fn a_crash_that_was_told_at_once_gets_systemds_word_later() {
    let mut units = followed();
    units.hear(&unit(life(7, None, UnitResult::Success), None), SECOND);
    let (main, other) = (service_process(7, 5), service_process(8, 5));
    let (word, none) =
        (units.promise(&main, 5 * SECOND).unwrap(), units.promise(&other, 5 * SECOND).unwrap());
    let late = units.promise(&service_process(9, 5), 5 * SECOND).unwrap();
    units.hear(&unit(life(7, None, UnitResult::Success), None), 5 * SECOND);
    units.keep_promises(APP);
    assert_eq!(units.promises.len(), 3, "it has not noticed yet");
    units.hear(&unit(life(7, Some(5), UnitResult::CoreDump), None), 5 * SECOND);
    units.keep_promises("other.service");
    assert_eq!(units.promises.len(), 3);
    units.keep_promises(APP);
    let facts = word.await.facts;
    let said = crate::render::fact(&facts[0].data);
    assert!(said.starts_with("systemd's result for app.service is `core-dump`"), "{said}");
    assert_eq!(none.await.facts, [], "of another process it says nothing");
    assert!(units.promise(&main, 6 * SECOND).is_none(), "it has spoken");
    units.due(5 * SECOND + FACT_PATIENCE);
    assert_eq!(late.await.facts, []);
}

#[test]
fn what_a_units_file_says_may_come_later_than_its_failure() {
    let mut units = followed();
    let failed = unit(life(7, Some(50), UnitResult::Watchdog), None);
    units.hear(&failed, 50 * SECOND);
    let learned = Unit { watchdog: Some(2 * SECOND), ..(*failed).clone() };
    units.hear(&Arc::new(learned), 51 * SECOND);
    let failure = units.unexplained(Duration::MAX).remove(0);
    assert_eq!(failure.unit.watchdog, Some(2 * SECOND));
}
