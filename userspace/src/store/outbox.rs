//! The outbox: alerts that wait to be sent, and what became of them. An alert is written down as being tried
//! before it is sent, so that a try whose answer was never seen is known as such.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::announce::announce_verdict;
use super::due::{Brief, DueAlert};
use super::related;
use super::row::{collect, incident, time, unsigned, word};
use super::unreadable::collect_readable;
use crate::model::{Occasion, VerdictBy};

/// A try that did not go well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// When the attempt to send it ended.
    pub at: Timestamp,
    /// What the receiver, or the network, said.
    pub error: String,
    /// Whether the receiver may have it all the same: no answer came.
    pub may_have_arrived: bool,
}

/// Other incidents named in one message; the rest is only counted.
const ALSO: i64 = 10;

const DUE: &str = "SELECT incidents.*, alerts.id AS alert, sink, occasion, attempts, may_repeat, created_ms,
                       (SELECT max(told_count) FROM alerts AS before WHERE before.incident = alerts.incident
                        AND before.sink = alerts.sink AND before.status = 'sent') AS told_before,
                       (SELECT receipt FROM alerts AS first WHERE first.incident = alerts.incident
                        AND first.sink = alerts.sink AND first.receipt IS NOT NULL
                        ORDER BY first.id LIMIT 1) AS first_receipt,
                       (SELECT count(*) FROM alerts AS folded WHERE folded.folded_into = alerts.incident
                        AND folded.sink = alerts.sink AND folded.status = 'folded'
                        AND (folded.occasion = 'digest') = (alerts.occasion = 'digest')
                        AND (folded.occasion <> 'reminder' OR alerts.occasion = 'reminder'
                             AND folded.created_ms = alerts.created_ms)) AS also_count
                   FROM alerts JOIN incidents ON incidents.id = alerts.incident";

/// What is more severe, and what is news, goes first; nothing waits more than a few minutes for others: a due time
/// so much earlier beats it.
const BY_URGENCY: &str = "due_ms
    - CASE severity WHEN 'critical' THEN 120000 WHEN 'warning' THEN 60000 ELSE 0 END
    + CASE WHEN occasion IN ('reminder', 'resolved') THEN 60000 ELSE 0 END, alerts.id";

/// An alert whose incident can't be read, and why.
pub(super) struct Broken {
    pub(super) alert: i64,
    pub(super) reason: String,
}

/// The most urgent first, of equals the longest due: one that is tried again moves behind the others by its new
/// due time. Without the other incidents that it tells of.
pub(super) fn due(
    tx: &Transaction<'_>,
    sink: &str,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<DueAlert>, Vec<Broken>)> {
    let sql = format!(
        "{DUE} WHERE alerts.status = 'pending' AND sink = ?3 AND due_ms <= ?1 ORDER BY {BY_URGENCY} LIMIT ?2"
    );
    let limit = i64::try_from(limit)?;
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query(params![now.as_millisecond(), limit, sink])?;
    let broken = |row: &Row<'_>, err| Ok(Broken { alert: row.get("alert")?, reason: format!("{err:#}") });
    collect_readable(rows, due_alert, broken)
}

/// When the next alert is due.
pub(super) fn next_due(tx: &Transaction<'_>, sink: &str) -> Result<Option<Timestamp>> {
    let sql = "SELECT due_ms FROM alerts WHERE status = 'pending' AND sink = ?1 ORDER BY due_ms LIMIT 1";
    let due = tx.prepare_cached(sql)?.query_row([sink], |row| row.get::<_, i64>(0)).optional()?;
    // A damaged time may be none at all; one alert's must not stop the others.
    let bound = |ms| if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Ok(due.map(|ms| Timestamp::from_millisecond(ms).unwrap_or_else(|_| bound(ms))))
}

/// Makes alerts that were held for a verdict due now, or when they would be without one. Those that were tried
/// keep the time of their next try.
pub(super) fn release(tx: &Transaction<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE alerts SET due_ms = min(due_ms, max(?2, floor_ms))
               WHERE incident = ?1 AND status = 'pending' AND attempts = 0";
    tx.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])?;
    Ok(())
}

/// Notes that a try begins; the alert as it stands, `None` when it does not wait any more.
pub(super) fn start_attempt(tx: &Transaction<'_>, alert: i64, at: Timestamp) -> Result<Option<DueAlert>> {
    let sql = format!("{DUE} WHERE alerts.id = ?1 AND alerts.status = 'pending'");
    let mut statement = tx.prepare_cached(&sql)?;
    // Read after the update, to have in `may_repeat` whether an earlier try is unsettled.
    let update = "UPDATE alerts SET attempts = attempts + 1, at_ms = ?2,
                      may_repeat = max(may_repeat, in_flight), in_flight = 1,
                      (told_count, told_seen_ms) =
                          (SELECT count, last_seen_ms FROM incidents WHERE incidents.id = alerts.incident)
                  WHERE id = ?1 AND status = 'pending'";
    tx.prepare_cached(update)?.execute(params![alert, at.as_millisecond()])?;
    let mut rows = statement.query([alert])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut found = due_alert(row)?;
    found.attempts = found.attempts.saturating_sub(1);
    found.also = also(tx, &found)?;
    found.incident.related = related::of(tx, &found.incident.id)?;
    Ok(Some(found))
}

/// The receiver has it, with a verdict by this analyst. Where the model's has come since, it follows.
pub(super) fn mark_sent(
    tx: &Transaction<'_>,
    alert: i64,
    (by, receipt): &(VerdictBy, Option<String>),
    at: Timestamp,
) -> Result<()> {
    let sql = "UPDATE alerts SET status = 'sent', at_ms = ?2, error = NULL, in_flight = 0, receipt = ?3
               WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![alert, at.as_millisecond(), receipt])?;
    if receipt.is_none() || *by == VerdictBy::Model {
        return Ok(());
    }
    let sql = "SELECT incidents.* FROM incidents JOIN alerts ON alerts.incident = incidents.id WHERE alerts.id = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([alert])?;
    let Some(now) = rows.next()?.map(incident).transpose()? else { return Ok(()) };
    if now.verdict.by == VerdictBy::Model { announce_verdict(tx, &now.id, at) } else { Ok(()) }
}

/// Gives up what waits for a receiver that is none of these; how many.
pub(super) fn give_up_without(tx: &Transaction<'_>, sinks: &[&str], at: Timestamp) -> Result<u64> {
    let sql = "UPDATE alerts SET status = 'failed', at_ms = ?2, in_flight = 0,
                   error = '`' || sink || '` is no longer configured'
               WHERE status = 'pending' AND sink NOT IN (SELECT value FROM json_each(?1))";
    let sinks = serde_json::to_string(sinks)?;
    let changed = tx.prepare_cached(sql)?.execute(params![sinks, at.as_millisecond()])?;
    Ok(u64::try_from(changed)?)
}

/// It is to be tried again.
pub(super) fn mark_retry(
    tx: &Transaction<'_>,
    alert: i64,
    failure: &DeliveryFailure,
    next: Timestamp,
) -> Result<()> {
    let sql = "UPDATE alerts SET at_ms = ?2, error = ?3, in_flight = ?4, due_ms = ?5
               WHERE id = ?1 AND status = 'pending'";
    let DeliveryFailure { at, error, may_have_arrived } = failure;
    let row = params![alert, at.as_millisecond(), error, may_have_arrived, next.as_millisecond()];
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// It is given up.
pub(super) fn mark_failed(tx: &Transaction<'_>, alert: i64, failure: &DeliveryFailure) -> Result<()> {
    let sql = "UPDATE alerts SET status = 'failed', at_ms = ?2, error = ?3, in_flight = ?4 WHERE id = ?1";
    let DeliveryFailure { at, error, may_have_arrived } = failure;
    tx.prepare_cached(sql)?.execute(params![alert, at.as_millisecond(), error, may_have_arrived])?;
    Ok(())
}

/// The incidents whose alerts were grouped with this one, worst first.
fn also(tx: &Transaction<'_>, alert: &DueAlert) -> Result<Vec<Brief>> {
    let sql = "SELECT i.id, i.kind, i.severity, i.title, i.count FROM incidents i WHERE i.id IN
                   (SELECT incident FROM alerts WHERE folded_into = ?1 AND sink = ?2 AND status = 'folded'
                    AND (occasion = 'digest') = ?3
                    AND (occasion <> 'reminder' OR ?5 AND created_ms = ?6))
               ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, i.id LIMIT ?4";
    let mut statement = tx.prepare_cached(sql)?;
    let digest = alert.occasion == Occasion::Digest;
    let (reminder, created_ms) = (alert.occasion == Occasion::Reminder, alert.created.as_millisecond());
    let rows = statement.query(params![alert.incident.id, alert.sink, digest, ALSO, reminder, created_ms])?;
    // One that can't be read must not hold the others: it is counted in `also_count` all the same.
    Ok(collect(rows, |row| Ok(brief(row).ok()))?.into_iter().flatten().collect())
}

fn brief(row: &Row<'_>) -> Result<Brief> {
    Ok(Brief {
        id: row.get("id")?,
        kind: word(row, "kind")?,
        severity: word(row, "severity")?,
        title: row.get("title")?,
        count: unsigned(row, "count")?,
    })
}

fn due_alert(row: &Row<'_>) -> Result<DueAlert> {
    let incident = incident(row)?;
    Ok(DueAlert {
        id: row.get("alert")?,
        sink: row.get("sink")?,
        occasion: word(row, "occasion")?,
        count: incident.count,
        told_before: row.get::<_, Option<i64>>("told_before")?.and_then(|it| u64::try_from(it).ok()),
        first_receipt: row.get("first_receipt")?,
        also: Vec::new(),
        also_count: unsigned(row, "also_count")?,
        attempts: row.get("attempts")?,
        may_repeat: row.get("may_repeat")?,
        created: time(row, "created_ms")?,
        incident,
    })
}
