//! Questions to the store: one incident, a page of them, one frozen file.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::row::{collect, delivery, evidence_entry, incident, time};
use super::{Filter, Page};
use crate::model::{AlertDelivery, EvidenceFile, Incident, IncidentKind, IncidentStatus};

/// Incidents a page where the filter gives no limit.
const PAGE: usize = 50;

/// Incidents a page, whatever the filter says.
const PAGE_MAX: usize = 500;

/// One incident with its alerts and evidence index.
pub(super) fn get(tx: &Transaction<'_>, id: &str) -> Result<Option<Incident>> {
    let mut statement = tx.prepare_cached("SELECT * FROM incidents WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut found = incident(row)?;
    found.alerts = deliveries(tx, id)?;
    let sql = "SELECT name, source, taken_ms, truncated, length(body) AS size_bytes
               FROM evidence WHERE incident = ?1 ORDER BY rowid";
    found.evidence = collect(tx.prepare_cached(sql)?.query([id])?, evidence_entry)?;
    Ok(Some(found))
}

/// Newest first. Ids grow, so a page that starts below a cursor is the same whatever came in since.
pub(super) fn list(tx: &Transaction<'_>, filter: &Filter) -> Result<Page> {
    let limit = if filter.limit == 0 { PAGE } else { filter.limit.min(PAGE_MAX) };
    let sql = "SELECT * FROM incidents
               WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR kind = ?2)
                 AND (?3 IS NULL OR last_seen_ms >= ?3) AND (?4 IS NULL OR id < ?4)
               ORDER BY id DESC LIMIT ?5";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query(params![
        filter.status.map(IncidentStatus::as_str),
        filter.kind.map(IncidentKind::as_str),
        filter.since.map(Timestamp::as_millisecond),
        filter.cursor,
        // One more than asked for tells whether there is another page.
        i64::try_from(limit + 1)?,
    ])?;
    let mut incidents = collect(rows, incident)?;
    let more = incidents.len() > limit;
    incidents.truncate(limit);
    for it in &mut incidents {
        it.alerts = deliveries(tx, &it.id)?;
    }
    let next_cursor = incidents.last().filter(|_| more).map(|it| it.id.clone());
    Ok(Page { incidents, next_cursor })
}

/// One frozen file.
pub(super) fn evidence(tx: &Transaction<'_>, id: &str, name: &str) -> Result<Option<EvidenceFile>> {
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

fn deliveries(tx: &Transaction<'_>, id: &str) -> Result<Vec<AlertDelivery>> {
    let mut statement = tx.prepare_cached("SELECT * FROM alerts WHERE incident = ?1 ORDER BY id")?;
    collect(statement.query([id])?, delivery)
}
