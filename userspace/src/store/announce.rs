//! Into the outbox: whether, when and why somebody is told of an incident, and whether another's alert already
//! does so.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, named_params, params};

use super::plan::AlertPlan;
use super::recording::Recording;
use super::related::{self, Cause};
use super::reminders::reminder_after;
use super::row::{collect, milliseconds};
use super::truth;
use super::tx::Tx;
use crate::config::LifeRules;
use crate::kinds::case::Fact;
use crate::kinds::shared::ending::facts::EndFact;
use crate::model::{Occasion, Severity};

/// What may turn out to be another incident's effect is told this much later: the two come in any order.
const GROUP_WAIT: Duration = Duration::from_secs(3);

/// What is started again at once may end again: whether it is a loop, which takes over from its parts, shows by then.
const LOOP_WAIT: Duration = Duration::from_secs(10);

/// An alert sent this long ago at most still tells of an effect that comes now.
const FRESH: Duration = Duration::from_secs(60);

/// Puts an alert into the outbox for each receiver that has none waiting untried. One that waits untried
/// will show what the incident is by then.
pub(super) fn announce(
    tx: &Tx<'_>,
    id: &str,
    recording: &Recording<'_>,
    occasion: Occasion,
    severity: Severity,
    causes: &[Cause],
) -> Result<()> {
    for sink in &recording.plan.sinks {
        if waits_untried(tx, id, sink)? {
            continue;
        }
        let occasion = if was_told(tx, id, sink)? { occasion } else { Occasion::New };
        match told_by(tx, causes, severity, sink, recording)? {
            Some(cause) if occasion != Occasion::Escalated => {
                put_grouped(tx, id, recording, sink, occasion, &cause)?;
            }
            _ => put_own(tx, id, recording, sink, occasion)?,
        }
    }
    Ok(())
}

fn put_own(tx: &Tx<'_>, id: &str, recording: &Recording<'_>, sink: &str, occasion: Occasion) -> Result<()> {
    let mut occasion = occasion;
    let mut floor = recording.now_ms();
    if related::may_be_an_effect(recording.case.kind) {
        let wait = if may_become_a_loop(recording) { LOOP_WAIT } else { GROUP_WAIT };
        floor = floor.saturating_add(milliseconds(wait));
    }
    // Who takes states wants each: it groups by itself.
    let digest = recording.plan.digest_until.filter(|_| !recording.plan.level.contains(&sink));
    if let Some(until) = digest.filter(|_| occasion == Occasion::New) {
        if let Some(head) = waiting_digest(tx, sink)? {
            return put_grouped(tx, id, recording, sink, Occasion::Digest, &head);
        }
        (occasion, floor) = (Occasion::Digest, until.as_millisecond());
    }
    let hold = recording.plan.hold_until.filter(|_| !recording.plan.editing.contains(&sink));
    let held = hold.map_or(floor, |until| until.as_millisecond().max(floor));
    let sql = "INSERT INTO alerts (incident, sink, status, occasion, created_ms, floor_ms, due_ms)
               VALUES (:id, :sink, 'pending', :occasion, :now_ms, :floor_ms, :due_ms)";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":sink": sink,
        ":occasion": occasion.as_str(),
        ":now_ms": recording.now_ms(),
        ":floor_ms": floor,
        ":due_ms": held,
    })?;
    Ok(())
}

/// What waited to see whether more comes of it waits no longer than any other: more has come.
pub(super) fn hurry(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<()> {
    let sql = "UPDATE alerts SET due_ms = min(due_ms, ?2), floor_ms = min(floor_ms, ?2)
               WHERE incident = ?1 AND status = 'pending' AND attempts = 0 AND occasion <> 'digest'";
    let at_ms = recording.now_ms().saturating_add(milliseconds(GROUP_WAIT));
    tx.prepare_cached(sql)?.execute(params![id, at_ms])?;
    Ok(())
}

/// Whether what ended is started again, as its supervisor says itself: nothing is down, and more may come of it.
fn may_become_a_loop(recording: &Recording<'_>) -> bool {
    let starts_again =
        |fact: &Fact| matches!(fact.data.as_ending(), Some(EndFact::Parent { starts_it_again: true, .. }));
    related::may_be_a_part(recording.case.kind) && recording.case.file.facts.iter().any(starts_again)
}

fn put_grouped(
    tx: &Tx<'_>,
    id: &str,
    recording: &Recording<'_>,
    sink: &str,
    occasion: Occasion,
    into: &str,
) -> Result<()> {
    let sql =
        "INSERT INTO alerts (incident, sink, status, occasion, created_ms, due_ms, folded_into, told_seen_ms)
               VALUES (:id, :sink, 'folded', :occasion, :now_ms, :now_ms, :into, :seen_ms)";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":sink": sink,
        ":occasion": occasion.as_str(),
        ":now_ms": recording.now_ms(),
        ":into": into,
        ":seen_ms": recording.seen_ms(),
    })?;
    Ok(())
}

/// Groups the waiting alerts of this incident's effects with its own, where it has one.
pub(super) fn group_effects(
    tx: &Tx<'_>,
    id: &str,
    recording: &Recording<'_>,
    severity: Severity,
) -> Result<()> {
    let effects = related::effects(tx, id, recording.case.kind)?;
    for (effect, graveness) in effects.into_iter().filter(|(_, graveness)| *graveness <= severity) {
        for sink in &recording.plan.sinks {
            let this = [Cause { id: id.to_owned(), severity }];
            let Some(head) = told_by(tx, &this, graveness, sink, recording)?.filter(|head| *head != effect)
            else {
                continue;
            };
            let sql = "UPDATE alerts SET status = 'folded', folded_into = ?3, told_seen_ms =
                           (SELECT last_seen_ms FROM incidents WHERE id = ?1)
                       WHERE incident = ?1 AND sink = ?2 AND status = 'pending' AND attempts = 0
                         AND occasion IN ('new', 'reopened')";
            if tx.prepare_cached(sql)?.execute([effect.as_str(), *sink, &head])? > 0 {
                // What it would have told of, the new head tells of.
                let sql = "UPDATE alerts SET folded_into = ?3 WHERE folded_into = ?1 AND sink = ?2
                           AND status = 'folded'";
                tx.prepare_cached(sql)?.execute([effect.as_str(), *sink, &head])?;
            }
        }
    }
    Ok(())
}

/// The incident whose alert tells of something this severe that one of `causes` made happen.
fn told_by(
    tx: &Tx<'_>,
    causes: &[Cause],
    severity: Severity,
    sink: &str,
    recording: &Recording<'_>,
) -> Result<Option<String>> {
    for cause in causes.iter().filter(|cause| cause.severity >= severity) {
        let sql = "SELECT coalesce(folded_into, incident) FROM alerts
                   WHERE incident = ?1 AND sink = ?2 AND occasion NOT IN ('resolved', 'digest')
                     AND (status = 'pending' OR (status = 'sent' AND at_ms >= ?3)
                          OR (status = 'folded' AND created_ms >= ?3))
                   ORDER BY id DESC LIMIT 1";
        let since_ms = recording.now_ms().saturating_sub(milliseconds(FRESH));
        let read = |row: &rusqlite::Row<'_>| row.get(0);
        let found = tx.prepare_cached(sql)?.query_row(params![cause.id, sink, since_ms], read).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn waits_untried(tx: &Tx<'_>, id: &str, sink: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM alerts WHERE incident = ?1 AND sink = ?2 AND status = 'pending' AND attempts = 0
               AND occasion <> 'verdict'";
    Ok(tx.prepare_cached(sql)?.exists([id, sink])?)
}

/// Tells those of the model's verdict who had the rules' and can be told more; once.
pub(super) fn announce_verdict(tx: &Tx<'_>, id: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO alerts (incident, sink, status, occasion, created_ms, floor_ms, due_ms)
               SELECT incident, sink, 'pending', 'verdict', ?2, ?2, ?2 FROM alerts AS told
               WHERE incident = ?1 AND status = 'sent' AND receipt IS NOT NULL AND occasion <> 'summary'
                 AND NOT EXISTS (SELECT 1 FROM alerts AS other WHERE other.incident = ?1
                                 AND other.sink = told.sink AND other.id > told.id AND other.status <> 'folded')
               GROUP BY sink";
    tx.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])?;
    Ok(())
}

/// Whether the receiver has, or will have, heard of it on its own.
fn was_told(tx: &Tx<'_>, id: &str, sink: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM alerts WHERE incident = ?1 AND sink = ?2 AND status <> 'folded'";
    Ok(tx.prepare_cached(sql)?.exists([id, sink])?)
}

/// The incident that heads the digest which waits to be sent.
fn waiting_digest(tx: &Tx<'_>, sink: &str) -> Result<Option<String>> {
    let sql = "SELECT incident FROM alerts WHERE sink = ?1 AND status = 'pending' AND attempts = 0
               AND occasion = 'digest' ORDER BY id LIMIT 1";
    Ok(tx.prepare_cached(sql)?.query_row([sink], |row| row.get(0)).optional()?)
}

/// Receivers whose digest of the start, still to be sent, tells of this incident too.
pub(super) fn digests_waiting(tx: &Tx<'_>, id: &str) -> Result<Vec<String>> {
    let sql =
        "SELECT a.sink FROM alerts a JOIN alerts head ON head.incident = a.folded_into AND head.sink = a.sink
               WHERE a.incident = ?1 AND a.status = 'folded' AND a.occasion = 'digest'
                 AND head.status = 'pending' AND head.attempts = 0 AND head.occasion = 'digest'";
    collect(tx.prepare_cached(sql)?.query([id])?, |row| Ok(row.get(0)?))
}

/// Whether what is back may be told at once: what comes and goes is told of no more often than what stays.
pub(super) fn may_reopen_now(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<bool> {
    let sql =
        "SELECT max(coalesce(at_ms, created_ms)), coalesce(sum(occasion IN ('reminder', 'reopened')), 0)
               FROM alerts WHERE incident = ?1 AND status IN ('sent', 'pending') AND occasion <> 'resolved'";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?));
    let (told_ms, steps) = tx.prepare_cached(sql)?.query_row([id], read)?;
    let wait = milliseconds(reminder_after(recording.rules, steps).unwrap_or(LifeRules::default().remind));
    Ok(told_ms.is_none_or(|at| at.saturating_add(wait) <= recording.now_ms()))
}

/// Takes back what is no longer true of an incident that is back, and tells at once those who take it for over: a
/// receiver of states, always, since its own is wrong; and whoever was being told of the end as it came back.
pub(super) fn announce_back(
    tx: &Tx<'_>,
    id: &str,
    recording: &Recording<'_>,
    severity: Severity,
) -> Result<()> {
    let mut plan = AlertPlan { hold_until: None, sinks: Vec::new(), ..recording.plan.clone() };
    for sink in &recording.plan.sinks {
        let level = recording.plan.level.contains(sink);
        if truth::takes_for_over(tx, id, sink, level)? {
            plan.sinks.push(sink);
        }
    }
    truth::take_back(tx, id, recording.now)?;
    announce(tx, id, &Recording { plan: &plan, ..*recording }, Occasion::Reopened, severity, &[])
}
