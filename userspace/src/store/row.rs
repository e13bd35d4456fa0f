//! Between Rust values and SQLite columns.

use std::time::Duration;

use anyhow::{Context as _, Error, Result};
use jiff::Timestamp;
use rusqlite::{Row, Rows};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::trouble::sqlite_code;
use super::unreadable::Unreadable;
use crate::kinds::case::CaseFile;
use crate::model::{AlertDelivery, EvidenceEntry, Incident, Was};
use crate::render;

/// Every row, each through `read`.
pub(super) fn collect<T>(mut rows: Rows<'_>, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}

/// An incident from `SELECT incidents.*`, without its alerts, its relations and its evidence index.
pub(super) fn incident(row: &Row<'_>) -> Result<Incident> {
    let id: String = row.get("id")?;
    read_incident(row).map_err(|err| unreadable(id, err))
}

/// What is wrong with an incident's row, or with one that belongs to it. An error of the database itself stays
/// what it is.
pub(super) fn unreadable(id: String, err: Error) -> Error {
    if sqlite_code(&err).is_some() {
        return err;
    }
    Unreadable { id, reason: format!("{err:#}") }.into()
}

fn read_incident(row: &Row<'_>) -> Result<Incident> {
    let file = CaseFile {
        process: json(row, "process")?,
        observed_at: time(row, "first_seen_ms")?,
        findings: json(row, "findings")?,
        facts: json(row, "facts")?,
        evidence: Vec::new(),
        completeness: json(row, "completeness")?,
    };
    Ok(Incident {
        id: row.get("id")?,
        kind: word(row, "kind")?,
        severity: word(row, "severity")?,
        rules_severity: word_if(row, "rules_severity")?,
        status: word(row, "status")?,
        fingerprint: row.get("fingerprint")?,
        was: was(row)?,
        title: row.get("title")?,
        host: row.get("host")?,
        boot_id: row.get("boot_id")?,
        first_seen: time(row, "first_seen_ms")?,
        last_seen: time(row, "last_seen_ms")?,
        count: unsigned(row, "count")?,
        acknowledged_at: time_if(row, "acknowledged_ms")?,
        resolved_at: time_if(row, "resolved_ms")?,
        related: Vec::new(),
        findings: render::findings(&file),
        facts: render::facts(&file),
        process: file.process,
        completeness: file.completeness,
        verdict: json(row, "verdict")?,
        alerts: Vec::new(),
        evidence: Vec::new(),
    })
}

fn was(row: &Row<'_>) -> Result<Option<Was>> {
    let Some(kind) = word_if(row, "was_kind")? else { return Ok(None) };
    Ok(Some(Was { kind, fingerprint: row.get("was_fingerprint")? }))
}

/// A delivery from `SELECT alerts.*`.
pub(super) fn delivery(row: &Row<'_>) -> Result<AlertDelivery> {
    Ok(AlertDelivery {
        sink: row.get("sink")?,
        occasion: word(row, "occasion")?,
        status: word(row, "status")?,
        at: time_if(row, "at_ms")?,
        attempts: row.get("attempts")?,
        error: row.get("error")?,
        folded_into: row.get("folded_into")?,
    })
}

/// A line of the evidence index; `size_bytes` computed by the query.
pub(super) fn evidence_entry(row: &Row<'_>) -> Result<EvidenceEntry> {
    Ok(EvidenceEntry {
        name: row.get("name")?,
        source: row.get("source")?,
        taken_at: time(row, "taken_ms")?,
        size_bytes: unsigned(row, "size_bytes")?,
        truncated: row.get("truncated")?,
    })
}

/// A column of milliseconds.
pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    let ms = row.get(column)?;
    Timestamp::from_millisecond(ms).with_context(|| format!("column {column}"))
}

/// A column of milliseconds that may be empty.
fn time_if(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>> {
    let ms: Option<i64> = row.get(column)?;
    ms.map(Timestamp::from_millisecond).transpose().with_context(|| format!("column {column}"))
}

/// A span as it is compared with columns of milliseconds.
pub(super) fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A value as a JSON column.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).context("cannot be put into JSON")
}

/// SQLite's integers are signed; nothing counted here gets near that end.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, column: &str) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).with_context(|| format!("column {column}"))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    let text = row.get_ref(column)?.as_str().with_context(|| format!("column {column}"))?;
    serde_json::from_str(text).with_context(|| format!("column {column}"))
}

/// An enum by the spelling that is its JSON.
pub(super) fn word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(text.into()).with_context(|| format!("column {column}"))
}

/// As [`word`], of a column that may be empty.
fn word_if<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_value(text.into()))
        .transpose()
        .with_context(|| format!("column {column}"))
}
