//! Recording a case: which incident it belongs to, and what that changes.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, named_params, params};
use ulid::Ulid;

use super::row::{signed, to_json};
use super::{AlertPlan, Recorded};
use crate::host::Host;
use crate::model::{Case, IncidentKind, IncidentStatus, Severity, Verdict};

/// A fault that was last seen this long ago, and comes again, is a new incident.
pub(super) const REOPEN_WINDOW: Duration = Duration::from_secs(3600);

/// A condition of the same process that is reported again within this time has not ended in between.
pub(super) const GOING_ON: Duration = Duration::from_secs(300);

/// Occurrences kept per incident; of older ones only the count stays.
const OCCURRENCES: i64 = 100;

/// What is to be recorded.
pub(super) struct Entry<'a> {
    pub(super) case: &'a Case,
    pub(super) verdict: &'a Verdict,
    pub(super) plan: &'a AlertPlan,
    pub(super) host: &'a Host,
    pub(super) now: Timestamp,
}

/// Opens an incident, or counts on the open one with the same fingerprint.
pub(super) fn record(tx: &Transaction<'_>, entry: &Entry<'_>) -> Result<Recorded> {
    match find_open(tx, entry)? {
        Some(open) => count_on(tx, entry, open),
        None => open_new(tx, entry),
    }
}

/// The incident a case may be counted on.
struct OpenIncident {
    id: String,
    severity: Severity,
    count: u64,
}

fn find_open(tx: &Transaction<'_>, entry: &Entry<'_>) -> Result<Option<OpenIncident>> {
    let window_ms = i64::try_from(REOPEN_WINDOW.as_millis())?;
    let sql = "SELECT id, severity, count FROM incidents
               WHERE fingerprint = ?1 AND status <> 'resolved' AND last_seen_ms >= ?2
               ORDER BY id DESC LIMIT 1";
    let since_ms = entry.case.file.observed_at.as_millisecond() - window_ms;
    let read =
        |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
    let found =
        tx.prepare_cached(sql)?.query_row(params![entry.case.fingerprint, since_ms], read).optional()?;
    let Some((id, severity, count)) = found else { return Ok(None) };
    let (Ok(severity), Ok(count)) = (severity.parse(), u64::try_from(count)) else {
        // An error would hold this case, and all behind it, for ever.
        tracing::warn!("incident {id} in the database can't be read; its repeat opens a new one");
        return Ok(None);
    };
    Ok(Some(OpenIncident { id, severity, count }))
}

fn open_new(tx: &Transaction<'_>, entry: &Entry<'_>) -> Result<Recorded> {
    let (case, id) = (entry.case, next_id(tx)?);
    // Of a condition, what was merged while it waited are the scans that saw it.
    let count = if is_condition(case.kind) { 1 } else { case.count.max(1) };
    let sql = "INSERT INTO incidents VALUES (:id, :kind, :severity, :status, :fingerprint, :host, :boot_id,
                   :seen_ms, :seen_ms, :count, 0, '', '', '', '', '', '')";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":kind": case.kind.as_str(),
        ":severity": case.severity.as_str(),
        ":status": IncidentStatus::Open.as_str(),
        ":fingerprint": case.fingerprint,
        ":host": entry.host.name,
        ":boot_id": entry.host.boot_id,
        ":seen_ms": case.file.observed_at.as_millisecond(),
        ":count": signed(count),
    })?;
    put_file(tx, &id, entry)?;
    put_occurrence(tx, &id, entry)?;
    put_alerts(tx, &id, entry)?;
    Ok(Recorded { id, new: true, rose: false, count })
}

fn count_on(tx: &Transaction<'_>, entry: &Entry<'_>, open: OpenIncident) -> Result<Recorded> {
    let (case, OpenIncident { id, severity, count }) = (entry.case, open);
    let condition = is_condition(case.kind);
    let known = if condition {
        goes_on(tx, &id, entry)?
    } else {
        case.kind.happens_once() && has_occurrence(tx, &id, entry)?
    };
    let merged = if condition { 1 } else { case.count.max(1) };
    // A known death still brings in those that were merged into it while it waited.
    let count = count.saturating_add(merged - u64::from(known));
    let rose = case.severity > severity;
    let sql =
        "UPDATE incidents SET count = ?2, severity = ?3, last_seen_ms = max(last_seen_ms, ?4) WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![
        id,
        signed(count),
        case.severity.max(severity).as_str(),
        case.file.observed_at.as_millisecond(),
    ])?;
    if !known {
        put_occurrence(tx, &id, entry)?;
    }
    if rose {
        put_file(tx, &id, entry)?;
        put_alerts(tx, &id, entry)?;
    }
    Ok(Recorded { id, new: false, rose, count })
}

/// Grows within this database, whatever the clock does and however many are made in a millisecond: pages are
/// cut by id.
fn next_id(tx: &Transaction<'_>) -> Result<String> {
    let newest: Option<String> = tx.query_row("SELECT max(id) FROM incidents", [], |row| row.get(0))?;
    let newest = newest.and_then(|id| id.parse::<Ulid>().ok());
    let fresh = Ulid::new();
    let id = match newest {
        Some(newest) if newest >= fresh => newest.increment().unwrap_or(fresh),
        _ => fresh,
    };
    Ok(id.to_string())
}

/// Makes the case's file, its evidence and verdict the incident's.
fn put_file(tx: &Transaction<'_>, id: &str, entry: &Entry<'_>) -> Result<()> {
    let file = &entry.case.file;
    tx.prepare_cached("DELETE FROM evidence WHERE incident = ?1")?.execute([id])?;
    // REPLACE: two files of one name are the collector's mistake, and must not cost the incident.
    let sql = "INSERT OR REPLACE INTO evidence (incident, name, source, taken_ms, truncated, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = tx.prepare_cached(sql)?;
    for it in &file.evidence {
        let taken_ms = it.taken_at.as_millisecond();
        insert.execute(params![id, it.name, it.source, taken_ms, it.truncated, it.body])?;
    }
    let sql = "UPDATE incidents SET title = :title, process = :process, findings = :findings, facts = :facts,
                   completeness = :completeness, verdict = :verdict, evidence_bytes =
                   (SELECT coalesce(sum(length(body)), 0) FROM evidence WHERE incident = :id)
               WHERE id = :id";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":title": entry.case.title,
        ":process": to_json(&file.process)?,
        ":findings": to_json(&file.findings)?,
        ":facts": to_json(&file.facts)?,
        ":completeness": to_json(&file.completeness)?,
        ":verdict": to_json(entry.verdict)?,
    })?;
    Ok(())
}

/// Whether this kind is a state that scan after scan finds the same, and not something that happens.
const fn is_condition(kind: IncidentKind) -> bool {
    match kind {
        IncidentKind::ForkStorm
        | IncidentKind::ZombiePileup
        | IncidentKind::HungTask
        | IncidentKind::CpuSpin
        | IncidentKind::MemoryGrowth
        | IncidentKind::MemoryPressure
        | IncidentKind::FdExhaustion
        | IncidentKind::ThreadExplosion => true,
        // A crash loop is reported with each death in it.
        IncidentKind::CrashLoop
        | IncidentKind::OomKill
        | IncidentKind::Crash
        | IncidentKind::AbnormalExit
        | IncidentKind::SuspiciousExec => false,
    }
}

/// Whether the process had this condition a short while ago; then only that occurrence's time moves.
fn goes_on(tx: &Transaction<'_>, id: &str, entry: &Entry<'_>) -> Result<bool> {
    let process = &entry.case.file.process;
    let at_ms = entry.case.file.observed_at.as_millisecond();
    let sql = "UPDATE occurrences SET at_ms = max(at_ms, :at_ms)
               WHERE id = (SELECT max(id) FROM occurrences WHERE incident = :incident
                           AND boot_id = :boot_id AND pid = :pid AND start_ticks = :start_ticks)
                 AND at_ms >= :since_ms";
    let moved = tx.prepare_cached(sql)?.execute(named_params! {
        ":incident": id,
        ":at_ms": at_ms,
        ":boot_id": entry.host.boot_id,
        ":pid": process.pid,
        ":start_ticks": signed(process.start_ticks),
        ":since_ms": at_ms.saturating_sub(i64::try_from(GOING_ON.as_millis())?),
    })?;
    Ok(moved > 0)
}

fn has_occurrence(tx: &Transaction<'_>, id: &str, entry: &Entry<'_>) -> Result<bool> {
    let process = &entry.case.file.process;
    let sql =
        "SELECT 1 FROM occurrences WHERE incident = ?1 AND boot_id = ?2 AND pid = ?3 AND start_ticks = ?4";
    let key = params![id, entry.host.boot_id, process.pid, signed(process.start_ticks)];
    Ok(tx.prepare_cached(sql)?.exists(key)?)
}

/// Adds an occurrence. One by the same process as the latest is the same one going on: only its time moves,
/// else the scans of one sick process would push out all others.
fn put_occurrence(tx: &Transaction<'_>, id: &str, entry: &Entry<'_>) -> Result<()> {
    let file = &entry.case.file;
    let row = named_params! {
        ":incident": id,
        ":at_ms": file.observed_at.as_millisecond(),
        ":boot_id": entry.host.boot_id,
        ":pid": file.process.pid,
        ":start_ticks": signed(file.process.start_ticks),
    };
    let sql = "UPDATE occurrences SET at_ms = max(at_ms, :at_ms)
               WHERE id = (SELECT max(id) FROM occurrences WHERE incident = :incident)
                 AND boot_id = :boot_id AND pid = :pid AND start_ticks = :start_ticks";
    if tx.prepare_cached(sql)?.execute(row)? > 0 {
        return Ok(());
    }
    let sql = "INSERT INTO occurrences (incident, at_ms, boot_id, pid, start_ticks)
               VALUES (:incident, :at_ms, :boot_id, :pid, :start_ticks)";
    tx.prepare_cached(sql)?.execute(row)?;
    let sql = "DELETE FROM occurrences WHERE incident = ?1 AND id <=
                   (SELECT id FROM occurrences WHERE incident = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    tx.prepare_cached(sql)?.execute(params![id, OCCURRENCES])?;
    Ok(())
}

/// Puts an alert into the outbox for each receiver that has none waiting untried. One that waits untried
/// will show what the incident is by then.
fn put_alerts(tx: &Transaction<'_>, id: &str, entry: &Entry<'_>) -> Result<()> {
    let due = entry.plan.hold_until.unwrap_or(entry.now);
    let sql = "INSERT INTO alerts (incident, sink, status, created_ms, due_ms)
               SELECT ?1, ?2, 'pending', ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM alerts
                   WHERE incident = ?1 AND sink = ?2 AND status = 'pending' AND attempts = 0)";
    let mut insert = tx.prepare_cached(sql)?;
    for sink in &entry.plan.sinks {
        insert.execute(params![id, sink, entry.now.as_millisecond(), due.as_millisecond()])?;
    }
    Ok(())
}
