//! A case: what the monitor found, the numbered facts that prove it, and the evidence frozen with it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IncidentKind, ProcessInfo, Severity};

/// One statement that is true, with where it was read. Findings and verdicts cite facts by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// `F1`, `F2`, … in the order of the case file.
    pub id: String,
    /// The statement.
    pub text: String,
    /// Where it was read: `kernel:sched_process_exit`, `proc:status`, `cgroup:memory.max`, …
    pub source: String,
    /// When it was true; absent where a version before this one wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What a detector concluded from facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which detector family.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    /// Ids of the facts that prove it.
    pub facts: Vec<String>,
}

/// One frozen file, as it was read while the process was still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceFile {
    /// Its name in URLs: one path segment, such as `status` or `cgroup.memory.max`.
    pub name: String,
    /// Where it was read.
    pub source: String,
    /// When.
    pub taken_at: Timestamp,
    /// The bytes, as the kernel gave them.
    pub body: Vec<u8>,
    /// Whether the size cap cut it.
    pub truncated: bool,
}

/// What is missing from the evidence, so that its absence is not mistaken for health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Kernel events lost, by all rings and reasons, since the observation before this one.
    pub events_lost: u64,
    /// Milliseconds from the kernel's event to the last evidence file read; absent with no evidence.
    pub evidence_delay_ms: Option<u64>,
    /// What could not be had, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Secrets masked before it was stored, by the rule that found them; empty: none, or the operator wants
    /// them shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub masked: BTreeMap<String, u64>,
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
