//! Recording a case: which incident it belongs to, and what that changes.

use anyhow::Result;
use rusqlite::{OptionalExtension as _, Row, named_params, params};
use ulid::Ulid;

use super::announce::{announce, announce_back, group_effects, hurry, may_reopen_now};
use super::occurrences::{goes_on, has_occurrence, put_occurrence};
use super::owner::owner;
use super::recording::Recording;
use super::related;
use super::row::{milliseconds, signed, to_json};
use super::tx::Tx;
use super::up_to_date;
use super::whole::{self, Part};
use crate::kinds;
use crate::model::{IncidentStatus, Occasion, ProcessInfo, ProcessKey, Severity};

/// What became of a recorded case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The id of the incident that took the case.
    pub id: String,
    /// Whether it is a new incident; otherwise the case was counted on an open one.
    pub new: bool,
    /// Whether the incident it was counted on escalated by it.
    pub escalated: bool,
    /// Whether the incident it was counted on had been resolved, and is open again.
    pub reopened: bool,
    /// Whether the incident shows this case's file now.
    pub shown: bool,
    /// How often it has happened now.
    pub count: u64,
}

/// Opens an incident, or counts on the one with the same fingerprint, which may come back by it.
pub(super) fn record(tx: &Tx<'_>, recording: &Recording<'_>) -> Result<Recorded> {
    match find(tx, recording)? {
        Some(known) => count_on(tx, recording, known),
        None => match related::part(tx, recording)?.map(|id| whole::of_part(tx, &id)).transpose()? {
            Some(Some(part)) => become_whole(tx, recording, part),
            _ => open_new(tx, recording),
        },
    }
}

/// The incident a case is counted on.
struct KnownIncident {
    id: String,
    severity: Severity,
    /// By the rules alone: not what a model raised it to.
    rules_severity: Severity,
    count: u64,
    /// It was resolved before this happened.
    over: bool,
    /// Whose file it shows.
    process: Option<ProcessKey>,
}

/// One that is not resolved, else one that was resolved a short while ago.
fn find(tx: &Tx<'_>, recording: &Recording<'_>) -> Result<Option<KnownIncident>> {
    let since_ms = recording.seen_ms().saturating_sub(milliseconds(recording.rules.reopen));
    // Two questions in one, so that each has its index. Not resolved sorts first: NULL does.
    let sql = "SELECT id, severity, count, resolved_ms, process, rules_severity FROM incidents
               WHERE fingerprint = ?1 AND status <> 'resolved'
               UNION ALL
               SELECT id, severity, count, resolved_ms, process, rules_severity FROM incidents
               WHERE fingerprint = ?1 AND status = 'resolved' AND resolved_ms >= ?2
               ORDER BY resolved_ms, id DESC LIMIT 1";
    let read = |row: &Row<'_>| {
        let process = row.get_ref(4)?.as_bytes().ok();
        let process = process.and_then(|json| serde_json::from_slice::<ProcessInfo>(json).ok());
        let rules: Option<String> = row.get(5)?;
        let severity: String = row.get(1)?;
        Ok((row.get::<_, String>(0)?, severity, rules, row.get::<_, i64>(2)?, row.get(3)?, process))
    };
    let found =
        tx.prepare_cached(sql)?.query_row(params![recording.case.fingerprint, since_ms], read).optional()?;
    let found = match found {
        None if kinds::room(recording.case.kind).lasts() => moved(tx, recording, read)?,
        found => found,
    };
    let Some((id, severity, rules, count, resolved_ms, process)) = found else { return Ok(None) };
    let resolved_ms: Option<i64> = resolved_ms;
    let rules = rules.as_ref().unwrap_or(&severity).parse();
    let (Ok(severity), Ok(rules_severity), Ok(count)) = (severity.parse(), rules, u64::try_from(count))
    else {
        // An error would hold this case, and all behind it, for ever.
        tracing::warn!("cannot read incident {id} from the database; its repeat opens a new incident");
        return Ok(None);
    };
    // A straggler that happened before the end does not undo it.
    let over = resolved_ms.is_some_and(|at| at < recording.seen_ms());
    Ok(Some(KnownIncident { id, severity, rules_severity, count, over, process: process.map(|it| it.key()) }))
}

/// A row as it is read to count on it.
type KnownRow = (String, String, Option<String>, i64, Option<i64>, Option<ProcessInfo>);

/// The condition of a process that was moved to another cgroup since: it has another fingerprint there, and is the same.
fn moved(
    tx: &Tx<'_>,
    recording: &Recording<'_>,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<KnownRow>,
) -> Result<Option<KnownRow>> {
    let process = &recording.case.file.process;
    let sql = "SELECT id, severity, count, resolved_ms, process, rules_severity FROM incidents
               WHERE status <> 'resolved' AND kind = ?1 AND id IN
                   (SELECT incident FROM occurrences WHERE pid = ?2 AND start_ticks = ?3 AND boot_id = ?4)
               ORDER BY id DESC LIMIT 1";
    let kind = recording.case.kind.as_str();
    let values = params![kind, process.pid, signed(process.start_ticks), recording.host.boot_id];
    let found = tx.prepare_cached(sql)?.query_row(values, read).optional()?;
    let is_elsewhere = |known: &ProcessInfo| known.key() == process.key() && known.cgroup != process.cgroup;
    Ok(found.filter(|(.., known)| known.as_ref().is_some_and(is_elsewhere)))
}

fn open_new(tx: &Tx<'_>, recording: &Recording<'_>) -> Result<Recorded> {
    let (case, id) = (recording.case, next_id(tx)?);
    // Of a condition, what was merged while it waited are the scans that saw it.
    let count = if kinds::room(case.kind).lasts() { 1 } else { case.count.max(1) };
    let sql = "INSERT INTO incidents (id, kind, severity, status, fingerprint, host, boot_id, first_seen_ms,
                   last_seen_ms, count, evidence_bytes, owner, title, process, findings, facts, completeness, verdict)
               VALUES (:id, :kind, :severity, :status, :fingerprint, :host, :boot_id, :seen_ms, :seen_ms, :count,
                   0, :owner, '', '', '', '', '', '')";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":kind": case.kind.as_str(),
        ":severity": case.severity.as_str(),
        ":status": IncidentStatus::Open.as_str(),
        ":fingerprint": case.fingerprint,
        ":host": recording.host.name,
        ":boot_id": recording.host.boot_id,
        ":seen_ms": recording.seen_ms(),
        ":count": signed(count),
        ":owner": owner(&case.file.process),
    })?;
    put_file(tx, &id, recording)?;
    end_silence(tx, &id)?;
    put_occurrence(tx, &id, recording)?;
    let causes = related::link(tx, &id, recording)?;
    announce(tx, &id, recording, Occasion::New, case.severity, &causes)?;
    group_effects(tx, &id, recording, case.severity)?;
    Ok(Recorded { id, new: true, escalated: false, reopened: false, shown: true, count })
}

/// What was opened for a part of it becomes this: one fault, one incident.
fn become_whole(tx: &Tx<'_>, recording: &Recording<'_>, part: Part) -> Result<Recorded> {
    let (case, id) = (recording.case, part.id);
    let count = part.count.saturating_add(case.count.max(1));
    let severity = case.severity.max(part.severity);
    whole::replace(tx, &id, recording, count, severity)?;
    put_file(tx, &id, recording)?;
    end_silence(tx, &id)?;
    put_occurrence(tx, &id, recording)?;
    related::link(tx, &id, recording)?;
    let escalated = case.severity > part.severity;
    if escalated {
        announce(tx, &id, recording, Occasion::Escalated, severity, &[])?;
    }
    hurry(tx, &id, recording)?;
    group_effects(tx, &id, recording, severity)?;
    Ok(Recorded { id, new: false, escalated, reopened: false, shown: true, count })
}

fn count_on(tx: &Tx<'_>, recording: &Recording<'_>, known: KnownIncident) -> Result<Recorded> {
    let (case, id) = (recording.case, known.id);
    let condition = kinds::room(case.kind).lasts();
    let counted = if condition {
        goes_on(tx, &id, recording)?
    } else {
        kinds::room(case.kind).happens_once() && has_occurrence(tx, &id, recording)?
    };
    // A death that was counted and is told of again after the end brings nothing back.
    let reopened = known.over && (condition || !counted);
    let merged = if condition { 1 } else { case.count.max(1) };
    // A known death still brings in those that were merged into it while it waited.
    let count = known.count.saturating_add(merged - u64::from(counted));
    let escalated = case.severity > known.severity;
    let (severity, rules) = (case.severity.max(known.severity), case.severity.max(known.rules_severity));
    let sql = "UPDATE incidents SET count = ?2, severity = ?3, rules_severity = nullif(?4, ?3),
                   last_seen_ms = max(last_seen_ms, ?5), remind_ms = coalesce(remind_ms, 0) WHERE id = ?1";
    let row = params![id, signed(count), severity.as_str(), rules.as_str(), recording.seen_ms()];
    tx.prepare_cached(sql)?.execute(row)?;
    end_silence(tx, &id)?;
    if reopened {
        let sql =
            "UPDATE incidents SET status = 'open', resolved_ms = NULL, acknowledged_ms = NULL WHERE id = ?1";
        tx.prepare_cached(sql)?.execute([&id])?;
        announce_back(tx, &id, recording, severity)?;
    }
    let other = known.process != Some(case.file.process.key());
    // What is back is shown as it is now: commands with the pid of a process that is gone help nobody.
    // What the rules now say themselves needs no model to believe it.
    let graver = case.severity > known.rules_severity;
    let shown = graver || (reopened && other);
    if shown {
        put_file(tx, &id, recording)?;
    } else if case.severity == known.rules_severity && kinds::room(case.kind).brings_up_to_date(!other) {
        up_to_date::bring(tx, &id, recording)?;
    }
    let mut causes = Vec::new();
    if !counted {
        put_occurrence(tx, &id, recording)?;
        causes = related::link(tx, &id, recording)?;
    }
    if escalated {
        announce(tx, &id, recording, Occasion::Escalated, severity, &causes)?;
    } else if reopened && may_reopen_now(tx, &id, recording)? {
        announce(tx, &id, recording, Occasion::Reopened, severity, &causes)?;
    }
    if !counted {
        group_effects(tx, &id, recording, severity)?;
    }
    Ok(Recorded { id, new: false, escalated, reopened, shown, count })
}

/// It was there just now: what the daemon has watched so far does not count as silence.
fn end_silence(tx: &Tx<'_>, id: &str) -> Result<()> {
    let sql = "UPDATE incidents SET (seen_walks, seen_walked_ms, seen_events_ms) =
                   (SELECT walks, walked_ms, events_ms FROM watch) WHERE id = ?1";
    tx.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// Grows within this database, whatever the clock does and however many are made in a millisecond: pages are
/// cut by id.
fn next_id(tx: &Tx<'_>) -> Result<String> {
    let sql = "SELECT max(id) FROM incidents";
    let newest: Option<String> = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let newest = newest.and_then(|id| id.parse::<Ulid>().ok());
    let fresh = Ulid::new();
    let id = match newest {
        Some(newest) if newest >= fresh => newest.increment().unwrap_or(fresh),
        _ => fresh,
    };
    Ok(id.to_string())
}

/// Makes the case's file, its evidence and verdict the incident's.
fn put_file(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<()> {
    let file = &recording.case.file;
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
        ":title": recording.case.title,
        ":process": to_json(&file.process)?,
        ":findings": to_json(&file.findings)?,
        ":facts": to_json(&file.facts)?,
        ":completeness": to_json(&file.completeness)?,
        ":verdict": to_json(recording.verdict)?,
    })?;
    Ok(())
}
