//! How much the store keeps. At the limit the least worth goes first: what is resolved before what is open, of that the
//! less severe, of that the oldest. Who holds more than a fair share of a full store makes room alone, so that nobody's
//! noise costs what others had; and an open critical incident goes only where its own owner has nothing less.

use anyhow::{Context as _, Result};
use rusqlite::{OptionalExtension as _, params};

use super::row::{collect, signed};
use super::tx::Tx;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) incidents: u64,
    pub(super) evidence_bytes: u64,
    /// Incidents of one owner that are safe from others' noise.
    pub(super) quota: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { incidents: 10_000, evidence_bytes: 512 * 1024 * 1024, quota: 2_500 }
    }
}

/// What had to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) incidents: u64,
    /// Those of them that were not over.
    pub(super) open: u64,
    /// Alerts that went with them before they could be sent.
    pub(super) pending_alerts: u64,
    /// Who made room for holding too much, and how many incidents that is.
    pub(super) noisy: Option<(String, u64)>,
}

/// What an incident is worth that is open and critical; `worth` is the schema's.
const OPEN_CRITICAL: i64 = 5;
/// The least of what is open.
const OPEN: i64 = 3;
/// Looked at for one that has no alert to be sent: it goes before its equals.
const CANDIDATES: i64 = 64;

struct Candidate {
    id: String,
    worth: i64,
    waits: bool,
}

/// Deletes until the limits hold; `newest` stays whatever it takes.
pub(super) fn enforce(tx: &Tx<'_>, limits: Limits, newest: &str) -> Result<Removed> {
    let mut removed = Removed::default();
    while is_over(tx, limits)? {
        let Some((noisiest, held)) = noisiest(tx)? else { break };
        let noisy = held > limits.quota;
        let mut least = if noisy { least_of(tx, &noisiest, newest)? } else { least(tx, newest)? };
        if least.as_ref().is_none_or(|it| it.worth >= OPEN_CRITICAL) {
            // Nothing less is left of others: who has the most makes room.
            least = least_of(tx, &noisiest, newest)?.or(least);
        }
        let Some(Candidate { id, worth, .. }) = least else { break };
        let sql = "SELECT count(*) FROM alerts WHERE incident = ?1 AND status = 'pending'";
        let pending: i64 = tx.prepare_cached(sql)?.query_row([&id], |row| row.get(0))?;
        // Its occurrences, evidence and alerts go with it (ON DELETE CASCADE).
        tx.prepare_cached("DELETE FROM incidents WHERE id = ?1")?.execute([&id])?;
        removed.incidents += 1;
        removed.open += u64::from(worth >= OPEN);
        removed.pending_alerts += u64::try_from(pending).context("a negative count")?;
        if noisy {
            removed.noisy = Some((noisiest, held));
        }
    }
    Ok(removed)
}

fn is_over(tx: &Tx<'_>, limits: Limits) -> Result<bool> {
    let sql = "SELECT incidents, evidence_bytes FROM totals";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (incidents, evidence_bytes) = tx.prepare_cached(sql)?.query_row([], read)?;
    Ok(incidents > signed(limits.incidents) || evidence_bytes > signed(limits.evidence_bytes))
}

/// Who has the most incidents, and how many.
fn noisiest(tx: &Tx<'_>) -> Result<Option<(String, u64)>> {
    let sql = "SELECT owner, incidents FROM owners WHERE incidents > 0 ORDER BY incidents DESC LIMIT 1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
    let found = tx.prepare_cached(sql)?.query_row([], read).optional()?;
    Ok(found.map(|(owner, incidents)| (owner, u64::try_from(incidents).unwrap_or(0))))
}

/// Whether it has an alert to be sent, beside what it is.
const CANDIDATE: &str = "SELECT id, worth, EXISTS (SELECT 1 FROM alerts WHERE incident = incidents.id
                             AND status = 'pending') AS waits FROM incidents";

fn least(tx: &Tx<'_>, newest: &str) -> Result<Option<Candidate>> {
    let sql = format!("{CANDIDATE} WHERE worth >= 0 AND id <> ?1 ORDER BY worth, id LIMIT ?2");
    let mut statement = tx.prepare_cached(&sql)?;
    let found = statement.query(params![newest, CANDIDATES])?;
    Ok(first_to_go(collect(found, candidate)?))
}

fn least_of(tx: &Tx<'_>, owner: &str, newest: &str) -> Result<Option<Candidate>> {
    let sql = format!("{CANDIDATE} WHERE owner = ?3 AND id <> ?1 ORDER BY worth, id LIMIT ?2");
    let mut statement = tx.prepare_cached(&sql)?;
    let found = statement.query(params![newest, CANDIDATES, owner])?;
    Ok(first_to_go(collect(found, candidate)?))
}

fn candidate(row: &rusqlite::Row<'_>) -> Result<Candidate> {
    Ok(Candidate { id: row.get("id")?, worth: row.get("worth")?, waits: row.get("waits")? })
}

/// Of the least worth the oldest, and rather one that nobody has still to be told of.
fn first_to_go(mut found: Vec<Candidate>) -> Option<Candidate> {
    let worth = found.first()?.worth;
    let equal = found.iter().take_while(|it| it.worth == worth);
    let index = equal.into_iter().position(|it| !it.waits).unwrap_or(0);
    Some(found.swap_remove(index))
}
