//! Which limit is near, which threads do not end, and what only starts.

use expect_test::expect;

use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture::{self, case_of, told};
use crate::kinds::shared::limits::facts::TaskLimitKind;
use crate::kinds::shared::trend::whole;
use crate::model::{Confidence, ProcessInfo};

pub(super) fn limit(allowed: u64, used: u64) -> TaskCeiling {
    TaskCeiling { which: TaskLimitKind::Cgroup, cgroup: Some("/app".into()), uid: None, allowed, used }
}

pub(super) fn look(
    threads: u64,
    recent: &[(f64, f64)],
    limit: Option<&TaskCeiling>,
    near_scans: u32,
) -> Option<Draft> {
    let past = Past { recent, long: &[], peak_before: &|_| None };
    detect(&ThreadUse { threads, past, limit, near_scans }, &DetectLimits::default())
}

fn line(from: f64, to: f64) -> Vec<(f64, f64)> {
    (0..20).map(|i| (f64::from(i) * 31.0, from + (to - from) * f64::from(i) / 19.0)).collect()
}

/// Threads that grow from 20 to 120 of 220.
pub(super) fn leak() -> Draft {
    look(120, &line(20.0, 120.0), Some(&limit(220, 120)), 0).unwrap()
}

/// [`leak`], of the fixture's process.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    (fixture::healthy().process, leak())
}

#[test]
fn a_limit_that_is_near_for_long_enough_is_a_finding() {
    for (threads, allowed, used, scans, want) in [
        (90, 100, 90, 2, Some(Severity::Warning)),
        (90, 100, 100, 2, Some(Severity::Critical)),
        (90, 100, 90, 1, None),
        (89, 100, 89, 9, None),
        (40, 100, 95, 9, None),
        (300, 4096, 350, 9, None),
    ] {
        let draft = look(threads, &[], Some(&limit(allowed, used)), scans);
        assert_eq!(draft.map(|it| it.severity), want, "{threads} of {used} of {allowed}, {scans} scans");
    }
    assert_eq!(look(50_000, &[], None, 0), None, "no limit is known");
}

#[test]
fn threads_that_do_not_end_are_a_finding_before_the_limit() {
    for (from, to, left, want) in [
        (20.0, 120.0, 100, Some(Severity::Critical)),
        (20.0, 120.0, 10_000, Some(Severity::Warning)),
        (250.0, 350.0, 100, None),
        (20.0, 80.0, 100, None),
    ] {
        let draft = look(whole(to), &line(from, to), Some(&limit(120 + left, 120)), 0);
        assert_eq!(draft.map(|it| it.severity), want, "{from} to {to}, {left} left");
    }
    assert_eq!(
        told(&leak()).summary,
        "python3 (pid 13674) starts threads that do not end: from 20 to 120 in 9 min; its limit is reached in 9 min."
    );
    let start: Vec<_> = (0..20).map(|i| (f64::from(i) * 31.0, f64::from((20 + i * 40).min(160)))).collect();
    assert_eq!(look(160, &start, None, 0), None, "a pool that reaches its size");
}

#[test]
fn statements_are_values_first() {
    let statements =
        [ThreadFact::ThreadCount { threads: 90 }, ThreadFact::TaskLimitNear { percent: 90, scans: 2 }];
    fixture::check_statements(
        &statements.map(Into::into),
        &expect![[r#"
        {"type":"thread_count","threads":90}
          it has 90 threads
        {"type":"task_limit_near","percent":90,"scans":2}
          at least 90 % of that limit was in use for 2 scans in a row, mostly by it
    "#]],
    );
}

#[test]
fn what_scans_show_ends_in_its_cause() {
    let verdict = built_in(&case_of(&leak()));
    assert!(verdict.probable_cause.contains("starts threads that do not end (120 now)"), "{verdict:?}");
    assert_eq!(verdict.confidence, Confidence::Medium);
    let near = look(90, &[], Some(&limit(100, 100)), 2).unwrap();
    assert_eq!(
        told(&near).summary,
        "python3 (pid 13674) has 90 threads, and 100 of 100 tasks are in use (pids.max of /app)."
    );
    let verdict = built_in(&case_of(&near));
    assert!(verdict.probable_cause.contains("the limit is too low, or they piled up earlier"), "{verdict:?}");
    assert_eq!(verdict.confidence, Confidence::Low);
}
