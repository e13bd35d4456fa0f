//! Questions to the store: one incident, a page of them, one frozen file.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, named_params, params};

use super::page::{Filter, LIST_MAX, Page};
use super::related;
use super::row::{collect, delivery, evidence_entry, incident, signed, time, unreadable};
use super::tx::Tx;
use super::unreadable::Unreadable;
use crate::model::{AlertDelivery, EvidenceFile, Incident, IncidentKind, IncidentStatus, ProcessKey};

/// Incidents a page where the filter gives no limit.
const PAGE: usize = 50;

/// One incident with its alerts and evidence index.
pub(super) fn get(tx: &Tx<'_>, id: &str) -> Result<Option<Incident>> {
    let mut statement = tx.prepare_cached("SELECT * FROM incidents WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut found = incident(row)?;
    complete(tx, &mut found).map_err(|err| unreadable(id.to_owned(), err))?;
    Ok(Some(found))
}

/// The incidents that are not resolved and happened to this process, the oldest first.
pub(super) fn open_about(tx: &Tx<'_>, process: ProcessKey, boot_id: &str) -> Result<Vec<Incident>> {
    let sql = "SELECT * FROM incidents WHERE status <> 'resolved' AND id IN
                   (SELECT incident FROM occurrences WHERE pid = ?1 AND start_ticks = ?2 AND boot_id = ?3)
               ORDER BY id";
    let mut statement = tx.prepare_cached(sql)?;
    let found = statement.query(params![process.pid, signed(process.start_ticks), boot_id])?;
    // One that can't be read is told of where incidents are listed.
    Ok(collect(found, |row| Ok(incident(row).ok()))?.into_iter().flatten().collect())
}

/// Adds what is in tables of its own.
fn complete(tx: &Tx<'_>, found: &mut Incident) -> Result<()> {
    found.alerts = deliveries(tx, &found.id)?;
    found.related = related::of(tx, &found.id)?;
    let sql = "SELECT name, source, taken_ms, truncated, length(body) AS size_bytes
               FROM evidence WHERE incident = ?1 ORDER BY rowid";
    found.evidence = collect(tx.prepare_cached(sql)?.query([&found.id])?, evidence_entry)?;
    Ok(())
}

/// Newest first, and what is wrong with those that had to be left out. Ids grow, so a page that starts below a
/// cursor is the same whatever came in since.
pub(super) fn list(tx: &Tx<'_>, filter: &Filter) -> Result<(Page, Vec<Unreadable>)> {
    let limit = if filter.limit == 0 { PAGE } else { filter.limit.min(LIST_MAX) };
    let mut statement = tx.prepare_cached(&page_of(filter))?;
    let mut rows = statement.query(named_params! {
        ":status": filter.status.map(IncidentStatus::as_str),
        ":kind": filter.kind.map(IncidentKind::as_str),
        ":since_ms": filter.since.map(Timestamp::as_millisecond),
        // Any id is below this: they are letters and digits.
        ":cursor": filter.cursor.as_deref().unwrap_or("~"),
        // One more than asked for tells whether there is another page.
        ":limit": i64::try_from(limit + 1)?,
    })?;
    let (mut page, mut broken, mut seen) = (Page::default(), Vec::new(), 0);
    let mut last = None;
    while let Some(row) = rows.next()? {
        if seen == limit {
            // By the last row, and not the last that could be read: else a page of broken ones were the end.
            page.next_cursor = last;
            break;
        }
        seen += 1;
        let id: String = row.get("id")?;
        match listed(tx, row) {
            Ok(it) => page.incidents.push(it),
            Err(err) => broken.push(err.downcast::<Unreadable>()?),
        }
        last = Some(id);
    }
    page.unreadable = u64::try_from(broken.len())?;
    Ok((page, broken))
}

/// The question of one page: only what is asked for stands in it, so that each filter has its index.
fn page_of(filter: &Filter) -> String {
    let any = |asked: bool, by: &'static str, otherwise: &'static str| if asked { by } else { otherwise };
    let status = any(filter.status.is_some(), "status = :status", ":status IS NULL");
    let kind = any(filter.kind.is_some(), "kind = :kind", ":kind IS NULL");
    let since = any(filter.since.is_some(), "last_seen_ms >= :since_ms", ":since_ms IS NULL");
    // By time first, where it is asked for: else all that is older would be read.
    let of_time = any(filter.since.is_some(), "INDEXED BY incidents_by_time", "");
    format!(
        "SELECT * FROM incidents WHERE id IN
             (SELECT id FROM incidents {of_time}
              WHERE {since} AND {status} AND {kind} AND id < :cursor ORDER BY id DESC LIMIT :limit)
         ORDER BY id DESC"
    )
}

fn listed(tx: &Tx<'_>, row: &Row<'_>) -> Result<Incident> {
    let mut found = incident(row)?;
    found.alerts = deliveries(tx, &found.id).map_err(|err| unreadable(found.id.clone(), err))?;
    found.related = related::of(tx, &found.id)?;
    Ok(found)
}

/// One frozen file of an incident, by name.
pub(super) fn evidence(tx: &Tx<'_>, id: &str, name: &str) -> Result<Option<EvidenceFile>> {
    let sql =
        "SELECT name, source, taken_ms, truncated, body FROM evidence WHERE incident = ?1 AND name = ?2";
    let read = |row: &Row<'_>| Ok(file(row));
    tx.prepare_cached(sql)?.query_row([id, name], read).optional()?.transpose()
}

fn file(row: &Row<'_>) -> Result<EvidenceFile> {
    Ok(EvidenceFile {
        name: row.get("name")?,
        source: row.get("source")?,
        taken_at: time(row, "taken_ms")?,
        body: row.get("body")?,
        truncated: row.get("truncated")?,
    })
}

fn deliveries(tx: &Tx<'_>, id: &str) -> Result<Vec<AlertDelivery>> {
    let mut statement = tx.prepare_cached("SELECT * FROM alerts WHERE incident = ?1 ORDER BY id")?;
    collect(statement.query([id])?, delivery)
}
