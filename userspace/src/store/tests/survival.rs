//! What the store lives through: the daemon's death, a damaged file, a newer file, a full house.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::super::Watched;
use super::super::retention::Limits;
use super::*;
use crate::config::LifeRules;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::model::{EvidenceFile, Occasion};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_was_recorded_outlives_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let id = first.record(case("a"), verdict("1"), slack_now()).await.unwrap().id;
    let before = get(&first, &id).await;
    // Not closed: the next daemon finds the files as a killed one leaves them, the log not yet merged in.
    std::mem::forget(first);

    let again = open(dir.path());
    assert_eq!(again.recovered_from(), None);
    assert_eq!(get(&again, &id).await, before);
    assert!(again.evidence(&id, "status").await.unwrap().is_some());
    let due = again.due_alerts("slack", jiff::Timestamp::now(), 10).await.unwrap();
    assert_eq!(due.iter().map(|it| it.incident.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    let repeat = again.record(case_by("a", 5, 5), verdict("2"), slack_now()).await.unwrap();
    assert_eq!((repeat.new, repeat.count, repeat.id), (false, 2, id.clone()));
    assert!(again.record(case("b"), verdict("1"), slack_now()).await.unwrap().id > id);
}

#[tokio::test]
async fn a_pid_of_another_boot_is_another_process() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).record(case("a"), verdict("1"), slack_now()).await.unwrap();
    let rebooted = crate::host::Host { boot_id: "boot-2".into(), ..host() };
    let store = Store::open(dir.path(), rebooted, Metrics::new(), Health::default()).unwrap();
    assert_eq!(store.record(case("a"), verdict("1"), slack_now()).await.unwrap().count, 2);
}

#[tokio::test]
async fn only_the_owner_can_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("lib/ai-debugger");
    let store = open(&data);
    store.record(case("a"), verdict("1"), slack_now()).await.unwrap();
    assert_eq!(mode(&data), 0o700);
    for file in ["incidents.db", "incidents.db-wal", "incidents.db-shm"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    // A folder that was there keeps its mode; a file that was too open does not.
    drop(store);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(data.join("incidents.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let _store = open(&data);
    assert_eq!((mode(&data), mode(&data.join("incidents.db"))), (0o755, 0o600));
}

#[tokio::test]
async fn a_damaged_database_is_moved_aside() {
    let whole = tempfile::tempdir().unwrap();
    open(whole.path()).record(case("a"), verdict("1"), slack_now()).await.unwrap();
    let whole = fs::read(whole.path().join("incidents.db")).unwrap();
    let mut scribbled = whole.clone();
    scribbled[4096..8192].fill(0xa5);
    for (what, bytes) in [
        ("no database at all", b"this is not a database, and longer than its header would be".repeat(9)),
        ("a page scribbled over", scribbled),
        ("cut off", whole[..whole.len() / 2].to_vec()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("incidents.db"), &bytes).unwrap();
        let store = open(dir.path());
        let note = store.recovered_from().unwrap_or_else(|| panic!("{what}: not noticed"));
        let aside = fs::read_dir(dir.path())
            .unwrap()
            .map(|it| it.unwrap().path())
            .find(|it| it.to_str().unwrap().contains("incidents.db.corrupt-"))
            .unwrap();
        assert!(note.contains(aside.to_str().unwrap()), "{what}: {note}");
        assert_eq!(fs::read(&aside).unwrap(), bytes, "{what}");
        assert!(store.record(case("a"), verdict("1"), slack_now()).await.unwrap().new, "{what}");
        drop(store);
        assert_eq!(open(dir.path()).recovered_from(), None, "{what}");
    }
}

#[test]
fn damaged_copies_do_not_pile_up() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..5 {
        fs::write(dir.path().join(format!("incidents.db.corrupt-20200101T00000{n}.000Z")), "old").unwrap();
    }
    fs::write(dir.path().join("incidents.db"), "damaged ".repeat(100)).unwrap();
    let _store = open(dir.path());
    let mut kept: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("corrupt"))
        .collect();
    kept.sort();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[0].ends_with("3.000Z") && kept[1].ends_with("4.000Z"), "{kept:?}");
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join("incidents.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let err =
        Store::open(dir.path(), host(), Metrics::new(), Health::default()).err().expect("it must be refused");
    let err = format!("{err:#}");
    assert!(err.contains("newer version of ai-debugger") && err.contains("version 99"), "{err}");
    let names = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_str().unwrap().contains("corrupt")));
}

/// As the first version wrote them: an open incident whose alert was sent, a resolved one, one that waits.
const OF_THE_FIRST_VERSION: &str = r#"
INSERT INTO incidents SELECT column1, 'crash', 'critical', column2, column1, 'web-1', 'boot-1', 1799999000000,
    1800000000000, 3, 0, 'Crash: app', '{"pid":7,"start_ticks":9,"ppid":1,"name":"app","exe":null,"argv":[],
    "uid":0,"cgroup":"/app","container_id":null}', '[]', '[]', '{"events_lost":0,"evidence_delay_ms":null}',
    '{"by":"rules","summary":"s","probable_cause":"c","confidence":"low","evidence":[],"hypotheses":[],
    "next_steps":[]}'
    FROM (VALUES ('01A', 'open'), ('01B', 'resolved'), ('01C', 'open'));
INSERT INTO occurrences (incident, at_ms, boot_id, pid, start_ticks) VALUES ('01A', 1800000000000, 'boot-1', 7, 9);
INSERT INTO alerts (incident, sink, status, created_ms, due_ms, at_ms, attempts) VALUES
    ('01A', 'slack', 'sent', 1799999000000, 1799999000000, 1799999000000, 1),
    ('01C', 'slack', 'pending', 1800000000000, 1800000000000, NULL, 0);
"#;

#[tokio::test]
async fn what_the_first_version_wrote_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut old = Connection::open(dir.path().join("incidents.db")).unwrap();
    super::super::schema::first_version().to_latest(&mut old).unwrap();
    old.execute_batch(OF_THE_FIRST_VERSION).unwrap();
    drop(old);

    let store = open(dir.path());
    assert_eq!(
        (store.recovered_from(), left(&store).await),
        (None, vec!["01A".into(), "01B".into(), "01C".into()])
    );
    let it = get(&store, "01A").await;
    assert_eq!((it.count, it.alerts[0].status, it.alerts[0].occasion), (3, AlertStatus::Sent, Occasion::New));
    assert_eq!((it.resolved_at, it.acknowledged_at, it.related.len()), (None, None, 0));
    let due = store.due_alerts("slack", at(0), 9).await.unwrap();
    assert_eq!((due.len(), due[0].incident.id.as_str(), due[0].told_before), (1, "01C", None));
    // The one that was told of before its last occurrence reminds, and ends like any other.
    let watched = |seconds| {
        let span = std::time::Duration::from_secs(seconds);
        Watched { walks: 1, walked: span, events: span }
    };
    let advanced = store.advance(watched(1), vec!["slack"], at(1)).await.unwrap();
    assert_eq!((advanced.alerts, advanced.resolved.len()), (1, 0));
    let advanced = store.advance(watched(1800), vec!["slack"], at(1800)).await.unwrap();
    assert_eq!(advanced.resolved, ["01A", "01C"]);
    // When a resolved one of then was resolved, nobody knows: it does not come back.
    let mut case = case_by("01B", 7, 1801);
    case.kind = IncidentKind::Crash;
    assert!(store.record(case, verdict("1"), slack_now()).await.unwrap().new);
}

#[test]
fn a_data_folder_that_cannot_be_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    fs::write(&file, "").unwrap();
    let err = Store::open(&file.join("data"), host(), Metrics::new(), Health::default())
        .err()
        .expect("it must fail");
    assert!(err.to_string().starts_with("cannot create the data folder"), "{err:#}");
}

async fn left(store: &Store) -> Vec<String> {
    let page = store.list(Filter::default()).await.unwrap();
    page.incidents.into_iter().rev().map(|it| it.fingerprint).collect()
}

#[tokio::test]
async fn at_the_limit_the_oldest_resolved_go_first_then_the_oldest() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let limits = Limits { incidents: 3, ..Limits::default() };
    let store = Store::open_with(
        dir.path(),
        host(),
        std::sync::Arc::clone(&metrics),
        Health::default(),
        limits,
        LifeRules::default(),
    )
    .unwrap();
    let record = |name: &'static str, plan: AlertPlan| store.record(case(name), verdict("1"), plan);
    record("a", AlertPlan::default()).await.unwrap();
    let b = record("b", AlertPlan::default()).await.unwrap().id;
    record("c", slack_now()).await.unwrap();
    set_status(&store, &b, IncidentStatus::Resolved).await;
    record("d", AlertPlan::default()).await.unwrap();
    assert_eq!(left(&store).await, ["a", "c", "d"]);
    record("e", slack_now()).await.unwrap();
    assert_eq!(left(&store).await, ["c", "d", "e"]);
    // `c` is older than `d`, but somebody has still to be told of it.
    record("f", slack_now()).await.unwrap();
    assert_eq!(left(&store).await, ["c", "e", "f"]);
    assert!(!metrics.render().contains(r#"limit="alerts""#));
    record("g", slack_now()).await.unwrap();
    assert_eq!(left(&store).await, ["e", "f", "g"]);
    let text = metrics.render();
    assert!(text.contains(r#"turned_away_total{limit="incidents"} 4"#), "{text}");
    assert!(text.contains(r#"turned_away_total{limit="alerts"} 1"#), "{text}");
    assert_eq!(store.get(&b).await.unwrap(), None);
    assert_eq!(store.evidence(&b, "status").await.unwrap(), None);
}

#[tokio::test]
async fn evidence_is_bounded_in_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { evidence_bytes: 2500, ..Limits::default() };
    let store =
        Store::open_with(dir.path(), host(), Metrics::new(), Health::default(), limits, LifeRules::default())
            .unwrap();
    let sized = |name: &str, bytes: usize| {
        let mut it = case(name);
        it.file.evidence[0].body = vec![0; bytes];
        // Two of one name: the second counts, alone.
        let first = EvidenceFile { body: vec![0; 9000], ..it.file.evidence[0].clone() };
        it.file.evidence.insert(0, first);
        it
    };
    for name in ["a", "b", "c"] {
        store.record(sized(name, 1000), verdict("1"), AlertPlan::default()).await.unwrap();
    }
    assert_eq!(left(&store).await, ["b", "c"]);
    // One that is over the limit alone is kept: it is why somebody will look.
    store.record(sized("d", 9000), verdict("1"), AlertPlan::default()).await.unwrap();
    assert_eq!(left(&store).await, ["d"]);
}

#[tokio::test]
async fn occurrences_are_bounded_and_the_count_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for pid in 1..=105 {
        store.record(case_by("a", pid, i64::from(pid)), verdict("1"), AlertPlan::default()).await.unwrap();
    }
    let conn = Connection::open(dir.path().join("incidents.db")).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let sql = "SELECT count(*), min(pid) FROM occurrences";
    let found: (i64, i64) = conn.query_row(sql, [], read).unwrap();
    assert_eq!(found, (100, 6));
    let page = store.list(Filter::default()).await.unwrap();
    assert_eq!((page.incidents.len(), page.incidents[0].count), (1, 105));
}
