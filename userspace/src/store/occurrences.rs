//! The occurrences of an incident: who had the fault, and when. Kept in a bounded number; the count is not.

use std::time::Duration;

use anyhow::Result;
use rusqlite::{named_params, params};

use super::recording::Recording;
use super::related;
use super::row::{milliseconds, signed};
use super::tx::Tx;
use crate::kinds::shared::signal;

/// A condition of the same process that is reported again within this time has not ended in between.
pub(super) const GOING_ON: Duration = Duration::from_secs(300);

/// Occurrences kept per incident; of older ones only the count stays.
const OCCURRENCES: i64 = 100;

/// Whether the process had this condition a short while ago; then only that occurrence's time moves.
pub(super) fn goes_on(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<bool> {
    let process = &recording.case.file.process;
    let at_ms = recording.seen_ms();
    let sql = "UPDATE occurrences SET at_ms = max(at_ms, :at_ms)
               WHERE id = (SELECT max(id) FROM occurrences WHERE incident = :incident
                           AND boot_id = :boot_id AND pid = :pid AND start_ticks = :start_ticks)
                 AND at_ms >= :since_ms";
    let moved = tx.prepare_cached(sql)?.execute(named_params! {
        ":incident": id,
        ":at_ms": at_ms,
        ":boot_id": recording.host.boot_id,
        ":pid": process.pid,
        ":start_ticks": signed(process.start_ticks),
        ":since_ms": at_ms.saturating_sub(milliseconds(GOING_ON)),
    })?;
    Ok(moved > 0)
}

/// Whether this very process is among them.
pub(super) fn has_occurrence(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<bool> {
    let process = &recording.case.file.process;
    let sql =
        "SELECT 1 FROM occurrences WHERE incident = ?1 AND boot_id = ?2 AND pid = ?3 AND start_ticks = ?4";
    let key = params![id, recording.host.boot_id, process.pid, signed(process.start_ticks)];
    Ok(tx.prepare_cached(sql)?.exists(key)?)
}

/// Adds an occurrence. One by the same process as the latest is the same one going on: only its time moves,
/// else the scans of one sick process would push out all others.
pub(super) fn put_occurrence(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<()> {
    let process = &recording.case.file.process;
    let key = named_params! {
        ":incident": id,
        ":at_ms": recording.seen_ms(),
        ":boot_id": recording.host.boot_id,
        ":pid": process.pid,
        ":start_ticks": signed(process.start_ticks),
    };
    let sql = "UPDATE occurrences SET at_ms = max(at_ms, :at_ms)
               WHERE id = (SELECT max(id) FROM occurrences WHERE incident = :incident)
                 AND boot_id = :boot_id AND pid = :pid AND start_ticks = :start_ticks";
    if tx.prepare_cached(sql)?.execute(key)? > 0 {
        return Ok(());
    }
    let sql = "INSERT INTO occurrences (incident, at_ms, boot_id, pid, start_ticks, ppid, cgroup,
                                        subject, is_sent)
               VALUES (:incident, :at_ms, :boot_id, :pid, :start_ticks, :ppid, :cgroup, :subject, :is_sent)";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":incident": id,
        ":at_ms": recording.seen_ms(),
        ":boot_id": recording.host.boot_id,
        ":pid": process.pid,
        ":start_ticks": signed(process.start_ticks),
        ":ppid": process.ppid,
        ":cgroup": process.cgroup,
        ":subject": related::subject(recording),
        ":is_sent": signal::is_somebodys_doing(&recording.case.file),
    })?;
    let sql = "DELETE FROM occurrences WHERE incident = ?1 AND id <=
                   (SELECT id FROM occurrences WHERE incident = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    tx.prepare_cached(sql)?.execute(params![id, OCCURRENCES])?;
    Ok(())
}
