//! What a person may do with an incident: take it on, or say that it is over.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{advance, read};
use crate::model::{Incident, IncidentStatus};

/// What is to become of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Somebody is on it: no more reminders.
    Acknowledge,
    /// It is over.
    Resolve,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is as was wished; also where it was before.
    Done(Box<Incident>),
    /// It is not possible for an incident as it stands: what is resolved can't be taken on.
    Conflict(IncidentStatus),
    /// There is no such incident.
    Unknown,
}

/// Does what a person wishes, and tells those who were told of the incident that it is over.
pub(super) fn change(
    tx: &Transaction<'_>,
    id: &str,
    wish: Wish,
    sinks: &[&str],
    now: Timestamp,
) -> Result<Change> {
    let Some(before) = read::get(tx, id)? else { return Ok(Change::Unknown) };
    match (wish, before.status) {
        (Wish::Acknowledge, IncidentStatus::Resolved) => return Ok(Change::Conflict(before.status)),
        (Wish::Acknowledge, IncidentStatus::Acknowledged) | (Wish::Resolve, IncidentStatus::Resolved) => {
            return Ok(Change::Done(Box::new(before)));
        }
        (Wish::Acknowledge, IncidentStatus::Open) => {
            let sql = "UPDATE incidents SET status = 'acknowledged', acknowledged_ms = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])?;
            advance::forget_reminders(tx, id)?;
        }
        (Wish::Resolve, IncidentStatus::Open | IncidentStatus::Acknowledged) => {
            advance::resolve(tx, id, sinks, now)?;
        }
    }
    Ok(read::get(tx, id)?.map_or(Change::Unknown, |it| Change::Done(Box::new(it))))
}
