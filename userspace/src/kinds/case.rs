//! A case: what the monitor found, the numbered facts that prove it, and the evidence frozen with it. Nothing in it is
//! a sentence: `render` makes those.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::FactData;
use super::shared::recorded::facts::Recorded;
use crate::model::{
    Completeness, EvidenceFile, FactView, FindingView, Incident, IncidentKind, ProcessInfo, Severity,
};

/// A true statement and where it was read: a fact without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it says.
    pub data: FactData,
    /// Where it was read.
    pub source: String,
}

impl Statement {
    /// A statement read at `source`.
    pub fn new(source: impl Into<String>, data: impl Into<FactData>) -> Self {
        Self { data: data.into(), source: source.into() }
    }
}

/// What a detector concluded; the monitor makes a case of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Which kind.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// What proves it, most telling first.
    pub facts: Vec<Statement>,
    /// What tells two faults of this kind in the same program and cgroup apart; never a pid or a time.
    pub site: String,
}

/// One statement that is true, with where it was read. Findings and verdicts cite facts by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// `F1`, `F2`, … in the order of the case file.
    pub id: String,
    /// What it says.
    pub data: FactData,
    /// Where it was read: `kernel:sched_process_exit`, `proc:status`, `cgroup:memory.max`, …
    pub source: String,
    /// When it was true; absent where an early version wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What a detector concluded from facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which kind.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// Ids of the facts that prove it.
    pub facts: Vec<String>,
    /// The sentence of an earlier version, whose facts have no data to make one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Recorded>,
}

/// Findings and facts of any number of drafts, worst first; each fact is numbered once.
pub fn numbered(mut drafts: Vec<Draft>) -> (Vec<Finding>, Vec<Fact>) {
    drafts.sort_by_key(|draft| std::cmp::Reverse(draft.severity));
    let mut facts = Vec::new();
    let findings = drafts.into_iter().map(|draft| Finding {
        kind: draft.kind,
        severity: draft.severity,
        facts: draft.facts.into_iter().map(|statement| cite(&mut facts, statement)).collect(),
        summary: None,
    });
    (findings.collect(), facts)
}

/// The id of the fact with this statement, a new one where there is none yet.
pub fn cite(facts: &mut Vec<Fact>, statement: Statement) -> String {
    let same = facts.iter().find(|fact| fact.data == statement.data && fact.source == statement.source);
    if let Some(fact) = same {
        return fact.id.clone();
    }
    let id = format!("F{}", facts.len() + 1);
    facts.push(Fact { id: id.clone(), data: statement.data, source: statement.source, at: None });
    id
}

/// Everything an analyst may know about one process at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFile {
    /// Whom it is about.
    pub process: ProcessInfo,
    /// When it was observed.
    pub observed_at: Timestamp,
    /// What the detectors concluded, worst first; empty when nothing is wrong.
    pub findings: Vec<Finding>,
    /// The numbered facts.
    pub facts: Vec<Fact>,
    /// The frozen files.
    pub evidence: Vec<EvidenceFile>,
    /// What is missing.
    pub completeness: Completeness,
}

impl CaseFile {
    /// With a time for each fact: that of the observation where it has none of its own.
    #[must_use]
    pub fn dated(mut self) -> Self {
        for fact in &mut self.facts {
            fact.at.get_or_insert(self.observed_at);
        }
        self
    }

    /// The facts a finding rests on, in its order, as far as they exist.
    pub fn cited<'a>(&'a self, finding: &'a Finding) -> impl Iterator<Item = &'a Fact> {
        finding.facts.iter().filter_map(|id| self.facts.iter().find(|fact| fact.id == *id))
    }
}

impl CaseFile {
    /// Adds what an incident of the same process found, where this file has no finding of its kind.
    pub fn add_findings_of(&mut self, incident: &Incident) {
        let other = Self::from(incident);
        for finding in &other.findings {
            if self.findings.iter().any(|it| it.kind == finding.kind) {
                continue;
            }
            let cited = other.cited(finding).map(|fact| {
                let statement = Statement { data: fact.data.clone(), source: fact.source.clone() };
                let id = cite(&mut self.facts, statement);
                if let Some(new) = self.facts.iter_mut().find(|it| it.id == id) {
                    // It was true then, and need not be now.
                    new.at = new.at.or(fact.at);
                }
                id
            });
            let facts = cited.collect();
            self.findings.push(Finding { facts, ..finding.clone() });
        }
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
}

/// The file an incident was made from, without its evidence, which is read apart.
impl From<&Incident> for CaseFile {
    fn from(it: &Incident) -> Self {
        let fact = |it: &FactView| Fact {
            id: it.id.clone(),
            data: serde_json::from_value(it.data.clone())
                .unwrap_or_else(|_| Recorded::new(it.text.as_str()).into()),
            source: it.source.clone(),
            at: it.at,
        };
        let finding = |it: &FindingView| Finding {
            kind: it.kind,
            severity: it.severity,
            facts: it.facts.clone(),
            summary: Some(Recorded::new(it.summary.as_str())),
        };
        Self {
            process: it.process.clone(),
            // A graver case replaces the first one's file, and brings its own time.
            observed_at: it.facts.first().and_then(|fact| fact.at).unwrap_or(it.first_seen),
            findings: it.findings.iter().map(finding).collect(),
            facts: it.facts.iter().map(fact).collect(),
            evidence: Vec::new(),
            completeness: it.completeness.clone(),
        }
    }
}

/// A case file that is worth an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Equal for equal faults: never made from pids, times or a model's wording.
    pub fingerprint: String,
    /// The worst finding's kind.
    pub kind: IncidentKind,
    /// The worst finding's severity.
    pub severity: Severity,
    /// One line for a person.
    pub title: String,
    /// How many occurrences this case stands for (merged while it waited).
    pub count: u64,
    /// The file.
    pub file: CaseFile,
}
