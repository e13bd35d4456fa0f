//! What is a failure of a unit and what is none, and how it is told.

use std::time::Duration;

use expect_test::expect;

use super::facts::UnitFailedFact;
use super::*;
use crate::kinds::fixture::{self, check_statements};
use crate::model::{ExitCause, ProcessInfo};
use crate::observation::{MainProcess, RestartPolicy, StopReason, UnitStop};

const SECOND: Duration = Duration::from_secs(1);

fn unit() -> Unit {
    Unit {
        restart: Some(RestartPolicy::OnFailure),
        start_timeout: Some(90 * SECOND),
        watchdog: Some(2 * SECOND),
        restarts: 1,
        ..Unit::new("checkout-api.service".into())
    }
}

fn life(result: UnitResult, stage: UnitStage) -> UnitLife {
    let ended = Some((5 * SECOND, ExitCause::Signal(6)));
    UnitLife {
        main: Some(MainProcess { pid: 77, ended }),
        result,
        failed_while: Some(stage),
        stopping: Some(UnitStop { since: 4 * SECOND, why: StopReason::Failure, killed: None }),
        over: Some(5 * SECOND),
        starts_again: true,
    }
}

/// A service that hung, and its watchdog had it aborted.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    let process = ProcessInfo {
        cgroup: Some("/system.slice/checkout-api.service".to_owned()),
        unit: Some("checkout-api.service".to_owned()),
        ..fixture::healthy().process
    };
    (process, detect(&unit(), &life(UnitResult::Watchdog, UnitStage::Running)).unwrap())
}

#[test]
fn a_hang_is_told_with_the_units_name_its_limit_and_whether_it_is_up_again() {
    let (process, draft) = sample();
    expect![[r#"
        Warning checkout-api.service hung: it gave systemd's watchdog no sign of life within 2.0 s, and systemd aborted it.
        - checkout-api.service hung: it gave systemd's watchdog no sign of life within 2.0 s, and systemd aborted it (systemd:dbus)
          {"limit_ms":2000,"result":"watchdog","stage":"running","type":"unit_failed","unit":"checkout-api.service"}
        - its main process (pid 77) ended by SIGABRT (signal 6) (systemd:dbus)
          {"cause":{"signal":6},"pid":77,"type":"main_ended"}
        - systemd's result for checkout-api.service is `watchdog`; systemd starts it again (Restart=on-failure); restarts so far: 1 (systemd:dbus)
          {"restart":"on_failure","restarts":1,"result":"watchdog","starts_it_again":true,"type":"unit_outcome","unit":"checkout-api.service"}
    "#]]
    .assert_eq(&fixture::golden(&process, &draft));
    let judged = fixture::judged(&fixture::case_about(&process, &draft));
    assert!(
        judged.contains("checkout-api.service hung: it stopped telling systemd that it was alive"),
        "{judged}"
    );
    assert!(
        judged.contains("systemctl show -p WatchdogUSec -p NotifyAccess checkout-api.service"),
        "{judged}"
    );
}

#[test]
fn what_was_asked_for_or_went_well_is_no_failure() {
    for why in [StopReason::Stop, StopReason::Restart, StopReason::InOrder] {
        for result in [UnitResult::Timeout, UnitResult::ExitCode, UnitResult::Signal] {
            let stopping = Some(UnitStop { since: SECOND, why, killed: Some(2 * SECOND) });
            let life = UnitLife { stopping, ..life(result, UnitStage::Stopping) };
            assert_eq!(detect(&unit(), &life), None, "{why:?} {result:?}");
        }
    }
    assert_eq!(detect(&unit(), &UnitLife::default()), None);
}

#[test]
fn each_result_has_words_of_its_own() {
    for (result, stage, severity, summary, cause) in [
        (
            UnitResult::Timeout,
            UnitStage::Starting,
            Severity::Warning,
            "did not become ready within 1 min",
            "TimeoutStartSec=",
        ),
        (UnitResult::Timeout, UnitStage::Running, Severity::Warning, "RuntimeMaxSec=", "RuntimeMaxSec="),
        (UnitResult::Timeout, UnitStage::Stopping, Severity::Warning, "did not end", "had failed"),
        (
            UnitResult::StartLimitHit,
            UnitStage::Starting,
            Severity::Warning,
            "given it up",
            "StartLimitBurst=",
        ),
        (UnitResult::Protocol, UnitStage::Starting, Severity::Warning, "its Type= promises", "PID file"),
        (
            UnitResult::Resources,
            UnitStage::Starting,
            Severity::Warning,
            "could not be started",
            "EnvironmentFile=",
        ),
        (
            UnitResult::ExecCondition,
            UnitStage::Starting,
            Severity::Info,
            "ExecCondition= said no",
            "as it was set",
        ),
        (UnitResult::ExitCode, UnitStage::Starting, Severity::Warning, "a status other than 0", "SIGABRT"),
        (UnitResult::CoreDump, UnitStage::Running, Severity::Warning, "by a signal", "SIGABRT"),
        (UnitResult::OomKill, UnitStage::Running, Severity::Warning, "the OOM killer", "SIGABRT"),
        (UnitResult::Other, UnitStage::Running, Severity::Warning, "failed while running", "SIGABRT"),
    ] {
        let draft = detect(&unit(), &life(result, stage)).unwrap();
        assert_eq!(draft.severity, severity, "{result:?}");
        let file = fixture::case_of(&draft);
        let told = fixture::told(&draft).summary;
        assert!(told.starts_with("checkout-api.service ") && told.contains(summary), "{result:?}: {told}");
        let opinion = verdict::judge(&file, &file.findings[0]);
        assert!(opinion.cause.contains(cause), "{result:?}: {}", opinion.cause);
        assert!(opinion.next_steps.len() == 3, "{result:?}");
    }
}

#[test]
fn a_program_that_cannot_be_run_is_told_by_its_status() {
    let mut life = life(UnitResult::ExitCode, UnitStage::Starting);
    life.main = Some(MainProcess { pid: 77, ended: Some((SECOND, ExitCause::Status(203))) });
    let file = fixture::case_of(&detect(&unit(), &life).unwrap());
    let cause = verdict::judge(&file, &file.findings[0]).cause;
    assert!(cause.contains("before its program starts: status 203"), "{cause}");
    life.main = None;
    let file = fixture::case_of(&detect(&unit(), &life).unwrap());
    assert!(verdict::judge(&file, &file.findings[0]).cause.contains("for a failure"));
}

#[test]
fn two_faults_of_a_unit_are_told_apart_and_one_is_not() {
    let site = |result, stage| detect(&unit(), &life(result, stage)).unwrap().site;
    let hung = site(UnitResult::Watchdog, UnitStage::Running);
    let mut other = unit();
    (other.restarts, other.at) = (9, 100 * SECOND);
    assert_eq!(detect(&other, &life(UnitResult::Watchdog, UnitStage::Running)).unwrap().site, hung);
    assert_ne!(site(UnitResult::Timeout, UnitStage::Starting), hung);
}

#[test]
fn what_was_started_too_often_says_how_it_ended_before() {
    let before = life(UnitResult::ExitCode, UnitStage::Running);
    let unit = Unit { before: Some(before), ..unit() };
    let draft =
        detect(&unit, &UnitLife { main: None, ..life(UnitResult::StartLimitHit, UnitStage::Starting) });
    let told = fixture::told(&draft.unwrap()).facts;
    assert_eq!(told.last().unwrap(), "before that its result was `exit-code`");
}

#[test]
fn each_statement_has_a_value_and_a_sentence() {
    let unit = "a\x1b[2Jb.service".into();
    check_statements(
        &[
            UnitFailedFact::UnitFailed {
                unit,
                result: UnitResult::Timeout,
                stage: UnitStage::Starting,
                limit_ms: Some(90_000),
            }
            .into(),
            UnitFailedFact::MainEnded { pid: 7, cause: ExitCause::Status(203) }.into(),
            UnitFailedFact::BeforeThat { result: UnitResult::Signal }.into(),
        ],
        &expect![[r#"
            {"type":"unit_failed","unit":"a\u001b[2Jb.service","result":"timeout","stage":"starting","limit_ms":90000}
              a�[2Jb.service did not become ready within 1 min, and systemd ended it
            {"type":"main_ended","pid":7,"cause":{"status":203}}
              its main process (pid 7) ended by exit status 203
            {"type":"before_that","result":"signal"}
              before that its result was `signal`
        "#]],
    );
}
