//! The database's schema, as migrations. One that has shipped is never edited: append another.

use std::sync::LazyLock;

use rusqlite_migration::{M, Migrations};

/// Every migration, oldest first; SQLite's `user_version` says how many a database has had.
pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(vec![M::up(V1)]));

/// Times are milliseconds since the Unix epoch, as the contract shows no more than that. What is only ever
/// read whole is JSON. Blobs stand last in their row, so that nothing else has to be read through them.
const V1: &str = "
CREATE TABLE incidents (
    id             TEXT    NOT NULL PRIMARY KEY,
    kind           TEXT    NOT NULL,
    severity       TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    fingerprint    TEXT    NOT NULL,
    host           TEXT    NOT NULL,
    boot_id        TEXT    NOT NULL,
    first_seen_ms  INTEGER NOT NULL,
    last_seen_ms   INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    evidence_bytes INTEGER NOT NULL,
    title          TEXT    NOT NULL,
    process        TEXT    NOT NULL,
    findings       TEXT    NOT NULL,
    facts          TEXT    NOT NULL,
    completeness   TEXT    NOT NULL,
    verdict        TEXT    NOT NULL
) STRICT;
CREATE INDEX incidents_by_fingerprint ON incidents (fingerprint, id) WHERE status <> 'resolved';
CREATE INDEX incidents_by_size ON incidents (status, id, evidence_bytes);

CREATE TABLE occurrences (
    id          INTEGER NOT NULL PRIMARY KEY,
    incident    TEXT    NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    at_ms       INTEGER NOT NULL,
    boot_id     TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    start_ticks INTEGER NOT NULL
) STRICT;
CREATE INDEX occurrences_by_incident ON occurrences (incident, id);

CREATE TABLE evidence (
    incident  TEXT    NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    name      TEXT    NOT NULL,
    source    TEXT    NOT NULL,
    taken_ms  INTEGER NOT NULL,
    truncated INTEGER NOT NULL,
    body      BLOB    NOT NULL,
    PRIMARY KEY (incident, name)
) STRICT;

CREATE TABLE alerts (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    incident   TEXT    NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    sink       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    due_ms     INTEGER NOT NULL,
    at_ms      INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    in_flight  INTEGER NOT NULL DEFAULT 0,
    may_repeat INTEGER NOT NULL DEFAULT 0,
    error      TEXT
) STRICT;
CREATE INDEX alerts_due ON alerts (due_ms, id) WHERE status = 'pending';
CREATE INDEX alerts_by_incident ON alerts (incident, id);
";

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn an_empty_database_gets_the_schema_and_a_second_run_changes_nothing() {
        MIGRATIONS.validate().unwrap();
        let mut conn = Connection::open_in_memory().unwrap();
        let schema = |conn: &Connection| -> Vec<String> {
            let mut rows = conn.prepare("SELECT name FROM sqlite_schema ORDER BY name").unwrap();
            rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        assert!(schema(&conn).is_empty());
        MIGRATIONS.to_latest(&mut conn).unwrap();
        let first = schema(&conn);
        for table in ["alerts", "evidence", "incidents", "occurrences"] {
            assert!(first.iter().any(|name| name == table), "{table} is missing from {first:?}");
        }
        MIGRATIONS.to_latest(&mut conn).unwrap();
        assert_eq!(schema(&conn), first);
    }
}
