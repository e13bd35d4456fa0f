//! What a step costs with 10,000 incidents: what is due, and nothing of what is stored or waits.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::super::Watched;
use super::*;

const MANY: u32 = 10_000;

/// A store with so many open incidents, each seen again since it was told, and with an alert that waits at a receiver
/// that does not take it.
async fn full(dir: &std::path::Path) -> Store {
    let store = open(dir);
    let plan = AlertPlan { sinks: vec!["slack", "webhook"], ..AlertPlan::default() };
    let id = store.record(case("first"), verdict("1"), plan).await.unwrap().id;
    drop(store);
    let conn = Connection::open(dir.join("incidents.db")).unwrap();
    let columns: Vec<String> = conn
        .prepare("SELECT name FROM pragma_table_info('incidents') WHERE name NOT IN ('id', 'fingerprint')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let columns = columns.join(", ");
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO incidents (id, fingerprint, {columns})
         SELECT printf('00%024d', i), 'f' || i, {columns} FROM n, incidents WHERE id = ?2"
    );
    conn.execute(&sql, (MANY - 1, &id)).unwrap();
    let put = |sink: &str, status: &str| {
        let sql = "INSERT INTO alerts (incident, sink, status, occasion, created_ms, due_ms, at_ms)
                   SELECT id, ?1, ?2, 'new', 1, 1, 1 FROM incidents WHERE id LIKE '00%'";
        conn.execute(sql, (sink, status)).unwrap();
    };
    put("slack", "sent");
    put("webhook", "pending");
    drop(conn);
    open(dir)
}

#[tokio::test]
async fn a_step_costs_what_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let store = full(dir.path()).await;
    let watched = Watched { walks: 1, walked: Duration::from_secs(1), events: Duration::from_secs(1) };
    // What is marked to be looked at is looked at once.
    store.advance(watched, vec!["slack", "webhook"], at(0)).await.unwrap();
    let steps = 50;
    let began = Instant::now();
    for step in 0..steps {
        store.advance(watched, vec!["slack", "webhook"], at(1 + step)).await.unwrap();
        assert_eq!(store.begin("webhook", at(1 + step), 2).await.unwrap().len(), 2);
        assert!(store.next_due("webhook").await.unwrap().is_some());
    }
    // It took 1.1 s a step, by looking through all that waits for each that is stored; unoptimised this is milliseconds,
    // of which most is the disk.
    let each = began.elapsed() / u32::try_from(steps).unwrap();
    assert!(each < Duration::from_millis(200), "{each:?}");
}
