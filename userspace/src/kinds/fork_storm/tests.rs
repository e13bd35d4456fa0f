//! Storms, and what must not be taken for one.

use expect_test::expect;

use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture::{self, case_of, told};
use crate::kinds::shared::limits::facts::TaskLimitKind;
use crate::model::{Confidence, ProcessInfo};

pub(super) fn limit(allowed: u64, used: u64) -> TaskCeiling {
    TaskCeiling { which: TaskLimitKind::Cgroup, cgroup: Some("/app".into()), uid: None, allowed, used }
}

/// Members at scans ten seconds apart.
pub(super) fn at_scans(members: &[u64]) -> Vec<(f64, u64)> {
    members.iter().enumerate().map(|(i, members)| (100.0 + i as f64 * 10.0, *members)).collect()
}

pub(super) fn family<'a>(scans: &'a [(f64, u64)], limit: Option<&'a TaskCeiling>) -> Family<'a> {
    Family {
        scans,
        window: &[],
        tasks: scans.last().map_or(0, |(_, members)| *members),
        limit,
        refused: 0,
        refused_scans: 0,
        common: ("sleep", 3),
        orphans_of: None,
        children: None,
    }
}

fn judge(family: &Family<'_>) -> Option<Severity> {
    detect(family, &DetectLimits::default()).map(|draft| draft.severity)
}

#[test]
fn families_that_fill_their_room_are_storms() {
    for (name, members, allowed, want) in [
        ("a runaway parent in a container", &[100, 200, 300, 400][..], 512, Some(Severity::Critical)),
        ("a bomb on a host", &[10, 600, 4000, 20_000], 32_768, Some(Severity::Critical)),
        ("with much room left, but fast", &[100, 400, 700, 1000], 16_000, Some(Severity::Critical)),
        ("a pool that warms up", &[10, 40, 70, 100], 32_768, None),
        ("a pool that has warmed up", &[10, 400, 400, 400], 512, None),
        ("xargs -P 1000", &[0, 500, 1000, 1000], 32_768, None),
        ("a build that breathes", &[20, 90, 30, 95], 128, None),
        ("half the limit for a moment", &[20, 64, 64, 20], 128, None),
        ("hardly seen", &[100, 400], 512, None),
        ("almost full, and growing", &[100, 101, 102, 103], 128, Some(Severity::Critical)),
        ("growing, far from the limit", &[1000, 1200, 1400, 1600], 1 << 22, None),
    ] {
        let (scans, limit) = (at_scans(members), limit(allowed, members[members.len() - 1] + 5));
        assert_eq!(judge(&family(&scans, Some(&limit))), want, "{name}");
        assert_eq!(judge(&family(&scans, None)), None, "{name}: no limit is known");
    }
}

#[test]
fn refused_forks_are_a_storm_when_the_family_has_most_of_the_tasks() {
    let scans = at_scans(&[95, 96, 96, 95]);
    for (used, refused_scans, want) in
        [(100, 2, Some(Severity::Critical)), (100, 1, None), (100, 0, None), (191, 3, None)]
    {
        let limit = limit(used, used);
        let family = Family { refused: 12, refused_scans, ..family(&scans, Some(&limit)) };
        assert_eq!(judge(&family), want, "{used} {refused_scans}");
    }
}

#[test]
fn processes_that_do_not_end_are_a_storm_before_the_limit() {
    let grow = |from: f64, to: f64| -> Vec<(f64, f64)> {
        (0..24).map(|i| (f64::from(i) * 13.0, from + (to - from) * f64::from(i) / 23.0)).collect()
    };
    for (from, to, now, allowed, want) in [
        (400.0, 700.0, 700, 32_768, Some(Severity::Warning)),
        (400.0, 490.0, 490, 32_768, None),
        (100.0, 400.0, 400, 32_768, None),
        (700.0, 700.0, 700, 32_768, None),
        (400.0, 700.0, 700, 1 << 40, None),
    ] {
        let (window, scans) = (grow(from, to), at_scans(&[now - 2, now]));
        let limit = limit(allowed, now + 100);
        let family = Family { window: &window, ..family(&scans, Some(&limit)) };
        assert_eq!(judge(&family), want, "{from} to {to} of {allowed}");
    }
}

#[test]
fn children_without_end_are_a_storm_though_none_stays() {
    let scans = at_scans(&[3, 2, 4, 3]);
    let limit = limit(32_768, 200);
    for (name, count, seconds, per_second, want) in [
        ("an absurd rate", 200_000, 40.0, 5000.0, Some(Severity::Warning)),
        ("a test suite", 60_000, 60.0, 1000.0, None),
        ("a long pipeline that is over", 250_000, 250.0, 3.0, None),
        ("a shell loop", 199_999, 300.0, 667.0, None),
    ] {
        let children = Some(Children { count, seconds, per_second });
        assert_eq!(judge(&Family { children, ..family(&scans, Some(&limit)) }), want, "{name}");
    }
}

/// A bomb whose first shell has ended, in a cgroup that it fills.
pub(super) fn bomb() -> Draft {
    let (scans, limit) = (at_scans(&[10, 90, 95, 95]), limit(100, 100));
    let family = Family {
        refused: 40,
        refused_scans: 3,
        common: ("ba\x1bsh", 94),
        orphans_of: Some(77),
        children: Some(Children { count: 9, seconds: 30.0, per_second: 0.4 }),
        ..family(&scans, Some(&limit))
    };
    detect(&family, &DetectLimits::default()).unwrap()
}

/// [`bomb`], of the fixture's process.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    (fixture::healthy().process, bomb())
}

#[test]
fn it_says_who_how_many_and_under_which_limit() {
    let told = told(&bomb());
    assert_eq!(
        told.summary,
        "python3 (pid 13674) and its descendants fill pids.max of /app (100 of 100 tasks): the kernel refuses every \
         further fork."
    );
    assert_eq!(
        told.facts,
        [
            "it and its descendants are 95 live processes with 95 threads, 94 of them ba\u{fffd}sh",
            "30.0 s before there were 10, now 95",
            "pids.max of /app is 100, and 100 tasks count against it",
            "the kernel refused 40 forks by pids.max of /app since the previous scan, for 3 scans in a row",
            "it itself forked 9 times in 30.0 s, 0 times a second recently",
            "they are process group 77, whose leader has ended; the process named is its oldest",
        ]
    );
}

/// One parent under a limit that it reaches in half a minute.
pub(super) fn runaway() -> Draft {
    let (scans, limit) = (at_scans(&[100, 200, 300, 400]), limit(700, 405));
    detect(&family(&scans, Some(&limit)), &DetectLimits::default()).unwrap()
}

/// Processes that grow from 400 to 700 in five minutes, far from the limit.
fn creeps() -> Draft {
    let window: Vec<_> =
        (0..24).map(|i| (f64::from(i) * 13.0, 400.0 + 300.0 * f64::from(i) / 23.0)).collect();
    let (scans, limit) = (at_scans(&[698, 700]), limit(32_768, 800));
    let family = Family { window: &window, ..family(&scans, Some(&limit)) };
    detect(&family, &DetectLimits::default()).unwrap()
}

/// A parent whose children are many and do not stay.
fn churns() -> Draft {
    let children = Some(Children { count: 200_000, seconds: 40.0, per_second: 5000.0 });
    detect(&Family { children, ..family(&[], None) }, &DetectLimits::default()).unwrap()
}

#[test]
fn each_sign_has_a_sentence() {
    for (draft, want) in [
        (
            runaway(),
            "python3 (pid 13674) and its descendants are 400 processes and grow on every scan: pids.max of /app (700) \
             is full in 29.5 s.",
        ),
        (
            creeps(),
            "python3 (pid 13674) starts processes that do not end: from 400 to 700 in 4 min; their limit is reached in \
             8 h.",
        ),
        (churns(), "python3 (pid 13674) started 200000 processes in 40.0 s, and continues to."),
    ] {
        assert_eq!(told(&draft).summary, want);
    }
}

#[test]
fn statements_are_values_first() {
    let statements = [
        ForkFact::ProcessFamily {
            sign: StormSign::LimitNear,
            processes: 95,
            threads: 96,
            common: "ba\x1b[2J\nsh".into(),
            common_processes: 94,
        },
        ForkFact::FamilyBefore { before: 10, now: 95, over_ms: 30_000 },
        ForkFact::GrewEachScan { scans: 3, at_least: 100, limit_reached_in_ms: 29_500 },
        ForkFact::ForksRefused { forks: 40, scans: 3, limit: limit(100, 100) },
        ForkFact::Forked { forks: 200_000, over_ms: 40_000, per_second: 5000 },
        ForkFact::OrphanedGroup { group: 77 },
    ];
    fixture::check_statements(
        &statements.map(Into::into),
        &expect![[r#"
            {"type":"process_family","sign":"limit_near","processes":95,"threads":96,"common":"ba\u001b[2J\nsh","common_processes":94}
              it and its descendants are 95 live processes with 96 threads, 94 of them ba�[2J sh
            {"type":"family_before","before":10,"now":95,"over_ms":30000}
              30.0 s before there were 10, now 95
            {"type":"grew_each_scan","scans":3,"at_least":100,"limit_reached_in_ms":29500}
              their number grew by at least 100 in each of the last 3 scans: at this rate the limit is reached in 29.5 s
            {"type":"forks_refused","forks":40,"scans":3,"limit":{"which":"cgroup","cgroup":"/app","uid":null,"allowed":100,"used":100}}
              the kernel refused 40 forks by pids.max of /app since the previous scan, for 3 scans in a row
            {"type":"forked","forks":200000,"over_ms":40000,"per_second":5000}
              it itself forked 200000 times in 40.0 s, 5000 times a second recently
            {"type":"orphaned_group","group":77}
              they are process group 77, whose leader has ended; the process named is its oldest
        "#]],
    );
}

#[test]
fn what_scans_show_ends_in_its_cause() {
    let mut bomb = case_of(&bomb());
    bomb.process.name = "bash".into();
    let verdict = built_in(&bomb);
    assert!(verdict.probable_cause.contains("like a fork bomb"), "{verdict:?}");
    assert_eq!(verdict.confidence, Confidence::High);
    for draft in [runaway(), creeps(), churns()] {
        let verdict = built_in(&case_of(&draft));
        assert!(verdict.probable_cause.contains("without waiting for them to end"), "{verdict:?}");
        assert!(!verdict.probable_cause.contains("The limit is reached"), "{verdict:?}");
    }
}

#[test]
fn a_storm_in_full() {
    let process = ProcessInfo { name: "ba\x1b[31msh".into(), ..fixture::healthy().process };
    expect![[r#"
        Critical ba�[31msh (pid 13674) and its descendants fill pids.max of /app (100 of 100 tasks): the kernel refuses every further fork.
        - it and its descendants are 95 live processes with 95 threads, 94 of them ba�sh (proc:stat)
          {"common":"ba\u001bsh","common_processes":94,"processes":95,"sign":"limit_reached","threads":95,"type":"process_family"}
        - 30.0 s before there were 10, now 95 (scan:history)
          {"before":10,"now":95,"over_ms":30000,"type":"family_before"}
        - pids.max of /app is 100, and 100 tasks count against it (cgroup:pids)
          {"limit":{"allowed":100,"cgroup":"/app","uid":null,"used":100,"which":"cgroup"},"type":"task_limit"}
        - the kernel refused 40 forks by pids.max of /app since the previous scan, for 3 scans in a row (cgroup:pids.events)
          {"forks":40,"limit":{"allowed":100,"cgroup":"/app","uid":null,"used":100,"which":"cgroup"},"scans":3,"type":"forks_refused"}
        - it itself forked 9 times in 30.0 s, 0 times a second recently (kernel:sched_process_fork)
          {"forks":9,"over_ms":30000,"per_second":0,"type":"forked"}
        - they are process group 77, whose leader has ended; the process named is its oldest (proc:stat)
          {"group":77,"type":"orphaned_group"}
    "#]].assert_eq(&fixture::golden(&process, &bomb()));
}
