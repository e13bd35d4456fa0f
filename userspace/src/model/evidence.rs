//! What comes with a case: frozen files, and what is missing of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
