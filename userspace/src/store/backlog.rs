//! More than a receiver can be told one by one: what waits, or what was open before there was the receiver, becomes one
//! message, the summary. What is critical is told by itself, up to a number, and first.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::outbox::TIERS;
use super::row::collect;
use super::tx::Tx;
use crate::model::Severity;

/// When a receiver gets a summary in place of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// So many wait, and more: only then.
    pub above: usize,
    /// So many that are critical stay messages of their own.
    pub singly: usize,
}

/// Groups what is due and too much into one message that is due at `told_at`; how many it grouped.
pub(super) fn summarise(
    tx: &Tx<'_>,
    sink: &str,
    backlog: Backlog,
    now: Timestamp,
    told_at: Timestamp,
) -> Result<usize> {
    if !is_too_much(tx, sink, backlog, now)? {
        return Ok(0);
    }
    let waiting = waiting_summary(tx, sink)?;
    let folded = to_fold(tx, sink, backlog.singly, now)?;
    let mut rest = folded.iter();
    let (head, incident) = match waiting {
        Some(it) => it,
        // One alone is a message of its own.
        None if folded.len() < 2 => return Ok(0),
        None => {
            let Some(first) = rest.next() else { return Ok(0) };
            let sql = "UPDATE alerts SET occasion = 'summary', due_ms = ?2, floor_ms = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![first.0, told_at.as_millisecond()])?;
            first.clone()
        }
    };
    let sql = "UPDATE alerts SET status = 'folded', occasion = 'summary', folded_into = ?2, head = ?3,
                   told_seen_ms = (SELECT last_seen_ms FROM incidents WHERE id = alerts.incident)
               WHERE id = ?1";
    let mut fold = tx.prepare_cached(sql)?;
    for (alert, _) in rest {
        fold.execute(params![alert, incident, head])?;
    }
    Ok(folded.len())
}

/// Whether more is due than is told one by one, or a summary waits that takes it in.
pub(super) fn is_too_much(tx: &Tx<'_>, sink: &str, backlog: Backlog, now: Timestamp) -> Result<bool> {
    Ok(count_due(tx, sink, now, backlog.above)? > backlog.above || waiting_summary(tx, sink)?.is_some())
}

/// The summary that waits untried: its alert and incident.
fn waiting_summary(tx: &Tx<'_>, sink: &str) -> Result<Option<(i64, String)>> {
    let sql =
        "SELECT id, incident FROM alerts WHERE sink = ?1 AND status = 'pending' AND occasion = 'summary'
                   AND attempts = 0 ORDER BY id LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(tx.prepare_cached(sql)?.query_row([sink], read).optional()?)
}

/// How many are due, as far as that matters: counted to one more than `above`.
fn count_due(tx: &Tx<'_>, sink: &str, now: Timestamp, above: usize) -> Result<usize> {
    let sql = "SELECT id FROM alerts WHERE status = 'pending' AND sink = ?1 AND tier = ?2 AND due_ms <= ?3 LIMIT ?4";
    let mut statement = tx.prepare_cached(sql)?;
    let mut due = 0;
    for tier in 0..TIERS {
        let room = i64::try_from((above + 1).saturating_sub(due))?;
        let found = statement.query(params![sink, tier, now.as_millisecond(), room])?;
        due += collect(found, |row| Ok(row.get::<_, i64>(0)?))?.len();
    }
    Ok(due)
}

/// What may be told together, the most urgent first: news and reminders nobody tried to send, which tell of no other
/// incident themselves. Ends and verdicts belong to messages that were sent.
fn to_fold(tx: &Tx<'_>, sink: &str, singly: usize, now: Timestamp) -> Result<Vec<(i64, String)>> {
    let sql = "SELECT id, incident FROM alerts WHERE status = 'pending' AND sink = ?1 AND tier = ?2 AND due_ms <= ?3
                   AND attempts = 0 AND occasion IN ('new', 'rose', 'reopened', 'reminder')
                   AND NOT EXISTS (SELECT 1 FROM alerts AS child WHERE child.folded_into = alerts.incident
                                   AND child.sink = alerts.sink AND child.status = 'folded' AND child.head IS NULL)
               ORDER BY due_ms, id LIMIT -1 OFFSET ?4";
    let mut statement = tx.prepare_cached(sql)?;
    let mut all = Vec::new();
    for tier in 0..TIERS {
        let kept = if tier == 0 { i64::try_from(singly)? } else { 0 };
        let found = statement.query(params![sink, tier, now.as_millisecond(), kept])?;
        all.extend(collect(found, |row| Ok((row.get(0)?, row.get(1)?)))?);
    }
    Ok(all)
}

/// Who is there to be told, at a start.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The receivers.
    pub sinks: Vec<&'static str>,
    /// Those of them that take the state of each incident, not messages.
    pub level: Vec<&'static str>,
    /// What is less grave is told to nobody.
    pub min_severity: Severity,
}

/// Tells receivers that were not there before of all that is open: in one message, or each, where they take states.
/// How many incidents each was told of.
pub(super) fn greet(tx: &Tx<'_>, greeting: &Greeting, now: Timestamp) -> Result<Vec<(&'static str, usize)>> {
    let sinks = serde_json::to_string(&greeting.sinks)?;
    let sql = "DELETE FROM receivers WHERE sink NOT IN (SELECT value FROM json_each(?1))";
    tx.prepare_cached(sql)?.execute([sinks])?;
    let mut told = Vec::new();
    for sink in &greeting.sinks {
        let sql = "INSERT OR IGNORE INTO receivers VALUES (?1, ?2)";
        if tx.prepare_cached(sql)?.execute(params![sink, now.as_millisecond()])? == 0 {
            continue;
        }
        // It may have been one before, and be due a reminder.
        tx.prepare_cached("UPDATE incidents SET remind_ms = 0 WHERE remind_ms IS NOT NULL")?.execute([])?;
        let open = untold(tx, sink, greeting.min_severity)?;
        let together = !greeting.level.contains(sink) && open.len() > 1;
        tell_of(tx, sink, &open, together, now)?;
        told.extend((!open.is_empty()).then_some((*sink, open.len())));
    }
    Ok(told)
}

/// What is open and does not wait to be told there, the worst first.
fn untold(tx: &Tx<'_>, sink: &str, min_severity: Severity) -> Result<Vec<String>> {
    let sql = "SELECT id FROM incidents WHERE status = 'open' AND worth % 3 >= ?2
                   AND NOT EXISTS (SELECT 1 FROM alerts WHERE incident = incidents.id AND sink = ?1
                                   AND status = 'pending')
               ORDER BY worth DESC, id";
    let least = match min_severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    };
    collect(tx.prepare_cached(sql)?.query(params![sink, least])?, |row| Ok(row.get(0)?))
}

fn tell_of(tx: &Tx<'_>, sink: &str, incidents: &[String], together: bool, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO alerts (incident, sink, status, occasion, created_ms, due_ms, folded_into, head, told_seen_ms)
               SELECT id, ?2, ?3, ?4, ?5, ?5, ?6, ?7, CASE ?3 WHEN 'folded' THEN last_seen_ms END
               FROM incidents WHERE id = ?1 RETURNING id";
    let mut insert = tx.prepare_cached(sql)?;
    let occasion = if together { "summary" } else { "new" };
    let mut head = None::<(i64, &String)>;
    for id in incidents {
        let status = if head.is_some() { "folded" } else { "pending" };
        let (alert, into) = head.unzip();
        let row = params![id, sink, status, occasion, now.as_millisecond(), into, alert];
        let put: i64 = insert.query_row(row, |row| row.get(0))?;
        if together && head.is_none() {
            head = Some((put, id));
        }
    }
    Ok(())
}
