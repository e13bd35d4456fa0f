//! How SQLite answers each question of the store. Every statement comes by here when a test first prepares it, so none
//! can be forgotten: one that reads a large table from end to end, or by an index of all that waits for a receiver
//! where it is about one incident, fails the test that asked it.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use rusqlite::Connection;

use super::schema::MIGRATIONS;

/// Tables of few rows whatever happens: one, or one a receiver; and lists that come with the question.
const SMALL: [&str; 5] = ["watch", "totals", "receivers", "json_each", "CONSTANT"];

/// Whole tables that may be read, by words of their statement, and why.
const ALLOWED: [(&str, &str); 1] = [
    // Once a start: what waits for receivers that are gone.
    ("is no longer configured", "SCAN alerts USING COVERING INDEX alerts_due"),
];

struct Seen {
    conn: Connection,
    statements: BTreeSet<String>,
}

/// SQLite plans without a look at the rows, as long as nobody runs ANALYZE, which the store does not: the plan on an
/// empty database is the plan with 10,000 incidents.
static SEEN: LazyLock<Mutex<Seen>> = LazyLock::new(|| {
    let mut conn = Connection::open_in_memory().unwrap();
    MIGRATIONS.to_latest(&mut conn).unwrap();
    Mutex::new(Seen { conn, statements: BTreeSet::new() })
});

/// Panics where the plan of a statement reads more than it is about.
pub(super) fn check(sql: &str) {
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.statements.contains(sql) {
        return;
    }
    // One that does not fit the schema fails where it is asked.
    let Some(plan) = plan(&seen.conn, sql) else { return };
    let wrong: Vec<_> = plan.iter().filter(|step| !is_fine(sql, step)).collect();
    assert!(wrong.is_empty(), "{sql}\nis answered by {wrong:?}\nof {plan:#?}");
    seen.statements.insert(sql.to_owned());
}

fn plan(conn: &Connection, sql: &str) -> Option<Vec<String>> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).ok()?;
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Ok(Some(row)) = rows.next() {
        plan.push(row.get::<_, String>("detail").ok()?);
    }
    Some(plan)
}

fn is_fine(sql: &str, step: &str) -> bool {
    if ALLOWED.iter().any(|(words, plan)| sql.contains(words) && step.contains(plan)) {
        return true;
    }
    // `alerts_due` is of one receiver, and of one tier: by the receiver alone it is all that waits there.
    let all_waiting = step.contains("INDEX alerts_due (sink=?)");
    let whole = step
        .strip_prefix("SCAN ")
        .is_some_and(|of| !of.starts_with('(') && !SMALL.iter().any(|small| of.starts_with(small)));
    !whole && !all_waiting && !step.contains("AUTOMATIC")
}

#[test]
fn a_plan_that_reads_too_much_is_found() {
    let wrong = |sql: &str| {
        let plan = plan(&SEEN.lock().unwrap_or_else(PoisonError::into_inner).conn, sql).unwrap();
        plan.iter().any(|step| !is_fine(sql, step))
    };
    for sql in [
        "SELECT * FROM incidents WHERE title = 'x'",
        "SELECT count(*) FROM incidents",
        "SELECT i.id FROM incidents i JOIN alerts a ON a.incident = i.id",
        "SELECT 1 FROM alerts INDEXED BY alerts_due WHERE sink = 'a' AND incident = 'b' AND status = 'pending'",
        "DELETE FROM occurrences WHERE pid + 0 = 7",
    ] {
        assert!(wrong(sql), "{sql}");
    }
    for sql in [
        "SELECT * FROM incidents WHERE id = 'x'",
        "SELECT max(id) FROM incidents",
        "SELECT events_ms FROM watch",
        "SELECT 1 FROM alerts WHERE sink = 'a' AND incident = 'b' AND status = 'pending'",
    ] {
        assert!(!wrong(sql), "{sql}");
    }
}
