//! One fault that is known better now: the incident of a part, such as a service's first bad end, becomes that of the
//! whole, such as its crash loop. It keeps its id, its count and what was told of it.

use anyhow::Result;
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::recording::Recording;
use super::row::{signed, unsigned, word};
use super::tx::Tx;
use crate::model::Severity;

/// The incident of a part.
pub(super) struct Part {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) count: u64,
}

/// `None`: it is over, has become something before, or can't be read.
pub(super) fn of_part(tx: &Tx<'_>, id: &str) -> Result<Option<Part>> {
    let sql =
        "SELECT severity, count FROM incidents WHERE id = ?1 AND status <> 'resolved' AND was_kind IS NULL";
    let read = |row: &Row<'_>| Ok(part(row, id).ok());
    Ok(tx.prepare_cached(sql)?.query_row([id], read).optional()?.flatten())
}

fn part(row: &Row<'_>, id: &str) -> Result<Part> {
    Ok(Part { id: id.to_owned(), severity: word(row, "severity")?, count: unsigned(row, "count")? })
}

/// From now on it is what the case says, by its fingerprint too; what it was stays known for who was told of that.
pub(super) fn replace(
    tx: &Tx<'_>,
    id: &str,
    recording: &Recording<'_>,
    count: u64,
    severity: Severity,
) -> Result<()> {
    let sql = "UPDATE incidents SET was_kind = kind, was_fingerprint = fingerprint, kind = :kind,
                   fingerprint = :fingerprint, count = :count, severity = :severity, rules_severity = NULL,
                   last_seen_ms = max(last_seen_ms, :seen_ms), remind_ms = coalesce(remind_ms, 0) WHERE id = :id";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":kind": recording.case.kind.as_str(),
        ":fingerprint": recording.case.fingerprint,
        ":count": signed(count),
        ":severity": severity.as_str(),
        ":seen_ms": recording.seen_ms(),
    })?;
    Ok(())
}
