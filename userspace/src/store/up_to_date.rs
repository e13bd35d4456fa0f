//! The numbers of now in an incident that was told of before: a loop's deaths, what a leak has grown to. Its evidence
//! stays that of the first report.

use anyhow::Result;
use rusqlite::{OptionalExtension as _, Row, named_params};

use super::recording::Recording;
use super::row::{json, to_json};
use super::tx::Tx;
use crate::kinds::case::{Fact, Finding};
use crate::model::{Verdict, VerdictBy};

/// Makes the facts of a later report the incident's, and the rules' verdict on them. A model's verdict stays, as do the
/// facts where they are other ones: it cites them by number.
pub(super) fn bring(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<()> {
    // One that can't be read is no reason to lose this case.
    let Some(shown) = Shown::read(tx, id)? else { return Ok(()) };
    let file = &recording.case.file;
    let by_rules = shown.verdict.by == VerdictBy::Rules;
    if !by_rules && !shown.has_shape_of(&file.facts, &file.findings) {
        return Ok(());
    }
    let verdict = if by_rules { recording.verdict } else { &shown.verdict };
    let sql = "UPDATE incidents SET facts = :facts, findings = :findings, verdict = :verdict
               WHERE id = :id AND last_seen_ms <= :seen_ms";
    tx.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":seen_ms": recording.seen_ms(),
        ":facts": to_json(&file.facts)?,
        ":findings": to_json(&file.findings)?,
        ":verdict": to_json(verdict)?,
    })?;
    Ok(())
}

/// Whether the incident shows the very statements of this case, whatever their numbers: what was said of those holds.
pub(super) fn shows_statements_of(tx: &Tx<'_>, id: &str, recording: &Recording<'_>) -> Result<bool> {
    let file = &recording.case.file;
    Ok(Shown::read(tx, id)?.is_some_and(|shown| shown.has_shape_of(&file.facts, &file.findings)))
}

/// What the incident shows.
struct Shown {
    facts: Vec<Fact>,
    findings: Vec<Finding>,
    verdict: Verdict,
}

impl Shown {
    /// `None`: it is gone, or can't be read.
    fn read(tx: &Tx<'_>, id: &str) -> Result<Option<Self>> {
        let sql = "SELECT facts, findings, verdict FROM incidents WHERE id = ?1";
        let read = |row: &Row<'_>| Ok(Self::of(row).ok());
        Ok(tx.prepare_cached(sql)?.query_row([id], read).optional()?.flatten())
    }

    fn of(row: &Row<'_>) -> Result<Self> {
        let (facts, findings) = (json(row, "facts")?, json(row, "findings")?);
        Ok(Self { facts, findings, verdict: json(row, "verdict")? })
    }

    /// Whether each number stands for the same statement as here.
    fn has_shape_of(&self, facts: &[Fact], findings: &[Finding]) -> bool {
        let statement = |fact: &Fact| {
            let data = serde_json::to_value(&fact.data).ok();
            (fact.id.clone(), fact.source.clone(), data.and_then(|it| it.get("type").cloned()))
        };
        self.facts.iter().map(statement).eq(facts.iter().map(statement))
            && self.findings.iter().map(|it| &it.facts).eq(findings.iter().map(|it| &it.facts))
    }
}
