//! Storms, and what must not be taken for one.

use super::super::ended::tests::process;
use super::*;

fn room(limit: u64, used: u64) -> TaskRoom {
    TaskRoom { what: "pids.max of /app".into(), source: "cgroup:pids", limit, used }
}

/// Members at scans ten seconds apart.
fn at_scans(members: &[u64]) -> Vec<(f64, u64)> {
    members.iter().enumerate().map(|(i, members)| (100.0 + i as f64 * 10.0, *members)).collect()
}

fn family<'a>(scans: &'a [(f64, u64)], room: Option<&'a TaskRoom>) -> Family<'a> {
    Family {
        scans,
        window: &[],
        tasks: scans.last().map_or(0, |(_, members)| *members),
        room,
        refused: 0,
        refused_scans: 0,
        common: ("sleep", 3),
        orphans_of: None,
        children: None,
    }
}

fn judge(family: &Family<'_>) -> Option<Severity> {
    detect(&process(), family, &DetectLimits::default()).map(|draft| draft.severity)
}

#[test]
fn families_that_fill_their_room_are_storms() {
    for (name, members, limit, want) in [
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
        let (scans, room) = (at_scans(members), room(limit, members[members.len() - 1] + 5));
        assert_eq!(judge(&family(&scans, Some(&room))), want, "{name}");
        assert_eq!(judge(&family(&scans, None)), None, "{name}: no limit is known");
    }
}

#[test]
fn refused_forks_are_a_storm_when_the_family_has_most_of_the_tasks() {
    let scans = at_scans(&[95, 96, 96, 95]);
    for (used, refused_scans, want) in
        [(100, 2, Some(Severity::Critical)), (100, 1, None), (100, 0, None), (191, 3, None)]
    {
        let room = room(used, used);
        let family = Family { refused: 12, refused_scans, ..family(&scans, Some(&room)) };
        assert_eq!(judge(&family), want, "{used} {refused_scans}");
    }
}

#[test]
fn processes_that_do_not_end_are_a_storm_before_the_limit() {
    let grow = |from: f64, to: f64| -> Vec<(f64, f64)> {
        (0..24).map(|i| (f64::from(i) * 13.0, from + (to - from) * f64::from(i) / 23.0)).collect()
    };
    for (from, to, now, limit, want) in [
        (400.0, 700.0, 700, 32_768, Some(Severity::Warning)),
        (400.0, 490.0, 490, 32_768, None),
        (100.0, 400.0, 400, 32_768, None),
        (700.0, 700.0, 700, 32_768, None),
        (400.0, 700.0, 700, 1 << 40, None),
    ] {
        let (window, scans, room) = (grow(from, to), at_scans(&[now - 2, now]), room(limit, now + 100));
        let family = Family { window: &window, ..family(&scans, Some(&room)) };
        assert_eq!(judge(&family), want, "{from} to {to} of {limit}");
    }
}

#[test]
fn children_without_end_are_a_storm_though_none_stays() {
    let scans = at_scans(&[3, 2, 4, 3]);
    let room = room(32_768, 200);
    for (name, count, seconds, per_second, want) in [
        ("an absurd rate", 200_000, 40.0, 5000.0, Some(Severity::Warning)),
        ("a test suite", 60_000, 60.0, 1000.0, None),
        ("a long pipeline that is over", 250_000, 250.0, 3.0, None),
        ("a shell loop", 199_999, 300.0, 667.0, None),
    ] {
        let children = Some(Children { count, seconds, per_second });
        assert_eq!(judge(&Family { children, ..family(&scans, Some(&room)) }), want, "{name}");
    }
}

#[test]
fn it_says_who_how_many_and_under_which_limit() {
    let (scans, room) = (at_scans(&[10, 90, 95, 95]), room(100, 100));
    let family = Family {
        refused: 40,
        refused_scans: 3,
        common: ("ba\x1bsh", 94),
        orphans_of: Some(77),
        children: Some(Children { count: 9, seconds: 30.0, per_second: 0.4 }),
        ..family(&scans, Some(&room))
    };
    let draft = detect(&process(), &family, &DetectLimits::default()).unwrap();
    assert_eq!(
        draft.summary,
        "worker (pid 42) and what it started fill pids.max of /app (100 of 100 tasks): the kernel refuses every further \
         fork."
    );
    let facts: Vec<_> = draft.facts.iter().map(|it| it.text()).collect();
    assert_eq!(
        facts,
        [
            "it and what it started are 95 live processes with 95 threads, 94 of them ba\u{fffd}sh",
            "30.0 s before there were 10, now 95",
            "pids.max of /app is 100, and 100 tasks count against it",
            "the kernel refused 40 forks by pids.max of /app since the scan before",
            "it itself forked 9 times in 30.0 s, 0 times a second lately",
            "they are process group 77, whose leader has ended; the process named is its oldest",
        ]
    );
}
