//! The outbox: alerts that wait to be sent, and what became of them. An alert is written down as being tried
//! before it is sent, so that a try whose answer was never seen is known as such.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{Row, params};

use super::announce::announce_verdict;
use super::due::{Brief, DueAlert, Tally};
use super::related;
use super::row::{collect, incident, time, unsigned, word};
use super::trouble::sqlite_code;
use super::truth;
use super::tx::Tx;
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

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it, with a verdict by this analyst; what it calls it.
    Sent {
        /// Whose verdict it was told.
        by: VerdictBy,
        /// What the receiver calls the message.
        receipt: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// It is to be tried again, then.
    Retry(DeliveryFailure, Timestamp),
    /// It is given up.
    Failed(DeliveryFailure),
}

impl DeliveryOutcome {
    /// As metrics call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "sent",
            Self::Retry(..) => "retried",
            Self::Failed(_) => "failed",
        }
    }
}

/// An alert that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The outbox row.
    pub alert: i64,
    /// What became of it.
    pub outcome: DeliveryOutcome,
}

/// Notes what became of alerts that were tried.
pub(super) fn settle(tx: &Tx<'_>, all: &[Settled]) -> Result<()> {
    for Settled { alert, outcome } in all {
        match outcome {
            DeliveryOutcome::Sent { by, receipt, at } => mark_sent(tx, *alert, &(*by, receipt.clone()), *at)?,
            DeliveryOutcome::Retry(failure, next) => mark_retry(tx, *alert, failure, *next)?,
            DeliveryOutcome::Failed(failure) => mark_failed(tx, *alert, failure)?,
        }
    }
    Ok(())
}

/// Other incidents named in one message; the rest is only counted.
const ALSO: i64 = 10;

const DUE: &str = "SELECT incidents.*, alerts.id AS alert, sink, occasion, attempts, may_repeat, created_ms,
                       (SELECT max(told_count) FROM alerts AS before WHERE before.incident = alerts.incident
                        AND before.sink = alerts.sink AND before.status = 'sent') AS told_before,
                       (SELECT receipt FROM alerts AS first WHERE first.incident = alerts.incident
                        AND first.sink = alerts.sink AND first.receipt IS NOT NULL AND first.occasion <> 'summary'
                        ORDER BY first.id LIMIT 1) AS first_receipt,
                       CASE occasion WHEN 'summary'
                       THEN (SELECT count(*) FROM alerts AS folded WHERE folded.head = alerts.id)
                       ELSE (SELECT count(*) FROM alerts AS folded WHERE folded.folded_into = alerts.incident
                        AND folded.sink = alerts.sink AND folded.status = 'folded' AND folded.head IS NULL
                        AND (folded.occasion = 'digest') = (alerts.occasion = 'digest')
                        AND (folded.occasion <> 'reminder' OR alerts.occasion = 'reminder'
                             AND folded.created_ms = alerts.created_ms)) END AS also_count
                   FROM alerts JOIN incidents ON incidents.id = alerts.incident";

/// How urgent an alert can be, 0 the most: what is more severe goes first, and of that what is news. Written by the
/// schema's triggers. Nothing waits for ever behind others: what is too much for a receiver becomes a summary.
pub(super) const TIERS: i64 = 4;

/// An alert whose incident can't be read, and why.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) alert: i64,
    pub(super) reason: String,
}

/// The most urgent first, of equals the longest due: one that is tried again moves behind its equals by its new due
/// time. Without the other incidents that it tells of.
pub(super) fn due(
    tx: &Tx<'_>,
    sink: &str,
    now: Timestamp,
    limit: usize,
) -> Result<(Vec<DueAlert>, Vec<Broken>)> {
    // A tier at a time, and each by its index: it must not cost what is not due.
    let sql = format!(
        "{DUE} WHERE alerts.status = 'pending' AND sink = ?1 AND tier = ?2 AND due_ms <= ?3
         ORDER BY due_ms, alerts.id LIMIT ?4"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for tier in 0..TIERS {
        let room = i64::try_from(limit.saturating_sub(good.len() + bad.len()))?;
        let rows = statement.query(params![sink, tier, now.as_millisecond(), room])?;
        let broken = |row: &Row<'_>, err| Ok(Broken { alert: row.get("alert")?, reason: format!("{err:#}") });
        let (readable, broken) = collect_readable(rows, due_alert, broken)?;
        good.extend(readable);
        bad.extend(broken);
    }
    Ok((good, bad))
}

/// When the next alert is due.
pub(super) fn next_due(tx: &Tx<'_>, sink: &str) -> Result<Option<Timestamp>> {
    let sql = "SELECT min(due_ms) FROM alerts WHERE status = 'pending' AND sink = ?1 AND tier = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let mut due = None::<i64>;
    for tier in 0..TIERS {
        let first: Option<i64> = statement.query_row(params![sink, tier], |row| row.get(0))?;
        due = due.into_iter().chain(first).min();
    }
    // A damaged time may be none at all; one alert's must not stop the others.
    let bound = |ms| if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Ok(due.map(|ms| Timestamp::from_millisecond(ms).unwrap_or_else(|_| bound(ms))))
}

/// Makes alerts that were held for a verdict due now, or when they would be without one. Those that were tried
/// keep the time of their next try.
pub(super) fn release(tx: &Tx<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE alerts SET due_ms = min(due_ms, max(?2, floor_ms))
               WHERE incident = ?1 AND status = 'pending' AND attempts = 0";
    tx.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])?;
    Ok(())
}

/// What a receiver is told next.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) alerts: Vec<DueAlert>,
    /// Given up, because nothing could be said in them.
    pub(super) broken: Vec<Broken>,
}

/// Notes that tries begin of what is due, the most urgent first and one an incident: what follows must not overtake.
pub(super) fn begin(tx: &Tx<'_>, sink: &str, now: Timestamp, limit: usize) -> Result<Begun> {
    let sql = "SELECT id, incident FROM alerts WHERE status = 'pending' AND sink = ?1 AND tier = ?2 AND due_ms <= ?3
               ORDER BY due_ms, id LIMIT ?4";
    let mut statement = tx.prepare_cached(sql)?;
    let (mut begun, mut incidents) = (Begun::default(), BTreeSet::new());
    for tier in 0..TIERS {
        let room = limit.saturating_sub(incidents.len());
        let found = statement.query(params![sink, tier, now.as_millisecond(), i64::try_from(room)?])?;
        for (alert, incident) in collect(found, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?
        {
            if incidents.contains(&incident) {
                continue;
            }
            match start_attempt(tx, alert, now) {
                Ok(Some(due)) => begun.alerts.push(due),
                Ok(None) => {}
                Err(err) if sqlite_code(&err).is_none() => {
                    let reason = format!("{err:#}");
                    let failure = DeliveryFailure { at: now, error: reason.clone(), may_have_arrived: false };
                    mark_failed(tx, alert, &failure)?;
                    begun.broken.push(Broken { alert, reason });
                }
                Err(err) => return Err(err),
            }
            incidents.insert(incident);
        }
    }
    Ok(begun)
}

/// Notes that a try begins; the alert as it stands, `None` when it does not wait any more, or is not true any more.
pub(super) fn start_attempt(tx: &Tx<'_>, alert: i64, at: Timestamp) -> Result<Option<DueAlert>> {
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
    if !truth::is_true(found.occasion, found.incident.status) {
        let error = truth::TAKEN_BACK.to_owned();
        mark_failed(tx, alert, &DeliveryFailure { at, error, may_have_arrived: false })?;
        return Ok(None);
    }
    found.attempts = found.attempts.saturating_sub(1);
    if found.occasion == Occasion::Summary {
        found.also = also_in_summary(tx, &found)?;
        found.tally = tally(tx, alert)?;
    } else {
        found.also = also(tx, &found)?;
    }
    found.incident.related = related::of(tx, &found.incident.id)?;
    Ok(Some(found))
}

/// The receiver has it, with a verdict by this analyst. Where the model's has come since, it follows.
pub(super) fn mark_sent(
    tx: &Tx<'_>,
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
pub(super) fn give_up_without(tx: &Tx<'_>, sinks: &[&str], at: Timestamp) -> Result<u64> {
    let sql = "UPDATE alerts SET status = 'failed', at_ms = ?2, in_flight = 0,
                   error = '`' || sink || '` is no longer configured'
               WHERE status = 'pending' AND sink NOT IN (SELECT value FROM json_each(?1))";
    let sinks = serde_json::to_string(sinks)?;
    let changed = tx.prepare_cached(sql)?.execute(params![sinks, at.as_millisecond()])?;
    Ok(u64::try_from(changed)?)
}

/// It is to be tried again.
pub(super) fn mark_retry(tx: &Tx<'_>, alert: i64, failure: &DeliveryFailure, next: Timestamp) -> Result<()> {
    let sql = "UPDATE alerts SET at_ms = ?2, error = ?3, in_flight = ?4, due_ms = ?5
               WHERE id = ?1 AND status = 'pending'";
    let DeliveryFailure { at, error, may_have_arrived } = failure;
    let row = params![alert, at.as_millisecond(), error, may_have_arrived, next.as_millisecond()];
    tx.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// It is given up.
pub(super) fn mark_failed(tx: &Tx<'_>, alert: i64, failure: &DeliveryFailure) -> Result<()> {
    let sql = "UPDATE alerts SET status = 'failed', at_ms = ?2, error = ?3, in_flight = ?4 WHERE id = ?1";
    let DeliveryFailure { at, error, may_have_arrived } = failure;
    tx.prepare_cached(sql)?.execute(params![alert, at.as_millisecond(), error, may_have_arrived])?;
    Ok(())
}

/// The incidents whose alerts were grouped with this one, worst first.
fn also(tx: &Tx<'_>, alert: &DueAlert) -> Result<Vec<Brief>> {
    let sql = "SELECT i.id, i.kind, i.severity, i.title, i.count FROM incidents i WHERE i.id IN
                   (SELECT incident FROM alerts WHERE folded_into = ?1 AND sink = ?2 AND status = 'folded'
                    AND head IS NULL AND (occasion = 'digest') = ?3
                    AND (occasion <> 'reminder' OR ?5 AND created_ms = ?6))
               ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, i.id LIMIT ?4";
    let mut statement = tx.prepare_cached(sql)?;
    let digest = alert.occasion == Occasion::Digest;
    let (reminder, created_ms) = (alert.occasion == Occasion::Reminder, alert.created.as_millisecond());
    let rows = statement.query(params![alert.incident.id, alert.sink, digest, ALSO, reminder, created_ms])?;
    // One that can't be read must not hold the others: it is counted in `also_count` all the same.
    Ok(collect(rows, |row| Ok(brief(row).ok()))?.into_iter().flatten().collect())
}

/// The worst of what a summary tells of beside its own incident.
fn also_in_summary(tx: &Tx<'_>, alert: &DueAlert) -> Result<Vec<Brief>> {
    let sql = "SELECT i.id, i.kind, i.severity, i.title, i.count FROM alerts a JOIN incidents i ON i.id = a.incident
               WHERE a.head = ?1 ORDER BY i.worth % 3 DESC, i.id LIMIT ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query(params![alert.id, ALSO])?;
    Ok(collect(rows, |row| Ok(brief(row).ok()))?.into_iter().flatten().collect())
}

/// All that a summary tells of, its own incident included.
fn tally(tx: &Tx<'_>, alert: i64) -> Result<Vec<Tally>> {
    let sql = "SELECT i.kind, i.severity, count(*) AS count FROM incidents i WHERE i.id IN
                   (SELECT incident FROM alerts WHERE head = ?1 UNION SELECT incident FROM alerts WHERE id = ?1)
               GROUP BY i.kind, i.severity";
    let mut statement = tx.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let tally = || {
            Ok::<_, anyhow::Error>(Tally {
                kind: word(row, "kind")?,
                severity: word(row, "severity")?,
                count: unsigned(row, "count")?,
            })
        };
        Ok(tally().ok())
    };
    let mut all: Vec<_> = collect(statement.query([alert])?, read)?.into_iter().flatten().collect();
    all.sort_by_key(|it| (Reverse(it.severity), Reverse(it.count), it.kind));
    Ok(all)
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
        tally: Vec::new(),
        attempts: row.get("attempts")?,
        may_repeat: row.get("may_repeat")?,
        created: time(row, "created_ms")?,
        unstored: false,
        incident,
    })
}
