//! The database's schema, as migrations. One that has shipped is never edited: append another.

use std::sync::LazyLock;

use rusqlite_migration::{M, Migrations};

/// Every migration, oldest first; SQLite's `user_version` says how many a database has had.
pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![M::up(V1), M::up(V2), M::up(V3), M::up(V4), M::up(V5), M::up(V6), M::up(V7)])
});

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

/// The life of an incident: when it was taken on and resolved, what it is related to, why somebody is told, and
/// how much of the time since its last occurrence the daemon could have seen another.
const V2: &str = "
ALTER TABLE incidents ADD COLUMN acknowledged_ms INTEGER;
ALTER TABLE incidents ADD COLUMN resolved_ms     INTEGER;
ALTER TABLE incidents ADD COLUMN seen_walks      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN seen_walked_ms  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incidents ADD COLUMN seen_events_ms  INTEGER NOT NULL DEFAULT 0;
CREATE INDEX incidents_to_reopen ON incidents (fingerprint, resolved_ms) WHERE status = 'resolved';

CREATE TABLE watch (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    walks     INTEGER NOT NULL,
    walked_ms INTEGER NOT NULL,
    events_ms INTEGER NOT NULL
) STRICT;
INSERT INTO watch VALUES (1, 0, 0, 0);

ALTER TABLE occurrences ADD COLUMN ppid   INTEGER;
ALTER TABLE occurrences ADD COLUMN cgroup TEXT;
CREATE INDEX occurrences_by_time ON occurrences (at_ms);

CREATE TABLE links (
    effect TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    cause  TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
    PRIMARY KEY (effect, cause)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_cause ON links (cause);

ALTER TABLE alerts ADD COLUMN occasion     TEXT    NOT NULL DEFAULT 'new';
ALTER TABLE alerts ADD COLUMN floor_ms     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN told_count   INTEGER;
ALTER TABLE alerts ADD COLUMN told_seen_ms INTEGER;
ALTER TABLE alerts ADD COLUMN folded_into  TEXT;
CREATE INDEX alerts_folded ON alerts (folded_into) WHERE status = 'folded';
";

/// What the receiver calls a message, where it can be answered or edited; and each receiver's own due alerts.
const V3: &str = "
ALTER TABLE alerts ADD COLUMN receipt TEXT;
DROP INDEX alerts_due;
CREATE INDEX alerts_due ON alerts (sink, due_ms, id) WHERE status = 'pending';
";

/// How severe an incident is by the rules alone; NULL where that is its severity.
const V4: &str = "ALTER TABLE incidents ADD COLUMN rules_severity TEXT;";

/// Facts are values, of which sentences are made when they are shown. Those written before have a sentence alone: it
/// is kept as what it is. And what is known of one process is looked up by its identity.
const V5: &str = "
UPDATE incidents SET
    facts = (SELECT json_group_array(json_remove(json_set(value, '$.data',
                        json_object('type', 'recorded', 'text', json_extract(value, '$.text'))), '$.text'))
             FROM (SELECT value FROM json_each(incidents.facts) ORDER BY key))
WHERE json_valid(facts) AND json_type(facts) = 'array';
UPDATE incidents SET
    findings = (SELECT json_group_array(json_set(value, '$.summary',
                           json_object('type', 'recorded', 'text', json_extract(value, '$.summary'))))
                FROM (SELECT value FROM json_each(incidents.findings) ORDER BY key))
WHERE json_valid(findings) AND json_type(findings) = 'array';
CREATE INDEX occurrences_by_process ON occurrences (pid, start_ticks);
";

/// So that no step costs what is stored, but what is due: when a reminder has to be looked at, whose noise an incident
/// is and what it is worth, how much there is in all; who is a receiver since when; and which alert is the more urgent.
/// What keeps these true are triggers: no statement can forget it.
const V6: &str = "
ALTER TABLE incidents ADD COLUMN remind_ms INTEGER;
ALTER TABLE incidents ADD COLUMN owner     TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN worth     INTEGER NOT NULL AS (
    CASE status WHEN 'resolved' THEN 0 ELSE 3 END
    + CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END) VIRTUAL;
UPDATE incidents SET remind_ms = 0 WHERE status = 'open';
UPDATE incidents SET owner = CASE
    WHEN json_extract(process, '$.container_id') IS NOT NULL
        THEN 'container ' || substr(json_extract(process, '$.container_id'), 1, 12)
    WHEN json_extract(process, '$.uid') > 0 THEN 'uid ' || json_extract(process, '$.uid')
    ELSE 'uid 0' END
WHERE json_valid(process);
DROP INDEX incidents_by_size;
CREATE INDEX incidents_by_status ON incidents (status, id);
CREATE INDEX incidents_by_kind   ON incidents (kind, id);
CREATE INDEX incidents_by_time   ON incidents (last_seen_ms, id);
CREATE INDEX incidents_by_worth  ON incidents (worth, id);
CREATE INDEX incidents_by_owner  ON incidents (owner, worth, id);
CREATE INDEX incidents_by_events ON incidents (kind, seen_events_ms) WHERE status <> 'resolved';
CREATE INDEX incidents_by_walks  ON incidents (kind, seen_walked_ms) WHERE status <> 'resolved';
CREATE INDEX incidents_to_remind ON incidents (remind_ms) WHERE remind_ms IS NOT NULL;

CREATE TABLE totals (
    one            INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    incidents      INTEGER NOT NULL,
    evidence_bytes INTEGER NOT NULL
) STRICT;
INSERT INTO totals SELECT 1, count(*), coalesce(sum(evidence_bytes), 0) FROM incidents;
CREATE TABLE owners (
    owner     TEXT    NOT NULL PRIMARY KEY,
    incidents INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO owners SELECT owner, count(*) FROM incidents GROUP BY owner;
CREATE INDEX owners_by_size ON owners (incidents);
CREATE TRIGGER incidents_added AFTER INSERT ON incidents BEGIN
    UPDATE totals SET incidents = incidents + 1, evidence_bytes = evidence_bytes + NEW.evidence_bytes;
    INSERT INTO owners VALUES (NEW.owner, 1) ON CONFLICT (owner) DO UPDATE SET incidents = incidents + 1;
END;
CREATE TRIGGER incidents_removed AFTER DELETE ON incidents BEGIN
    UPDATE totals SET incidents = incidents - 1, evidence_bytes = evidence_bytes - OLD.evidence_bytes;
    UPDATE owners SET incidents = incidents - 1 WHERE owner = OLD.owner;
    DELETE FROM owners WHERE owner = OLD.owner AND incidents <= 0;
END;
CREATE TRIGGER incidents_grown AFTER UPDATE OF evidence_bytes ON incidents BEGIN
    UPDATE totals SET evidence_bytes = evidence_bytes + NEW.evidence_bytes - OLD.evidence_bytes;
END;

CREATE TABLE receivers (
    sink     TEXT    NOT NULL PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO receivers SELECT sink, min(created_ms) FROM alerts GROUP BY sink;

ALTER TABLE alerts ADD COLUMN tier INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN head INTEGER;
UPDATE alerts SET tier = (SELECT 2 - worth % 3 FROM incidents WHERE id = alerts.incident)
    + (occasion IN ('reminder', 'resolved')) WHERE status = 'pending';
DROP INDEX alerts_due;
DROP INDEX alerts_by_incident;
CREATE INDEX alerts_due         ON alerts (sink, tier, due_ms, id) WHERE status = 'pending';
CREATE INDEX alerts_by_occasion ON alerts (sink, occasion, id) WHERE status = 'pending';
CREATE INDEX alerts_by_incident ON alerts (incident, sink, id);
CREATE INDEX alerts_by_head     ON alerts (head) WHERE head IS NOT NULL;
CREATE TRIGGER alerts_put AFTER INSERT ON alerts WHEN NEW.status = 'pending' BEGIN
    UPDATE alerts SET tier = (SELECT 2 - worth % 3 FROM incidents WHERE id = NEW.incident)
        + (NEW.occasion IN ('reminder', 'resolved')) WHERE id = NEW.id;
END;
CREATE TRIGGER incidents_graded AFTER UPDATE OF severity ON incidents WHEN NEW.severity <> OLD.severity BEGIN
    UPDATE alerts SET tier = 2 - NEW.worth % 3 + (occasion IN ('reminder', 'resolved'))
    WHERE incident = NEW.id AND status = 'pending';
END;
CREATE TRIGGER alerts_settled AFTER UPDATE OF status ON alerts
    WHEN OLD.status = 'pending' AND NEW.status <> 'pending' BEGIN
    UPDATE incidents SET remind_ms = 0 WHERE id = NEW.incident AND status = 'open'
        AND (NEW.status = 'failed' OR last_seen_ms > coalesce(NEW.told_seen_ms, 0));
    UPDATE incidents SET remind_ms = 0 FROM alerts AS told
    WHERE told.folded_into = NEW.incident AND told.sink = NEW.sink AND told.status = 'folded'
        AND incidents.id = told.incident AND incidents.status = 'open'
        AND incidents.last_seen_ms > coalesce(told.told_seen_ms, 0);
END;
";

/// The migrations up to the first version, as a database of then has had them.
#[cfg(test)]
pub(super) fn first_version() -> Migrations<'static> {
    Migrations::new(vec![M::up(V1)])
}

/// Which program an occurrence is of and whether somebody's signal ended it, so that what only happened in the same
/// cgroup is not taken for a cause; what was linked before stays what it was called then. And what an incident was before
/// it became that of something larger.
const V7: &str = "
ALTER TABLE occurrences ADD COLUMN subject TEXT;
ALTER TABLE occurrences ADD COLUMN is_sent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE links       ADD COLUMN is_proven INTEGER NOT NULL DEFAULT 1;
ALTER TABLE incidents   ADD COLUMN was_kind TEXT;
ALTER TABLE incidents   ADD COLUMN was_fingerprint TEXT;
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
        for table in [
            "alerts",
            "evidence",
            "incidents",
            "links",
            "occurrences",
            "owners",
            "receivers",
            "totals",
            "watch",
        ] {
            assert!(first.iter().any(|name| name == table), "{table} is missing from {first:?}");
        }
        MIGRATIONS.to_latest(&mut conn).unwrap();
        assert_eq!(schema(&conn), first);
    }
}
