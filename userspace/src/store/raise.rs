//! The model's verdict on an incident, and what it may change: who is told with which words, and the severity, by
//! one step and never down. What the rules say stays beside it.

use anyhow::Result;
use rusqlite::{OptionalExtension as _, params};

use super::announce::{announce, announce_verdict, digests_waiting};
use super::outbox;
use super::recording::Recording;
use super::tx::Tx;
use super::up_to_date;
use crate::model::{Occasion, Severity, VerdictBy};

/// What became of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// The incident is gone, or shows another file by now.
    Not,
    /// It is the incident's.
    Set,
    /// And it raised its severity.
    Raised,
}

/// Makes the verdict the incident's, as long as the incident shows the file of `recording`: a file is replaced only by
/// one that the rules take for more severe. `recording.plan`: who is to be told if it is raised.
pub(super) fn judge(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<Judged> {
    let rules = recording.case.severity;
    if !up_to_date::shows_statements_of(tx, id, recording)? {
        return Ok(Judged::Not);
    }
    let sql = "UPDATE incidents SET verdict = ?2 WHERE id = ?1 AND coalesce(rules_severity, severity) = ?3";
    let verdict = serde_json::to_string(recording.verdict)?;
    if tx.prepare_cached(sql)?.execute(params![id, verdict, rules.as_str()])? == 0 {
        return Ok(Judged::Not);
    }
    let raised = match recording.verdict.raised_to {
        // Checked where the answer is read; and here, where it counts.
        Some(to) if rules.next() == Some(to) => raise(tx, id, recording, to)?,
        _ => false,
    };
    outbox::release(tx, id, recording.now)?;
    if recording.verdict.by == VerdictBy::Model {
        announce_verdict(tx, id, recording.now)?;
    }
    Ok(if raised { Judged::Raised } else { Judged::Set })
}

/// Whether that is news: not when an earlier verdict said so already.
fn raise(tx: &Tx<'_>, id: &str, recording: &Recording<'_>, to: Severity) -> Result<bool> {
    let sql = "UPDATE incidents SET severity = ?2, rules_severity = ?3
               WHERE id = ?1 AND severity = ?3 AND status <> 'resolved' RETURNING 1";
    let row = params![id, to.as_str(), recording.case.severity.as_str()];
    let raised = tx.prepare_cached(sql)?.query_row(row, |_| Ok(())).optional()?.is_some();
    if raised {
        // The digest of the start will say so: a model must not break its quiet.
        let mut plan = recording.plan.clone();
        let waiting = digests_waiting(tx, id)?;
        plan.sinks.retain(|sink| !waiting.iter().any(|it| it == sink));
        announce(tx, id, &Recording { plan: &plan, ..*recording }, Occasion::Escalated, to, &[])?;
    }
    Ok(raised)
}
