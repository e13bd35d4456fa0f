//! Whose doing an end is, and how systemd's word is told.

use std::time::Duration;

use expect_test::expect;

use super::*;
use crate::kinds::fixture::check_statements;
use crate::kinds::shared::ending;
use crate::observation::StopReason::{Failure, InOrder, Restart as Again, Stop};
use crate::observation::{MainProcess, RestartPolicy};

#[test]
fn who_ended_it_is_told_by_why_the_unit_was_stopped() {
    use ExitCause::{Signal, Status};
    let unit = Unit::new("app.service".into());
    for (why, result, is_main, cause, own, want) in [
        (None, UnitResult::ExitCode, true, Status(3), true, false),
        (None, UnitResult::Success, false, Signal(9), false, false),
        (Some(Stop), UnitResult::ExitCode, true, Status(1), true, true),
        (Some(Again), UnitResult::Success, true, Signal(15), false, true),
        (Some(InOrder), UnitResult::Success, false, Signal(9), false, true),
        (Some(Stop), UnitResult::Timeout, true, Signal(9), false, true),
        (Some(Stop), UnitResult::Timeout, true, Signal(6), false, true),
        (Some(Stop), UnitResult::CoreDump, true, Signal(11), true, false),
        // Its own end, after which the others were ended.
        (Some(Failure), UnitResult::ExitCode, true, Status(3), true, false),
        (Some(Failure), UnitResult::Signal, true, Signal(9), false, false),
        (Some(Failure), UnitResult::ExitCode, false, Signal(9), false, true),
        (Some(Failure), UnitResult::CoreDump, false, Signal(11), true, false),
        (Some(Failure), UnitResult::Timeout, true, Signal(9), false, true),
        (Some(Failure), UnitResult::Watchdog, true, Signal(6), false, true),
        (Some(Failure), UnitResult::Watchdog, true, Signal(6), true, true),
        (Some(Failure), UnitResult::Watchdog, false, Signal(6), false, true),
        (Some(Failure), UnitResult::Watchdog, true, Status(2), true, true),
        (Some(Failure), UnitResult::Watchdog, true, Signal(11), true, false),
    ] {
        let stop = why.map(|why| UnitStop { since: Duration::ZERO, why, killed: None });
        let life = UnitLife { stopping: stop, result, ..UnitLife::default() };
        let word = Word { unit: &unit, life: &life, is_main };
        assert_eq!(word.is_systemds_doing(cause, own), want, "{why:?} {result:?} {is_main} {cause:?} {own}");
    }
}

#[test]
fn a_status_that_systemd_takes_for_a_good_end_is_no_failure() {
    let unit = Unit::new("modprobe@drm.service".into());
    let ended = Some((Duration::ZERO, ExitCause::Status(1)));
    let over = Some(Duration::ZERO);
    for (what, result, is_main, ended, over, want) in [
        ("ExecStart=-", UnitResult::Success, true, ended, over, true),
        ("a failure", UnitResult::ExitCode, true, ended, over, false),
        ("another of its processes", UnitResult::Success, false, ended, over, false),
        ("not noticed yet", UnitResult::Success, true, None, over, false),
        ("being started again", UnitResult::Success, true, ended, None, false),
    ] {
        let main = Some(MainProcess { pid: 7, ended });
        let life = UnitLife { main, result, over, ..UnitLife::default() };
        let word = Word { unit: &unit, life: &life, is_main };
        assert_eq!(word.takes_for_success(), want, "{what}");
        let (process, exit) = (ending::fixture::process(), ending::fixture::exit(ExitCause::Status(1)));
        let end = ending::Ended { word: Some(word), ..ending::fixture::ended(&process, &exit) };
        assert_eq!(end.is_failure(1), !want, "{what}");
    }
}

#[test]
fn each_statement_has_a_value_and_a_sentence() {
    let said = |result, restart, restarts, starts_it_again| {
        UnitFact::UnitOutcome { unit: "a\x1bb.service".into(), result, restart, restarts, starts_it_again }
            .into()
    };
    check_statements(
        &[
            said(UnitResult::ExitCode, Some(RestartPolicy::OnFailure), 3, true),
            said(UnitResult::Watchdog, Some(RestartPolicy::No), 0, false),
            said(UnitResult::StartLimitHit, None, 1, false),
        ],
        &expect![[r#"
            {"type":"unit_outcome","unit":"a\u001bb.service","result":"exit_code","restart":"on_failure","restarts":3,"starts_it_again":true}
              systemd's result for a�b.service is `exit-code`; systemd starts it again (Restart=on-failure); restarts so far: 3
            {"type":"unit_outcome","unit":"a\u001bb.service","result":"watchdog","restart":"no","restarts":0,"starts_it_again":false}
              systemd's result for a�b.service is `watchdog`; systemd does not start it again (Restart=no)
            {"type":"unit_outcome","unit":"a\u001bb.service","result":"start_limit_hit","restart":null,"restarts":1,"starts_it_again":false}
              systemd's result for a�b.service is `start-limit-hit`; restarts so far: 1
        "#]],
    );
}

#[test]
fn every_result_has_systemds_own_word() {
    for (result, want) in [
        (UnitResult::Success, "success"),
        (UnitResult::Resources, "resources"),
        (UnitResult::Protocol, "protocol"),
        (UnitResult::Timeout, "timeout"),
        (UnitResult::Signal, "signal"),
        (UnitResult::CoreDump, "core-dump"),
        (UnitResult::OomKill, "oom-kill"),
        (UnitResult::ExecCondition, "exec-condition"),
    ] {
        assert_eq!(words::result_word(result), want);
    }
}
