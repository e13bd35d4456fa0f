//! One step in the life of all incidents: what has been silent for long enough is resolved, and what goes on is
//! told of again, each time after a longer while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{Row, named_params, params};

use super::reminders::reminder_after;
use super::row::{collect, milliseconds, signed};
use super::truth;
use super::tx::Tx;
use crate::config::LifeRules;
use crate::kinds;
use crate::model::{IncidentKind, Occasion, ProcessInfo, ProcessKey};

/// What the daemon was able to see since the last step. Silence while it was down, or blind, means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Scans of /proc that were finished.
    pub walks: u64,
    /// Time in which they worked.
    pub walked: Duration,
    /// Time in which the kernel's events came through as well, none of them lost.
    pub events: Duration,
}

/// What a step changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advanced {
    /// Incidents that are over.
    pub resolved: Vec<String>,
    /// Messages put into the outbox.
    pub alerts: u64,
}

/// Scans without a condition before it is over. One more than it takes: the scan that found it last may not have
/// been counted yet when it was recorded.
const CLEAR_WALKS: i64 = 4;

/// A cause that was seen this long before its effect, and not since, is not what makes it go on.
const STILL_CAUSED_MS: i64 = 60_000;

/// Whether there is anything whose life goes on.
pub(super) fn is_needed(tx: &Tx<'_>) -> Result<bool> {
    Ok(tx
        .prepare_cached("SELECT 1 FROM incidents WHERE status IN ('open', 'acknowledged') LIMIT 1")?
        .exists([])?)
}

pub(super) fn advance(
    tx: &Tx<'_>,
    watched: Watched,
    rules: &LifeRules,
    sinks: &[&str],
    now: Timestamp,
) -> Result<Advanced> {
    let sql = "UPDATE watch SET walks = walks + ?1, walked_ms = walked_ms + ?2, events_ms = events_ms + ?3";
    let (walked, events) = (milliseconds(watched.walked), milliseconds(watched.events));
    tx.prepare_cached(sql)?.execute(params![signed(watched.walks), walked, events])?;
    let mut done = Advanced { resolved: silent(tx, rules)?, alerts: 0 };
    for id in &done.resolved {
        done.alerts += resolve(tx, id, sinks, now)?;
    }
    done.alerts += remind(tx, rules, sinks, now)?;
    Ok(done)
}

/// Those that have been silent for long enough, the oldest first.
fn silent(tx: &Tx<'_>, rules: &LifeRules) -> Result<Vec<String>> {
    let (conditions, events): (Vec<_>, Vec<_>) =
        IncidentKind::ALL.into_iter().partition(|kind| kinds::room(*kind).lasts());
    // By kind, so that each half goes to those that are due by its index and looks at no other.
    let sql = "SELECT id FROM incidents WHERE status <> 'resolved'
                   AND kind IN (SELECT value FROM json_each(:events))
                   AND seen_events_ms <= (SELECT events_ms FROM watch) - :quiet_ms
               UNION ALL
               SELECT id FROM incidents WHERE status <> 'resolved'
                   AND kind IN (SELECT value FROM json_each(:conditions))
                   AND seen_walked_ms <= (SELECT walked_ms FROM watch) - :clear_ms
                   AND seen_walks <= (SELECT walks FROM watch) - :walks
               ORDER BY 1";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query(named_params! {
        ":events": serde_json::to_string(&events)?,
        ":conditions": serde_json::to_string(&conditions)?,
        ":walks": CLEAR_WALKS,
        ":clear_ms": milliseconds(rules.clear),
        ":quiet_ms": milliseconds(rules.quiet),
    })?;
    collect(rows, |row| Ok(row.get(0)?))
}

/// The conditions of this kind that are not resolved, on this boot of the host, and whom they are about.
fn open_of_kind(tx: &Tx<'_>, kind: IncidentKind, boot_id: &str) -> Result<Vec<(String, ProcessKey)>> {
    let sql = "SELECT id, process FROM incidents WHERE kind = ?1 AND status <> 'resolved' AND boot_id = ?2";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query(params![kind.as_str(), boot_id])?;
    let found = collect(rows, |row| {
        let process =
            row.get_ref(1)?.as_bytes().ok().and_then(|it| serde_json::from_slice::<ProcessInfo>(it).ok());
        Ok(process.map(|it| it.key()).zip(Some(row.get::<_, String>(0)?)))
    })?;
    Ok(found.into_iter().flatten().map(|(key, id)| (id, key)).collect())
}

/// Says whether a process is alive.
pub type IsAlive = Arc<dyn Fn(ProcessKey) -> bool + Send + Sync>;

/// What was watched so far, and for so long from now on, does not count as silence of those of this kind and boot whose
/// process is alive.
pub(super) fn hold_back(
    tx: &Tx<'_>,
    (kind, boot_id): (IncidentKind, &str),
    patience: Duration,
    is_alive: &dyn Fn(ProcessKey) -> bool,
) -> Result<()> {
    let sql = "UPDATE incidents SET seen_walks = (SELECT walks FROM watch),
                   seen_walked_ms = (SELECT walked_ms FROM watch) + ?2 WHERE id = ?1";
    let mut statement = tx.prepare_cached(sql)?;
    for (id, _) in open_of_kind(tx, kind, boot_id)?.into_iter().filter(|(_, key)| is_alive(*key)) {
        statement.execute(params![id, milliseconds(patience)])?;
    }
    Ok(())
}

/// Resolves an incident and puts a note into the outbox for each receiver that was told of it; how many.
pub(super) fn resolve(tx: &Tx<'_>, id: &str, sinks: &[&str], now: Timestamp) -> Result<u64> {
    let sql = "UPDATE incidents SET status = 'resolved', resolved_ms = ?2, remind_ms = NULL WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])?;
    forget_reminders(tx, id)?;
    truth::take_back(tx, id, now)?;
    let sql = "INSERT INTO alerts (incident, sink, status, occasion, created_ms, due_ms)
               SELECT ?1, ?2, 'pending', 'resolved', ?3, ?3
               WHERE 'resolved' <> (SELECT occasion FROM alerts WHERE incident = ?1 AND sink = ?2
                                    AND status = 'sent' ORDER BY id DESC LIMIT 1)
                 AND NOT EXISTS (SELECT 1 FROM alerts WHERE incident = ?1 AND sink = ?2
                                 AND status = 'pending' AND occasion = 'resolved')";
    let mut insert = tx.prepare_cached(sql)?;
    let mut notes = 0;
    for sink in sinks {
        notes += u64::try_from(insert.execute(params![id, sink, now.as_millisecond()])?)?;
    }
    Ok(notes)
}

/// Takes back what would only say that it goes on.
pub(super) fn forget_reminders(tx: &Tx<'_>, id: &str) -> Result<()> {
    // What its reminder would have told of besides is reminded of by another.
    let sql =
        "DELETE FROM alerts AS folded WHERE folded_into = ?1 AND status = 'folded' AND occasion = 'reminder'
               AND EXISTS (SELECT 1 FROM alerts AS head WHERE head.incident = ?1 AND head.sink = folded.sink
                           AND head.status = 'pending' AND head.attempts = 0 AND head.occasion = 'reminder'
                           AND head.created_ms = folded.created_ms)";
    tx.prepare_cached(sql)?.execute([id])?;
    let sql = "DELETE FROM alerts WHERE incident = ?1 AND status = 'pending' AND attempts = 0
               AND occasion IN ('reminder', 'reopened')";
    tx.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

/// What one receiver was told of one open incident that has been seen since.
struct ToldReceiver {
    sink: String,
    /// When it was told last.
    at_ms: i64,
    /// How many messages only said that it goes on, or is back.
    steps: i64,
    /// Whether it was told by this incident's own alert.
    itself: bool,
    /// What the last message was, as `sent`.
    last: Option<String>,
    /// Whether one message told of it and of others, and nothing else ever did: such are told of together.
    in_a_digest: bool,
}

/// Puts reminders into the outbox; how many. Looks at those alone whose time has come: `remind_ms` is when, at the
/// earliest, there may be something to remind of. A repeat sets it, and an alert that is settled.
fn remind(tx: &Tx<'_>, rules: &LifeRules, sinks: &[&str], now: Timestamp) -> Result<u64> {
    let (mut put, mut together) = (0, BTreeMap::<String, Vec<String>>::new());
    for incident in to_look_at(tx, now)? {
        let mut next = None::<i64>;
        for told in told(tx, &incident)? {
            if !sinks.contains(&told.sink.as_str()) {
                // Not before there are other receivers, as of another start.
                next = Some(next.unwrap_or(i64::MAX));
                continue;
            }
            let Some(wait) = reminder_after(rules, told.steps) else { continue };
            let due_ms = told.at_ms.saturating_add(milliseconds(wait));
            if due_ms > now.as_millisecond() {
                next = Some(next.map_or(due_ms, |next| next.min(due_ms)));
                continue;
            }
            if told.in_a_digest {
                together.entry(told.sink).or_default().push(incident.clone());
                continue;
            }
            let occasion = match (told.itself, told.last.as_deref()) {
                (false, _) => Occasion::New,
                (true, Some("resolved")) => Occasion::Reopened,
                (true, _) => Occasion::Reminder,
            };
            let sql = "INSERT INTO alerts (incident, sink, status, occasion, created_ms, due_ms)
                       VALUES (?1, ?2, 'pending', ?3, ?4, ?4)";
            let row = params![incident, told.sink, occasion.as_str(), now.as_millisecond()];
            put += u64::try_from(tx.prepare_cached(sql)?.execute(row)?)?;
        }
        let sql = "UPDATE incidents SET remind_ms = ?2 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![incident, next])?;
    }
    for (sink, incidents) in together {
        put += remind_together(tx, &sink, &incidents, now)?;
    }
    Ok(put)
}

/// Incidents of which somebody may have to be reminded, worst first.
fn to_look_at(tx: &Tx<'_>, now: Timestamp) -> Result<Vec<String>> {
    let sql = "SELECT id FROM incidents WHERE remind_ms <= ?1
               ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, id";
    collect(tx.prepare_cached(sql)?.query([now.as_millisecond()])?, |row| Ok(row.get(0)?))
}

/// One reminder of what a digest told of: the first's, and the others are told of in it.
fn remind_together(tx: &Tx<'_>, sink: &str, incidents: &[String], now: Timestamp) -> Result<u64> {
    let Some(head) = incidents.first() else { return Ok(0) };
    let sql =
        "INSERT INTO alerts (incident, sink, status, occasion, created_ms, due_ms, folded_into, told_seen_ms)
               SELECT id, ?2, CASE id WHEN ?3 THEN 'pending' ELSE 'folded' END, 'reminder', ?4, ?4,
                   nullif(?3, id), CASE id WHEN ?3 THEN NULL ELSE last_seen_ms END
               FROM incidents WHERE id = ?1";
    let mut insert = tx.prepare_cached(sql)?;
    for id in incidents {
        insert.execute(params![id, sink, head, now.as_millisecond()])?;
    }
    Ok(1)
}

/// Who was told of this incident, where it is open and was seen since. Not what was told of by its cause's alert,
/// while that goes on as well, nor by a digest or a reminder that still waits. What another's message told of was
/// told when that was sent.
fn told(tx: &Tx<'_>, incident: &str) -> Result<Vec<ToldReceiver>> {
    let sql = "SELECT a.sink, max(coalesce(a.at_ms,
                       (SELECT max(at_ms) FROM alerts AS head WHERE head.incident = a.folded_into
                        AND head.sink = a.sink AND head.status = 'sent' AND head.occasion = a.occasion
                        AND a.occasion IN ('digest', 'summary', 'reminder')), a.created_ms)) AS told_ms,
                   sum(a.occasion IN ('reminder', 'reopened')) AS steps, max(a.status = 'sent') AS itself,
                   (SELECT occasion FROM alerts WHERE incident = a.incident AND sink = a.sink
                    AND status = 'sent' ORDER BY id DESC LIMIT 1) AS last,
                   max(a.occasion IN ('digest', 'summary'))
                       AND min(a.occasion IN ('digest', 'summary', 'reminder')) AS in_a_digest
               FROM incidents i JOIN alerts a ON a.incident = i.id
               WHERE i.id = ?2 AND i.status = 'open' AND a.status IN ('sent', 'folded')
                 AND NOT EXISTS (SELECT 1 FROM alerts WHERE incident = i.id AND sink = a.sink
                                 AND status = 'pending')
                 AND NOT EXISTS (SELECT 1 FROM alerts AS own JOIN alerts AS head
                                 ON head.incident = own.folded_into AND head.sink = own.sink
                                 WHERE own.incident = i.id AND own.sink = a.sink AND own.status = 'folded'
                                 AND own.occasion IN ('digest', 'summary', 'reminder')
                                 AND head.status = 'pending' AND head.occasion = own.occasion)
               GROUP BY a.sink
               HAVING i.last_seen_ms > max(coalesce(a.told_seen_ms, a.at_ms, a.created_ms))
                 AND (itself OR in_a_digest OR NOT EXISTS (SELECT 1 FROM incidents AS cause
                      WHERE cause.id = a.folded_into AND cause.last_seen_ms >= i.last_seen_ms - ?1))";
    let mut statement = tx.prepare_cached(sql)?;
    collect(statement.query(params![STILL_CAUSED_MS, incident])?, read_told)
}

fn read_told(row: &Row<'_>) -> Result<ToldReceiver> {
    Ok(ToldReceiver {
        sink: row.get("sink")?,
        at_ms: row.get("told_ms")?,
        steps: row.get("steps")?,
        itself: row.get("itself")?,
        last: row.get("last")?,
        in_a_digest: row.get("in_a_digest")?,
    })
}
