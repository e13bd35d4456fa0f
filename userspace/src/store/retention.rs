//! How much the store keeps: at the limit the oldest resolved incidents go first, then the oldest.

use anyhow::{Context as _, Result};
use rusqlite::{OptionalExtension as _, Transaction};

use super::row::signed;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) incidents: u64,
    pub(super) evidence_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { incidents: 10_000, evidence_bytes: 512 * 1024 * 1024 }
    }
}

/// What had to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) incidents: u64,
    /// Alerts that went with them before they could be sent.
    pub(super) pending_alerts: u64,
}

/// Deletes until the limits hold; `newest` stays whatever it takes.
pub(super) fn enforce(tx: &Transaction<'_>, limits: Limits, newest: &str) -> Result<Removed> {
    let mut removed = Removed::default();
    while is_over(tx, limits)? {
        // The index incidents_by_size answers this; an incident that waits to be alerted goes after others.
        let sql = "SELECT id FROM incidents WHERE id <> ?1
                   ORDER BY status <> 'resolved',
                       EXISTS (SELECT 1 FROM alerts WHERE incident = incidents.id AND status = 'pending'), id
                   LIMIT 1";
        let oldest = tx.prepare_cached(sql)?.query_row([newest], |row| row.get::<_, String>(0)).optional()?;
        let Some(oldest) = oldest else { break };
        let sql = "SELECT count(*) FROM alerts WHERE incident = ?1 AND status = 'pending'";
        let pending: i64 = tx.prepare_cached(sql)?.query_row([&oldest], |row| row.get(0))?;
        // Its occurrences, evidence and alerts go with it (ON DELETE CASCADE).
        tx.prepare_cached("DELETE FROM incidents WHERE id = ?1")?.execute([&oldest])?;
        removed.incidents += 1;
        removed.pending_alerts += u64::try_from(pending).context("a negative count")?;
    }
    Ok(removed)
}

fn is_over(tx: &Transaction<'_>, limits: Limits) -> Result<bool> {
    let sql = "SELECT count(*), coalesce(sum(evidence_bytes), 0) FROM incidents";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (incidents, evidence_bytes) = tx.prepare_cached(sql)?.query_row([], read)?;
    Ok(incidents > signed(limits.incidents) || evidence_bytes > signed(limits.evidence_bytes))
}
