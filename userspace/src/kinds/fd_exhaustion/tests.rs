//! What is close to its limit, what leaks, and what only has many connections.

use expect_test::expect;

use super::facts::{DescriptorCount, DescriptorKind};
use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture::{self, case_of, told};
use crate::kinds::shared::trend::whole;
use crate::model::{Confidence, ProcessInfo};

#[test]
fn close_to_the_limit_for_long_enough_is_a_finding() {
    for (open, limit, scans, want) in [
        (922, 1024, 2, Some(Severity::Warning)),
        (921, 1024, 2, None),
        (1000, 1024, 1, None),
        (1024, 1024, 2, Some(Severity::Critical)),
        (50_000, 1_048_576, 9, None),
        (u64::MAX, u64::MAX, 2, Some(Severity::Critical)),
    ] {
        let draft = near_limit(FdUse { open, limit, scans }, &DetectLimits::default());
        assert_eq!(draft.map(|it| it.severity), want, "{open} of {limit}, {scans} scans");
    }
}

fn points(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (0..24).map(|i| (f64::from(i) * 25.0, value(f64::from(i) / 23.0))).collect()
}

#[test]
fn a_leak_is_a_finding_long_before_the_limit() {
    for (name, from, to, limit, want) in [
        ("soon at its limit", 100.0, 400.0, Some(1024), Some(Severity::Critical)),
        ("a high limit", 100.0, 400.0, Some(65_536), Some(Severity::Warning)),
        ("no limit in sight", 100.0, 400.0, Some(1 << 30), Some(Severity::Info)),
        ("no limit", 100.0, 400.0, None, Some(Severity::Warning)),
        ("a few", 100.0, 149.0, Some(1024), None),
        ("few for a large server", 5000.0, 5600.0, Some(65_536), None),
    ] {
        let recent = points(|share| from + (to - from) * share);
        let past = Past { recent: &recent, long: &[], peak_before: &|_| None };
        let draft = leak(past, whole(to), limit, &DetectLimits::default());
        assert_eq!(draft.map(|it| it.severity), want, "{name}");
    }
    let recent = points(|share| 100.0 + 300.0 * share);
    let past = Past { recent: &recent, long: &[], peak_before: &|_| None };
    let draft = leak(past, 400, Some(1024), &DetectLimits::default()).unwrap();
    assert_eq!(
        told(&draft).summary,
        "python3 (pid 13674) opens file descriptors and does not close them: from 100 to 400 in 9 min; its limit of \
         1024 is reached in 19 min."
    );
}

#[test]
fn servers_whose_connections_come_and_go_do_not_leak() {
    for (name, recent, peak) in [
        ("stable", points(|_| 4000.0), None),
        ("rise and fall", points(|share| 500.0 + 400.0 * (share * 9.0).sin()), None),
        ("a peak", points(|share| if (0.4..0.6).contains(&share) { 900.0 } else { 100.0 }), None),
        ("up to what is usual", points(|share| 100.0 + 900.0 * (share * 3.0).min(1.0)), None),
        ("the rise of every morning", points(|share| 100.0 + 900.0 * share), Some(1100)),
    ] {
        let past = Past { recent: &recent, long: &[], peak_before: &|_| peak };
        assert_eq!(leak(past, 1000, Some(1024), &DetectLimits::default()), None, "{name}");
    }
}

/// Descriptors that grow from 100 to 400 of 1024, most of the newest sockets.
pub(super) fn leaks_sockets() -> Draft {
    let recent = points(|share| 100.0 + 300.0 * share);
    let past = Past { recent: &recent, long: &[], peak_before: &|_| None };
    let mut draft = leak(past, 400, Some(1024), &DetectLimits::default()).unwrap();
    let targets: Vec<_> =
        (0..300).map(|i| format!("socket:[{i}]")).chain((0..100).map(|i| format!("/x/{i}"))).collect();
    draft.facts.extend(descriptors::statement(&targets, 400));
    draft
}

/// [`leaks_sockets`], of the fixture's process.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    (fixture::healthy().process, leaks_sockets())
}

#[test]
fn statements_are_values_first() {
    let kind = |kind, name: Option<&str>, count| DescriptorCount { kind, name: name.map(Into::into), count };
    let newest = |kinds| DescriptorFact::NewestDescriptors { looked_at: 9, open: 900, kinds };
    let statements = [
        DescriptorFact::OpenDescriptors { open: 900 },
        DescriptorFact::DescriptorLimit { limit: 1024 },
        DescriptorFact::DescriptorsNearLimit { percent: 90, scans: 2 },
        newest(vec![
            kind(DescriptorKind::File, Some("/tmp/\x1b[2J\nx"), 4),
            kind(DescriptorKind::Socket, None, 1),
            kind(DescriptorKind::DeletedFile, None, 2),
            kind(DescriptorKind::Other, Some("anon_inode:[eventfd]"), 1),
        ]),
        newest(vec![
            kind(DescriptorKind::Epoll, None, 3),
            kind(DescriptorKind::Inotify, None, 2),
            kind(DescriptorKind::Device, Some("/dev/null"), 1),
        ]),
        newest(vec![kind(DescriptorKind::Pipe, None, 3), kind(DescriptorKind::Memfd, None, 2)]),
    ];
    fixture::check_statements(
        &statements.map(Into::into),
        &expect![[r#"
        {"type":"open_descriptors","open":900}
          900 file descriptors are open
        {"type":"descriptor_limit","limit":1024}
          the soft limit (RLIMIT_NOFILE) is 1024
        {"type":"descriptors_near_limit","percent":90,"scans":2}
          it was above 90 % for 2 scans in a row
        {"type":"newest_descriptors","looked_at":9,"open":900,"kinds":[{"kind":"file","name":"/tmp/\u001b[2J\nx","count":4},{"kind":"socket","name":null,"count":1},{"kind":"deleted_file","name":null,"count":2},{"kind":"other","name":"anon_inode:[eventfd]","count":1}]}
          the newest 9 are 4 files in /tmp/�[2J x, 1 socket, 2 deleted files and others
        {"type":"newest_descriptors","looked_at":9,"open":900,"kinds":[{"kind":"epoll","name":null,"count":3},{"kind":"inotify","name":null,"count":2},{"kind":"device","name":"/dev/null","count":1}]}
          the newest 9 are 3 epoll instances, 2 inotify instances, 1 /dev/null
        {"type":"newest_descriptors","looked_at":9,"open":900,"kinds":[{"kind":"pipe","name":null,"count":3},{"kind":"memfd","name":null,"count":2}]}
          the newest 9 are 3 pipes, 2 memfds
    "#]],
    );
}

#[test]
fn what_a_scan_shows_ends_in_its_cause() {
    let verdict = built_in(&case_of(&leaks_sockets()));
    assert!(
        verdict.probable_cause.contains("75 % of them are sockets: it opens them and does not close them")
    );
    assert_eq!(verdict.confidence, Confidence::High);
    let near = near_limit(FdUse { open: 1000, limit: 1024, scans: 2 }, &DetectLimits::default()).unwrap();
    assert_eq!(told(&near).summary, "python3 has 1000 of its 1024 file descriptors open.");
    let verdict = built_in(&case_of(&near));
    assert!(verdict.probable_cause.contains("no higher than the usual default"), "{verdict:?}");
    assert_eq!(verdict.confidence, Confidence::Low);
}
