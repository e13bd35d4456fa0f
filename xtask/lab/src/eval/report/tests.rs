//! What the report makes of cases that were found, missed, broken and falsely raised.

use super::*;
use crate::model::sample as incident;

fn played(case: Case, score: Score) -> Played {
    Played { case, outcome: Outcome::default(), score }
}

fn sample() -> Vec<Played> {
    let fault = Case::fault(Kind::Crash, "crash/a", "a fault", "");
    let near = Case::near_miss(Kind::Crash, "crash/b", "a near miss", "");
    let other = Case::near_miss(Kind::CpuSpin, "cpu_spin/c", "another", "");
    let found = |delay_s| Score {
        delay_s: Some(delay_s),
        alarmed: delay_s > 0.0,
        right: vec![incident("1", Kind::Crash)],
        companions: vec![incident("1", Kind::CrashLoop)],
        ..Score::default()
    };
    let wrong = Score { wrong_process: vec![incident("1", Kind::Crash)], ..Score::default() };
    let alarm = |kind| Score { false_alarms: vec![incident("1", kind)], ..Score::default() };
    vec![
        played(fault, found(0.25)),
        played(fault, found(-0.5)),
        played(fault, wrong),
        played(fault, Score::default()),
        played(near, alarm(Kind::CpuSpin)),
        played(other, alarm(Kind::Crash)),
    ]
}

#[test]
fn rows_count_what_is_right_and_what_is_not() {
    let played = sample();
    let row = row(Kind::Crash, &played).unwrap();
    let want = Row {
        kind: Kind::Crash,
        faults: 4,
        noticed: 3,
        found: 2,
        delays_s: vec![0.25, 0.0],
        right: 2,
        raised: 4,
        near_misses: 1,
        false_alarms: 1,
    };
    assert_eq!(row, want);
    assert!((row.recall_percent() - 50.0).abs() < 1e-9 && (row.precision_percent() - 50.0).abs() < 1e-9);
    assert_eq!(super::row(Kind::OomKill, &played), None);
    let silent = super::row(Kind::CpuSpin, &played).unwrap();
    assert!(silent.recall_percent().is_nan() && silent.raised == 1);
}

#[test]
fn a_missed_bar_is_seen_and_a_broken_case_is_no_success() {
    let check = |played: &[Played], want: &[(&str, bool)]| {
        let windows = Windows::of_help("--scan-interval");
        let results = Results { played, skipped: &[], windows: &windows, seen: &[] };
        let findings = findings(&results);
        let got: Vec<_> = findings.figures.iter().map(|it| (it.name.as_str(), it.is_met())).collect();
        assert_eq!(got, want);
    };
    check(
        &sample(),
        &[
            ("crash: recall, right process", false),
            ("crash: time to detect, median", true),
            ("false incidents during faults", true),
            ("false incidents on near misses", false),
            ("cases that did not do what they are for", true),
        ],
    );
    let mut broken = sample().remove(0);
    broken.outcome.broken = Some("no".into());
    check(
        &[broken],
        &[("false incidents during faults", true), ("cases that did not do what they are for", false)],
    );
    let late = Score { delay_s: Some(1.5), right: vec![incident("1", Kind::Crash)], ..Score::default() };
    check(
        &[played(Case::fault(Kind::Crash, "crash/a", "", ""), late)],
        &[
            ("crash: recall, right process", true),
            ("crash: time to detect, median", false),
            ("false incidents during faults", true),
            ("cases that did not do what they are for", true),
        ],
    );
}

#[test]
fn tables_say_what_was_missed_and_what_was_false() {
    let played = sample();
    let windows = Windows::of_help("");
    let skipped = [Skipped { case: played[0].case, why: "no stress-ng".into() }];
    let results = Results { played: &played, skipped: &skipped, windows: &windows, seen: &[] };
    let tables = findings(&results).tables;
    let rows = |title: &str| {
        let table = tables.iter().find(|it| it.title == title);
        table.map(|it| it.rows.clone()).unwrap_or_default()
    };
    assert_eq!(rows("Missed faults").len(), 2);
    assert_eq!(rows("Missed faults")[1][2], "nothing");
    assert_eq!(rows("False alarms").len(), 3);
    assert_eq!(rows("Not run, or broken"), [["crash/a", "skipped: no stress-ng"]]);
    assert!(rows("Noise").is_empty());
}
