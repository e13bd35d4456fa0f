//! What a person may do with an incident: take it on, or say that it is over.

use anyhow::Result;
use jiff::Timestamp;
use rusqlite::params;

use super::tx::Tx;
use super::{advance, read, truth};
use crate::model::{Incident, IncidentStatus};

/// What a person does to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentAction {
    /// Acknowledge the incident: no more reminders.
    Acknowledge,
    /// Resolve the incident: it is over.
    Resolve,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// It is as was asked; also where it was before.
    Done(Box<Incident>),
    /// It is not possible for an incident as it stands: what is resolved can't be taken on.
    Conflict(IncidentStatus),
    /// There is no such incident.
    Unknown,
}

/// Does what a person asks, and tells those who were told of the incident that it is over.
pub(super) fn act(
    tx: &Tx<'_>,
    id: &str,
    action: IncidentAction,
    sinks: &[&str],
    now: Timestamp,
) -> Result<ActionOutcome> {
    let Some(before) = read::get(tx, id)? else { return Ok(ActionOutcome::Unknown) };
    match (action, before.status) {
        (IncidentAction::Acknowledge, IncidentStatus::Resolved) => {
            return Ok(ActionOutcome::Conflict(before.status));
        }
        (IncidentAction::Acknowledge, IncidentStatus::Acknowledged)
        | (IncidentAction::Resolve, IncidentStatus::Resolved) => {
            return Ok(ActionOutcome::Done(Box::new(before)));
        }
        (IncidentAction::Acknowledge, IncidentStatus::Open) => {
            let sql = "UPDATE incidents SET status = 'acknowledged', acknowledged_ms = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])?;
            advance::forget_reminders(tx, id)?;
            truth::take_back(tx, id, now)?;
        }
        (IncidentAction::Resolve, IncidentStatus::Open | IncidentStatus::Acknowledged) => {
            advance::resolve(tx, id, sinks, now)?;
        }
    }
    Ok(read::get(tx, id)?.map_or(ActionOutcome::Unknown, |it| ActionOutcome::Done(Box::new(it))))
}
