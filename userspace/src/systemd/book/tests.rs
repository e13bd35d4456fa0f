//! Lives of units, told by the signals that systemd 252 sends.

use super::*;
use crate::model::ExitCause;
use crate::observation::UnitState::{
    Failed, Inactive, Reloading, Running, Starting, Stopping, WaitsToRestart,
};
use UnitResult::Success;

const APP: &str = "app.service";

/// A book, and what happens to one unit of it, a second apart.
#[derive(Default)]
struct Story {
    book: Book,
    second: u64,
    result: UnitResult,
    main: Option<(u32, Option<ExitCause>, u64)>,
    job: u32,
}

impl Story {
    fn now(&mut self) -> Duration {
        self.second += 1;
        Duration::from_secs(self.second)
    }

    fn killed(&mut self, state: UnitState, killed: bool) -> Option<Arc<Unit>> {
        let now = self.now();
        let (pid, cause, ended) = self.main.unwrap_or_default();
        let half = Said {
            result: Some(self.result),
            main_pid: Some(pid),
            main_cause: Some(cause),
            main_ended: Some(Duration::from_secs(ended)),
            restarts: Some(0),
            ..Said::default()
        };
        self.book.half(APP, half).unwrap();
        let whole = Said { state: Some((state, killed)), job: Some(self.job), ..Said::default() };
        self.book.whole(APP, whole, now).unwrap()
    }

    fn tell(&mut self, state: UnitState) -> Option<Arc<Unit>> {
        self.killed(state, false)
    }

    fn run(&mut self, pid: u32) -> Arc<Unit> {
        (self.result, self.main) = (Success, Some((pid, None, 0)));
        self.tell(Running).expect("it runs")
    }

    /// The main process ends, and systemd has noticed.
    fn main_ends(&mut self, cause: ExitCause, result: UnitResult) {
        let pid = self.main.unwrap().0;
        (self.main, self.result) = (Some((pid, Some(cause), self.second + 1)), result);
    }

    fn has_job(&mut self, id: u32, kind: JobKind) {
        self.job = id;
        self.book.job(APP, id).unwrap();
        let now = self.now();
        self.book.job_is(APP, id, kind, now);
    }
}

fn stop(unit: &Unit) -> Option<StopReason> {
    unit.life.stopping.map(|it| it.why)
}

#[test]
fn a_stop_that_was_asked_for_is_in_order_whatever_the_status_is() {
    for (kind, why) in [(JobKind::Stop, StopReason::Stop), (JobKind::Restart, StopReason::Restart)] {
        let mut story = Story::default();
        story.run(7);
        story.has_job(1, kind);
        assert_eq!(stop(&story.tell(Stopping).unwrap()), Some(why));
        story.main_ends(ExitCause::Status(1), UnitResult::ExitCode);
        let unit = story.tell(Failed).unwrap();
        assert_eq!((stop(&unit), unit.life.failed_while), (Some(why), Some(UnitStage::Stopping)));
        assert!(unit.life.over.is_some() && !unit.life.starts_again);
    }
}

#[test]
fn a_job_may_say_what_it_is_after_the_stop_began() {
    let mut story = Story::default();
    story.run(7);
    story.job = 1;
    assert_eq!(stop(&story.tell(Stopping).unwrap()), Some(StopReason::InOrder));
    let late = story.book.job_is(APP, 1, JobKind::Stop, Duration::from_secs(9)).unwrap();
    assert_eq!(stop(&late), Some(StopReason::Stop));
    assert_eq!(story.book.job_is(APP, 2, JobKind::Restart, Duration::from_secs(9)), None, "another job");
}

#[test]
fn a_stop_that_takes_too_long_is_still_one_that_was_asked_for() {
    let mut story = Story::default();
    story.run(7);
    story.has_job(1, JobKind::Stop);
    let since = story.tell(Stopping).unwrap().life.stopping.unwrap().since;
    story.result = UnitResult::Timeout;
    let killed = story.killed(Stopping, true).unwrap().life.stopping.unwrap();
    assert_eq!((killed.why, killed.since), (StopReason::Stop, since));
    assert!(killed.killed.unwrap() > since);
    story.main_ends(ExitCause::Signal(9), UnitResult::Timeout);
    let unit = story.tell(Failed).unwrap();
    assert_eq!(unit.life.failed_while, Some(UnitStage::Stopping));
}

#[test]
fn what_goes_wrong_first_is_why_it_is_ended() {
    for (while_it, result, stage) in [
        (Starting, UnitResult::Timeout, UnitStage::Starting),
        (Running, UnitResult::Watchdog, UnitStage::Running),
        (Reloading, UnitResult::ExitCode, UnitStage::Running),
    ] {
        let mut story = Story { main: Some((7, None, 0)), ..Story::default() };
        story.tell(while_it);
        story.result = result;
        let unit = story.tell(Stopping).unwrap();
        assert_eq!(stop(&unit), Some(StopReason::Failure), "{result:?}");
        story.main_ends(ExitCause::Signal(6), result);
        let unit = story.tell(Failed).unwrap();
        assert_eq!((unit.life.failed_while, unit.life.result), (Some(stage), result));
    }
}

#[test]
fn a_main_process_that_ends_in_order_with_others_left_is_no_failure() {
    let mut story = Story::default();
    story.run(7);
    story.main_ends(ExitCause::Status(0), Success);
    let unit = story.tell(Stopping).unwrap();
    assert_eq!((stop(&unit), unit.life.failed_while), (Some(StopReason::InOrder), None));
}

#[test]
fn each_restart_is_a_life_and_the_one_before_is_kept() {
    let mut story = Story::default();
    for pid in 7..10 {
        story.run(pid);
        story.main_ends(ExitCause::Status(3), UnitResult::ExitCode);
        let unit = story.tell(WaitsToRestart).unwrap();
        assert!(unit.life.starts_again && unit.life.over.is_some());
        assert_eq!(unit.life.main.unwrap().pid, pid);
        let before = unit.before.as_ref().and_then(|it| it.main).map(|it| it.pid);
        assert_eq!(before, (pid > 7).then(|| pid - 1));
        assert_eq!(unit.life.stopping, None, "its own end");
    }
    let unit = story.run(10);
    assert_eq!((unit.life.result, unit.life.over, unit.life.starts_again), (Success, None, false));
}

#[test]
fn a_start_before_there_is_a_main_process_does_not_take_the_last_one_for_its_own() {
    let mut story = Story::default();
    story.run(7);
    story.main_ends(ExitCause::Status(3), UnitResult::ExitCode);
    story.tell(Failed);
    story.result = Success;
    let unit = story.tell(Starting).unwrap();
    assert_eq!(unit.life, UnitLife::default());
    assert_eq!(unit.before.as_ref().unwrap().main.unwrap().pid, 7);
}

#[test]
fn a_life_that_went_by_between_two_signals_is_one_all_the_same() {
    let mut story = Story::default();
    story.run(7);
    story.main_ends(ExitCause::Status(3), UnitResult::ExitCode);
    story.tell(WaitsToRestart);
    story.main = Some((8, Some(ExitCause::Status(3)), 5));
    let unit = story.tell(WaitsToRestart).unwrap();
    assert_eq!(unit.life.main.unwrap().pid, 8);
    assert_eq!(unit.before.as_ref().unwrap().main.unwrap().pid, 7);
    assert!(unit.life.over.is_some() && unit.life.result == UnitResult::ExitCode);
    // Up, with its end and the next start between two signals.
    let mut story = Story::default();
    story.run(7);
    story.main_ends(ExitCause::Signal(9), UnitResult::Signal);
    story.tell(Running);
    let unit = story.run(8);
    assert_eq!((unit.life.main.unwrap().pid, unit.life.result), (8, Success));
    assert!(unit.before.as_ref().unwrap().over.is_some());
}

#[test]
fn a_start_that_is_refused_after_too_many_has_a_result_of_its_own() {
    for through_dead in [false, true] {
        let mut story = Story::default();
        story.run(7);
        story.main_ends(ExitCause::Status(3), UnitResult::ExitCode);
        story.tell(WaitsToRestart);
        if through_dead {
            story.tell(Inactive);
        }
        let unit = story.tell(Failed).unwrap();
        assert_eq!((unit.life.result, unit.life.main), (UnitResult::StartLimitHit, None), "{through_dead}");
        assert_eq!(unit.before.as_ref().unwrap().result, UnitResult::ExitCode);
        assert_eq!(story.tell(Failed), None, "told again");
    }
    // Stopped while it waited: systemctl stop.
    let mut story = Story::default();
    story.run(7);
    story.main_ends(ExitCause::Status(3), UnitResult::ExitCode);
    story.tell(WaitsToRestart);
    assert_eq!(story.tell(Inactive).unwrap().life.result, UnitResult::ExitCode);
    // Never up: what it needs to be started was not to be had.
    let mut story = Story { result: UnitResult::Resources, ..Story::default() };
    let unit = story.tell(Failed).unwrap();
    assert_eq!(
        (unit.life.result, unit.life.failed_while),
        (UnitResult::Resources, Some(UnitStage::Starting))
    );
}

#[test]
fn what_was_there_at_the_beginning_is_no_news() {
    let mut book = Book::default();
    let at = Duration::from_secs(1);
    let said = |state| Said { state: Some((state, false)), ..Said::default() };
    book.begin_with("bad.service", said(Failed), at).unwrap();
    book.begin_with("up.service", said(Running), at).unwrap();
    assert_eq!(book.begin_with("up.service", said(Failed), at), Ok(None), "a signal came first");
    let unit = book.whole("bad.service", said(Failed), at).unwrap();
    assert_eq!(unit, None, "it failed long ago");
    let settings =
        Settings { restart: Some(crate::observation::RestartPolicy::Always), ..Settings::default() };
    let known = Said { main_pid: Some(7), restarts: Some(4), ..Said::default() };
    let unit = book.learn("up.service", &settings, &known, at).unwrap();
    assert_eq!((unit.life.main.unwrap().pid, unit.restarts), (7, 4));
    let unit = book.learn("bad.service", &settings, &known, at).unwrap();
    assert_eq!(unit.life.main, None, "that is not running");
}

#[test]
fn settings_are_asked_for_once_and_after_each_reload() {
    let mut book = Book::default();
    let said = |state| Said { state: Some((state, false)), ..Said::default() };
    for (name, state) in [("a.service", Running), ("b.service", Inactive)] {
        book.whole(name, said(state), Duration::ZERO).unwrap();
    }
    let mut wanted = |name| book.wants_settings(name);
    assert_eq!([wanted("a.service"), wanted("a.service"), wanted("b.service")], [true, false, false]);
    assert_eq!(book.forget_settings().collect::<Vec<_>>(), ["a.service"]);
    assert!(!book.wants_settings("a.service"), "it is under way");
}

#[test]
fn what_is_not_running_makes_room_and_what_runs_does_not() {
    let mut book = Book::default();
    let said = |state| Said { state: Some((state, false)), ..Said::default() };
    let at = |number: usize| Duration::from_secs(number as u64);
    for number in 0..UNITS {
        let state = if number == 3 || number == 4 { Failed } else { Running };
        book.whole(&format!("{number}.service"), said(state), at(number)).unwrap();
    }
    book.whole("next.service", said(Running), at(UNITS)).unwrap();
    assert!(!book.knows("3.service") && book.knows("4.service"));
    book.whole("last.service", said(Running), at(UNITS)).unwrap();
    assert_eq!(book.whole("none.service", said(Running), at(UNITS)), Err(Full));
    assert_eq!(book.half("none.service", Said::default()), Err(Full));
    assert_eq!(book.0.len(), UNITS);
}
