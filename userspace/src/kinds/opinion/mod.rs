//! What the built-in analyst thinks of a finding, and what the kinds' verdicts share: whom a sentence is about, the
//! facts a cause rests on, the commands of next steps, the numbers in frozen files.

pub mod commands;
pub mod frozen;

use super::case::{CaseFile, Finding};
use crate::model::{Confidence, Hypothesis, NextStep};
use crate::text;

/// A process's name in a sentence; comm has 15 bytes, a name from elsewhere may have more.
pub const MAX_NAME_CHARS: usize = 40;

/// What a kind's rules think of a finding.
pub struct Opinion {
    /// The most likely cause, in sentences.
    pub cause: String,
    /// How sure that is.
    pub confidence: Confidence,
    /// Where the facts were read that the cause rests on, beside those the finding cites.
    pub sources: &'static [&'static str],
    /// Other causes that would fit.
    pub hypotheses: Vec<Hypothesis>,
    /// What to do, most useful first.
    pub next_steps: Vec<NextStep>,
}

/// The facts a finding cites, as far as they exist.
pub fn cited(file: &CaseFile, finding: &Finding) -> Vec<String> {
    finding.facts.iter().filter(|id| file.facts.iter().any(|fact| &fact.id == *id)).cloned().collect()
}

/// The facts whose source begins with one of `sources`.
pub fn from_sources(file: &CaseFile, sources: &[&str]) -> Vec<String> {
    let read_there = |source: &str| sources.iter().any(|start| source.starts_with(start));
    file.facts.iter().filter(|fact| read_there(&fact.source)).map(|fact| fact.id.clone()).collect()
}

/// Another cause that would fit, resting on facts from `sources`, or on the finding's own.
pub fn hypothesis(
    file: &CaseFile,
    finding: &Finding,
    sources: &[&str],
    cause: impl Into<String>,
) -> Hypothesis {
    let mut evidence = from_sources(file, sources);
    if evidence.is_empty() {
        evidence = cited(file, finding);
    }
    Hypothesis { cause: cause.into(), evidence }
}

/// Whom a sentence is about, such as `python3 (pid 13674)`.
pub fn who(file: &CaseFile) -> String {
    format!("{} (pid {})", name(file), file.process.pid)
}

/// The process's name alone.
pub fn name(file: &CaseFile) -> String {
    text::truncate(&text::printable(&file.process.name), MAX_NAME_CHARS)
}

/// `262144` bytes as a person says it.
pub fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10) >> shift;
    if tenths % 10 == 0 || tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}
