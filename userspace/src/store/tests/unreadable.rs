//! One row that can't be read, and all others as if it were not there.

use jiff::Timestamp;
use rusqlite::Connection;

use super::super::Unreadable;
use super::*;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::store::sample::open_reporting;

/// What a newer version, or damage, may leave in a row.
const DAMAGES: [(&str, &str); 6] = [
    ("UPDATE incidents SET kind = 'power_cut' WHERE id = ?1", "column kind"),
    ("UPDATE incidents SET severity = 'fatal' WHERE id = ?1", "column severity"),
    ("UPDATE incidents SET verdict = '{' WHERE id = ?1", "column verdict"),
    ("UPDATE incidents SET process = x'ff' || 'x' WHERE id = ?1", "column process"),
    ("UPDATE incidents SET first_seen_ms = 9000000000000000000 WHERE id = ?1", "column first_seen_ms"),
    ("UPDATE incidents SET count = -1 WHERE id = ?1", "column count"),
];

#[tokio::test]
async fn it_stops_neither_the_list_nor_the_alerts_nor_the_recorder() {
    for (damage, column) in DAMAGES {
        let dir = tempfile::tempdir().unwrap();
        let (metrics, health) = (Metrics::new(), Health::default());
        let store = open_reporting(dir.path(), &metrics, &health);
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(store.record(case(name), verdict(name), slack_now()).await.unwrap().id);
        }
        let raw = Connection::open(dir.path().join("incidents.db")).unwrap();
        raw.execute(damage, [&ids[0]]).unwrap();

        let due = store.due_alerts("slack", Timestamp::now(), 9).await.unwrap();
        assert_eq!(due[0].incident.fingerprint, "b", "{damage}");
        let sql = "SELECT status || ': ' || error FROM alerts WHERE incident = ?1";
        let given_up: String = raw.query_row(sql, [&ids[0]], |row| row.get(0)).unwrap();
        assert!(given_up.starts_with("failed: ") && given_up.contains(column), "{given_up}");
        assert!(metrics.render().contains(r#"turned_away_total{limit="unreadable_alerts"} 1"#));
        let shown = health.degraded().remove(0);
        assert!(shown.component == "store" && shown.reason.contains(&ids[0]), "{shown:?}");

        health.recover("store");
        let page = store.list(Filter::default()).await.unwrap();
        let names: Vec<_> = page.incidents.iter().map(|it| it.fingerprint.as_str()).collect();
        assert_eq!((names, page.unreadable, page.next_cursor), (vec!["c", "b"], 1, None), "{damage}");
        assert!(health.degraded()[0].reason.contains(column), "{damage}");
        let error = store.get(&ids[0]).await.unwrap_err();
        assert_eq!(error.downcast_ref::<Unreadable>().map(|it| &it.id), Some(&ids[0]), "{error:#}");
        assert!(store.act(&ids[0], IncidentAction::Resolve, vec![], at(1)).await.is_err());
        // The same fault again must not wait for ever on a row that does not mend.
        store.record(case_by("a", 7, 60), verdict("a"), slack_now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_page_of_them_is_not_the_last_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c", "d"] {
        store.record(case(name), verdict(name), slack_now()).await.unwrap();
    }
    let raw = Connection::open(dir.path().join("incidents.db")).unwrap();
    raw.execute("UPDATE incidents SET facts = 'F1' WHERE fingerprint IN ('c', 'd')", []).unwrap();
    let page = async |cursor| {
        let page = store.list(Filter { limit: 2, cursor, ..Filter::default() }).await.unwrap();
        let names = page.incidents.into_iter().map(|it| it.fingerprint).collect::<Vec<_>>().join("");
        (names, page.unreadable, page.next_cursor)
    };
    let (names, unreadable, cursor) = page(None).await;
    assert_eq!((names.as_str(), unreadable), ("", 2));
    assert_eq!(page(Some(cursor.unwrap())).await, ("ba".to_owned(), 0, None));
}

#[tokio::test]
async fn a_due_time_that_is_none_holds_nobody() {
    for (ms, want) in [(i64::MAX, Some(Timestamp::MAX)), (i64::MIN, Some(Timestamp::MIN))] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.record(case("a"), verdict("a"), slack_now()).await.unwrap();
        let raw = Connection::open(dir.path().join("incidents.db")).unwrap();
        raw.execute("UPDATE alerts SET due_ms = ?1", [ms]).unwrap();
        assert_eq!(store.next_due("slack").await.unwrap(), want);
        assert_eq!(store.due_alerts("slack", Timestamp::now(), 1).await.unwrap().is_empty(), ms > 0);
    }
}
