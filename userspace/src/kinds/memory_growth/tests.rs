//! How bad which growth is, and what is none.

use expect_test::expect;

use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture::{self, case_of, told};
use crate::kinds::shared::limits::facts::MemoryLimitKind;
use crate::kinds::shared::trend::facts::TrendFact;
use crate::model::Confidence;

const MIB: f64 = 1024.0;

fn line(from_mib: f64, to_mib: f64, seconds: f64) -> Vec<(f64, f64)> {
    let at = |i: i32| f64::from(i) / 19.0;
    (0..20).map(|i| (at(i) * seconds, (from_mib + (to_mib - from_mib) * at(i)) * MIB)).collect()
}

fn worker() -> ProcessInfo {
    ProcessInfo {
        name: "worker".into(),
        exe: Some("/usr/bin/worker".into()),
        argv: vec!["worker".into(), "--fast".into()],
        ..fixture::healthy().process
    }
}

fn look(
    past: &[(f64, f64)],
    from_start: &[(f64, f64)],
    now_mib: u64,
    left_mib: Option<u64>,
) -> Option<Draft> {
    look_at_worker(past, from_start, (now_mib, left_mib), 30)
}

/// A process of 20 minutes that has worked for `worked_s` seconds of them.
fn look_at_worker(
    past: &[(f64, f64)],
    from_start: &[(f64, f64)],
    (now_mib, left_mib): (u64, Option<u64>),
    worked_s: u64,
) -> Option<Draft> {
    let limit = left_mib.map(|left| MemoryCeiling {
        which: MemoryLimitKind::Cgroup,
        cgroup: Some("/app".into()),
        left_bytes: left << 20,
    });
    let memory = MemoryGrowth {
        past: Past { recent: past, long: &[], peak_before: &|_| None },
        from_start,
        sort: None,
        bound: None,
        mapped_since: &|_| None,
        anon_bytes: now_mib << 20,
        limit: limit.as_ref(),
        age: Duration::from_secs(1200),
        worked: Some(Duration::from_secs(worked_s)),
    };
    detect(&worker(), &memory, &DetectLimits::default())
}

#[test]
fn a_leak_is_as_bad_as_its_limit_is_near() {
    for (left, want) in [
        (Some(100), Severity::Critical),
        (Some(1000), Severity::Warning),
        (Some(1_000_000), Severity::Info),
        (None, Severity::Warning),
    ] {
        let draft = look(&line(100.0, 200.0, 600.0), &[], 200, left).unwrap();
        assert_eq!(draft.severity, want, "{left:?}");
    }
    let draft = leak();
    let told = told(&draft);
    assert_eq!(
        told.summary,
        "python3 (pid 13674) grows steadily: by 100.0 MiB in 10 min, 10.0 MiB a minute; the rest lasts 10 min."
    );
    assert_eq!(
        told.facts[0],
        "its anonymous memory grew by 100.0 MiB in 10 min, from 100.0 MiB to 200.0 MiB: 10.0 MiB a minute"
    );
    assert_eq!(told.facts[3], "the memory limit of /app leaves 100.0 MiB: at this rate it lasts 10 min");
}

#[test]
fn a_young_program_that_works_without_a_rest_has_an_end() {
    let link = line(1000.0, 4000.0, 600.0);
    for (what, left, worked_s, want) in [
        ("a link on a large host", Some(20_000), 1100, Severity::Info),
        ("on four cores", Some(20_000), 4400, Severity::Info),
        ("where nothing is known of the limit", None, 1100, Severity::Info),
        ("with the limit near", Some(1000), 1100, Severity::Critical),
        ("a server that leaks as fast", Some(20_000), 300, Severity::Warning),
        ("a server with the limit near in time, and little used", Some(5000), 300, Severity::Warning),
    ] {
        let draft = look_at_worker(&link, &[], (4000, left), worked_s).unwrap();
        assert_eq!(draft.severity, want, "{what}");
    }
    let memory = |minutes: u64| MemoryGrowth {
        past: Past { recent: &[], long: &[], peak_before: &|_| None },
        from_start: &[],
        sort: None,
        bound: None,
        mapped_since: &|_| None,
        anon_bytes: 0,
        limit: None,
        age: Duration::from_secs(minutes * 60),
        worked: Some(Duration::from_secs(minutes * 60)),
    };
    let limits = GrowthLimits::default();
    let (it, rustc) = (worker(), ProcessInfo { exe: Some("/usr/bin/rustc".into()), ..worker() });
    assert!(
        is_job(&it, &memory(39), &limits) && !is_job(&it, &memory(40), &limits),
        "it works without an end"
    );
    let idle = |minutes| MemoryGrowth { worked: Some(Duration::ZERO), ..memory(minutes) };
    for (what, process, memory, want) in [
        ("a long compilation", &rustc, memory(400), true),
        ("one that waits for the disk", &rustc, idle(10), true),
        ("a command that stays and mostly waits", &rustc, idle(400), false),
        ("a young server", &it, idle(10), false),
    ] {
        assert_eq!(is_job(process, &memory, &limits), want, "{what}");
    }
}

#[test]
fn small_growth_is_none() {
    for (from, to) in [(100.0, 131.0), (1000.0, 1199.0), (100.0, 100.0), (200.0, 100.0)] {
        assert_eq!(look(&line(from, to, 600.0), &[], 200, Some(1)), None, "{from} {to}");
    }
}

#[test]
fn a_fast_start_is_urgent_only_when_most_of_the_limit_is_gone() {
    let start = line(10.0, 700.0, 100.0);
    for (left, want) in [(300, true), (460, true), (480, false), (5000, false)] {
        let draft = look(&[], &start, 700, Some(left));
        assert_eq!(draft.map(|it| it.severity), want.then_some(Severity::Critical), "{left} MiB left");
    }
    assert_eq!(look(&[], &start, 700, None), None, "a start-up on a host of unknown size");
    assert_eq!(look(&[], &line(690.0, 700.0, 100.0), 700, Some(50)), None, "hardly growing");
}

#[test]
fn statements_are_values_first() {
    let grew = MemoryGrowthFact::MemoryGrew {
        sort: None,
        from_bytes: 100 << 20,
        to_bytes: 200 << 20,
        over_ms: 600_000,
        per_minute_bytes: 10 << 20,
    };
    let now = MemoryGrowthFact::AnonymousMemory { anon_bytes: 200 << 20 };
    fixture::check_statements(
        &[grew.into(), now.into()],
        &expect![[r#"
        {"type":"memory_grew","from_bytes":104857600,"to_bytes":209715200,"over_ms":600000,"per_minute_bytes":10485760}
          its anonymous memory grew by 100.0 MiB in 10 min, from 100.0 MiB to 200.0 MiB: 10.0 MiB a minute
        {"type":"anonymous_memory","anon_bytes":209715200}
          200.0 MiB are anonymous (RssAnon and VmSwap) now
    "#]],
    );
}

#[test]
fn what_a_history_shows_ends_in_its_cause() {
    let draft = leak();
    let mut file = case_of(&draft);
    file.evidence = vec![fixture::frozen("status", "VmRSS:\t230000 kB\nRssAnon:\t220000 kB\nThreads:\t4\n")];
    let verdict = built_in(&file);
    assert!(verdict.probable_cause.contains("objects that are kept but never used again"), "{verdict:?}");
    assert!(verdict.probable_cause.contains("It will reach its limit soon"), "{verdict:?}");
    assert_eq!((verdict.confidence, verdict.evidence.len()), (Confidence::Medium, 4));
    let steady = file.facts.iter().filter_map(|fact| fact.data.as_trend());
    assert!(matches!(steady.collect::<Vec<_>>()[..], [TrendFact::SteadyGrowth { points: 20, .. }]));
    let later = look(&line(100.0, 200.0, 600.0), &[], 200, Some(1_000_000)).unwrap();
    assert!(!built_in(&case_of(&later)).probable_cause.contains("soon"));
}

/// A leak that meets its limit in ten minutes.
pub(super) fn leak() -> Draft {
    look(&line(100.0, 200.0, 600.0), &[], 200, Some(100)).unwrap()
}

/// [`leak`], of the fixture's process.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    (fixture::healthy().process, leak())
}
