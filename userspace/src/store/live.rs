//! What goes on, in memory: a copy of the incidents that are not over, or of which somebody has still to be told, with
//! their alerts. It follows the file change by change, takes the file's place when that can't be used, and is what a new
//! file is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use rusqlite::hooks::Action;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::retention::Limits;
use super::schema::MIGRATIONS;

/// Incidents in the copy: some ten megabytes at the most.
pub(super) const INCIDENTS: u64 = 1_000;
/// What may be in memory while the file can't be used: more, as it is all there is of them.
pub(super) const LIMITS: Limits = Limits { incidents: 3_000, evidence_bytes: 8 << 20, quota: 750 };

/// Rows that changed in a transaction, by table and rowid.
type Changes = Arc<Mutex<BTreeSet<(Table, i64)>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Incidents,
    Alerts,
    Watch,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Incidents => "incidents",
            Self::Alerts => "alerts",
            Self::Watch => "watch",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Incidents, Self::Alerts, Self::Watch].into_iter().find(|it| it.name() == name)
    }
}

pub(super) struct Live {
    pub(super) conn: Connection,
    changes: Changes,
}

impl Live {
    /// An empty copy.
    pub(super) fn new() -> Result<Self> {
        let mut conn = Connection::open_in_memory()?;
        conn.pragma_update(None, "foreign_keys", true)?;
        conn.set_prepared_statement_cache_capacity(64);
        MIGRATIONS.to_latest(&mut conn)?;
        Ok(Self { conn, changes: Changes::default() })
    }

    /// A copy of what goes on in `file`, which it follows from then on.
    pub(super) fn following(file: &Connection) -> Result<Self> {
        let live = Self::new()?;
        let sql = "SELECT rowid FROM incidents WHERE status IN ('open', 'acknowledged')
                   UNION SELECT i.rowid FROM alerts a JOIN incidents i ON i.id = a.incident WHERE a.status = 'pending'";
        let mut statement = file.prepare(&format!(
            "SELECT rowid FROM incidents WHERE rowid IN ({sql}) ORDER BY worth DESC, id DESC LIMIT {INCIDENTS}"
        ))?;
        let rows: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for rowid in rows {
            live.copy_incident(file, rowid)?;
        }
        copy(file, &live.conn, Table::Watch.name(), "one = 1", &[], Rowid::Kept)?;
        // What is put in here must not take a number that an alert of the file has.
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'alerts'";
        let last: Option<i64> = file.query_row(sql, [], |row| row.get(0)).optional()?;
        live.conn.execute("DELETE FROM sqlite_sequence WHERE name = 'alerts'", [])?;
        live.conn.execute("INSERT INTO sqlite_sequence VALUES ('alerts', ?1)", [last.unwrap_or(0)])?;
        live.follow(file)?;
        Ok(live)
    }

    fn follow(&self, file: &Connection) -> Result<()> {
        let changes = Arc::clone(&self.changes);
        file.update_hook(Some(move |_: Action, _: &str, table: &str, rowid: i64| {
            if let Some(table) = Table::of(table) {
                changes.lock().unwrap_or_else(PoisonError::into_inner).insert((table, rowid));
            }
        }))?;
        Ok(())
    }

    /// Forgets what a transaction changed that was rolled back.
    pub(super) fn forget(&self) {
        self.taken();
    }

    fn taken(&self) -> BTreeSet<(Table, i64)> {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what the transaction that was just committed changed.
    pub(super) fn catch_up(&self, file: &Connection) -> Result<()> {
        let changes = self.taken();
        if changes.is_empty() {
            return Ok(());
        }
        // One transaction here as well, and in the order of the tables: an alert's incident first.
        let tx = self.conn.unchecked_transaction()?;
        let mut more = false;
        for (table, rowid) in &changes {
            match table {
                Table::Incidents => {
                    self.copy_incident(file, *rowid)?;
                    more = true;
                }
                // Those of an incident that changed came with it.
                Table::Alerts => self.copy_alert(file, *rowid, &changes)?,
                Table::Watch => copy(file, &self.conn, "watch", "one = 1", &[], Rowid::Kept)?,
            }
        }
        if more {
            self.bound()?;
        }
        Ok(tx.commit()?)
    }

    /// Makes this alert here what it is in the file. It brings no incident in that is not here: what makes an alert wait
    /// changes its incident too.
    fn copy_alert(&self, file: &Connection, alert: i64, changes: &BTreeSet<(Table, i64)>) -> Result<()> {
        let sql = "SELECT i.rowid FROM alerts a JOIN incidents i ON i.id = a.incident WHERE a.id = ?1";
        let incident: Option<i64> =
            file.prepare_cached(sql)?.query_row([alert], |row| row.get(0)).optional()?;
        let Some(incident) = incident else {
            self.conn.prepare_cached("DELETE FROM alerts WHERE id = ?1")?.execute([alert])?;
            return Ok(());
        };
        if changes.contains(&(Table::Incidents, incident)) {
            return Ok(());
        }
        let here = "SELECT status = 'resolved' FROM incidents WHERE rowid = ?1";
        let over =
            self.conn.prepare_cached(here)?.query_row([incident], |row| row.get::<_, bool>(0)).optional()?;
        match over {
            None => {}
            // It is here for what waits, which this may have been.
            Some(true) => self.copy_incident(file, incident)?,
            Some(false) => copy(file, &self.conn, "alerts", "id = ?1", &[Value::Integer(alert)], Rowid::New)?,
        }
        Ok(())
    }

    /// Makes this incident here what it is in the file: with its alerts where it goes on, else gone.
    fn copy_incident(&self, file: &Connection, rowid: i64) -> Result<()> {
        let sql = "SELECT id, remind_ms FROM incidents WHERE rowid = ?1 AND (status IN ('open', 'acknowledged')
                       OR EXISTS (SELECT 1 FROM alerts WHERE incident = incidents.id AND status = 'pending'))";
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?));
        let found = file.prepare_cached(sql)?.query_row([rowid], read).optional()?;
        let Some((id, remind_ms)) = found else {
            self.conn.prepare_cached("DELETE FROM incidents WHERE rowid = ?1")?.execute([rowid])?;
            return Ok(());
        };
        // The number of one that was deleted may be another's by now.
        self.conn
            .prepare_cached("DELETE FROM incidents WHERE rowid = ?1 AND id <> ?2")?
            .execute((rowid, &id))?;
        copy(file, &self.conn, "incidents", "rowid = ?1", &[Value::Integer(rowid)], Rowid::Kept)?;
        replace_alerts(file, &self.conn, &id)?;
        // The triggers of its alerts may have changed what was copied.
        let sql = "UPDATE incidents SET remind_ms = ?2 WHERE rowid = ?1 AND remind_ms IS NOT ?2";
        self.conn.prepare_cached(sql)?.execute((rowid, remind_ms))?;
        Ok(())
    }

    /// What is least worth keeping in mind goes.
    fn bound(&self) -> Result<()> {
        let sql =
            "DELETE FROM incidents WHERE id IN (SELECT id FROM incidents WHERE worth >= 0 ORDER BY worth, id
                   LIMIT max(0, (SELECT incidents FROM totals) - ?1))";
        let most = i64::try_from(INCIDENTS).unwrap_or(i64::MAX);
        self.conn.prepare_cached(sql)?.execute([most])?;
        Ok(())
    }

    /// Puts all that is here into `file`, inside its transaction; how many incidents that is.
    pub(super) fn save(&self, file: &Connection) -> Result<u64> {
        let mut statement = self.conn.prepare("SELECT id FROM incidents ORDER BY id")?;
        let ids: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for id in &ids {
            save_incident(&self.conn, file, id)?;
        }
        copy(&self.conn, file, "watch", "one = 1", &[], Rowid::Kept)?;
        Ok(u64::try_from(ids.len())?)
    }
}

/// One incident with all that belongs to it, from one database into another.
pub(super) fn save_incident(from: &Connection, to: &Connection, id: &str) -> Result<()> {
    let key = [Value::Text(id.to_owned())];
    copy(from, to, "incidents", "id = ?1", &key, Rowid::New)?;
    replace_alerts(from, to, id)?;
    copy(from, to, "incidents", "id = ?1", &key, Rowid::New)?;
    save_files(from, to, id)
}

/// What was frozen with an incident, and who had it.
pub(super) fn save_files(from: &Connection, to: &Connection, id: &str) -> Result<()> {
    let key = [Value::Text(id.to_owned())];
    copy(from, to, "evidence", "incident = ?1", &key, Rowid::New)?;
    copy(from, to, "occurrences", "incident = ?1", &key, Rowid::New)?;
    Ok(())
}

fn replace_alerts(from: &Connection, to: &Connection, id: &str) -> Result<()> {
    to.prepare_cached("DELETE FROM alerts WHERE incident = ?1")?.execute([id])?;
    copy(from, to, "alerts", "incident = ?1", &[Value::Text(id.to_owned())], Rowid::New)?;
    Ok(())
}

/// Whether rows have the same rowid on both sides, where it is no column of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rowid {
    Kept,
    New,
}

/// How rows of one table are copied.
struct Way {
    columns: usize,
    select: String,
    insert: String,
}

/// Tables and what tells their rows apart; nothing where each copy is a new row.
const TABLES: [(&str, &str); 5] = [
    ("incidents", "id"),
    ("alerts", "id"),
    ("watch", "one"),
    ("evidence", "incident, name"),
    ("occurrences", ""),
];

/// By what the schema says now: a column that is added is copied.
static WAYS: LazyLock<BTreeMap<(&str, Rowid), Way>> = LazyLock::new(|| {
    let ways = || -> Result<_> {
        let mut conn = Connection::open_in_memory()?;
        MIGRATIONS.to_latest(&mut conn)?;
        let mut ways = BTreeMap::new();
        for (table, key) in TABLES {
            for rowid in [Rowid::Kept, Rowid::New] {
                ways.insert((table, rowid), way(table, key, &columns(&conn, table, rowid)?));
            }
        }
        Ok(ways)
    };
    ways().expect("the schema can be made in memory")
});

fn way(table: &str, key: &str, columns: &[String]) -> Way {
    let list = columns.join(", ");
    let set: Vec<_> =
        columns.iter().filter(|it| *it != "rowid").map(|it| format!("{it} = excluded.{it}")).collect();
    let over = if key.is_empty() {
        String::new()
    } else {
        format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "))
    };
    let marks = vec!["?"; columns.len()].join(", ");
    Way {
        columns: columns.len(),
        select: format!("SELECT {list} FROM {table} WHERE "),
        insert: format!("INSERT INTO {table} ({list}) VALUES ({marks}){over}"),
    }
}

/// What is written of a row: not what SQLite computes, nor a number that only tells rows of this table apart.
fn columns(conn: &Connection, table: &str, rowid: Rowid) -> Result<Vec<String>> {
    let mut statement = conn.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let mut names: Vec<String> =
        statement.query_map([table], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    if table == "occurrences" {
        names.retain(|it| it != "id");
    }
    if table == "incidents" && rowid == Rowid::Kept {
        names.insert(0, "rowid".to_owned());
    }
    Ok(names)
}

/// Copies rows of a table, over those with the same key.
fn copy(
    from: &Connection,
    to: &Connection,
    table: &'static str,
    which: &str,
    values: &[Value],
    rowid: Rowid,
) -> Result<()> {
    let way = WAYS.get(&(table, rowid)).context("a table that is not copied")?;
    let mut select = from.prepare_cached(&format!("{}{which}", way.select))?;
    let mut insert = to.prepare_cached(&way.insert)?;
    let mut rows = select.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        // As they are: a text that is none is for those to find who read it.
        let values = (0..way.columns).map(|index| Ok(ToSqlOutput::Borrowed(row.get_ref(index)?)));
        let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}
