//! An incident as the store keeps it and the HTTP contract shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use serde_json::Value;

use super::{Completeness, IncidentKind, ProcessInfo, Severity, Verdict};

/// Where an incident is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Nobody has dealt with it.
    Open,
    /// Somebody is on it.
    Acknowledged,
    /// Over.
    Resolved,
}

impl IncidentStatus {
    /// The spelling used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// What became of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// In the outbox: not sent yet, or to be tried again.
    Pending,
    /// The receiver answered that it has it.
    Sent,
    /// Given up; `error` says why.
    Failed,
    /// Not sent on its own: grouped with another incident's alert, the one `folded_into` names.
    #[serde(rename = "folded")]
    Grouped,
}

impl AlertStatus {
    /// The spelling used in JSON, SQL and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Grouped => "folded",
        }
    }
}

/// Why somebody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It is the first that is heard of it.
    #[default]
    New,
    /// The model has said what it thinks of it: for receivers that were told before it had.
    Verdict,
    /// It escalated: it became more severe.
    #[serde(rename = "rose")]
    Escalated,
    /// It was resolved, and is back.
    Reopened,
    /// It has happened again since the last message.
    Reminder,
    /// It is over.
    Resolved,
    /// What the daemon found when it started, all in one message.
    Digest,
    /// Many that waited for a receiver, or were open before there was one, all in one message.
    Summary,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 8] = [
        Self::New,
        Self::Verdict,
        Self::Escalated,
        Self::Reopened,
        Self::Reminder,
        Self::Resolved,
        Self::Digest,
        Self::Summary,
    ];

    /// The spelling used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Verdict => "verdict",
            Self::Escalated => "rose",
            Self::Reopened => "reopened",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Digest => "digest",
            Self::Summary => "summary",
        }
    }
}

/// What another incident is to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The other one is why this one happened.
    CausedBy,
    /// This one is why the other one happened.
    Explains,
    /// Both happened in the same service or container within a minute; no more is known.
    MayBeRelated,
}

/// What an incident was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// What happened, as far as was known then.
    pub kind: IncidentKind,
    /// By which equal faults were counted on it.
    pub fingerprint: String,
}

/// An incident that belongs to the same trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Its id.
    pub id: String,
    /// What happened there.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// Its title.
    pub title: String,
    /// What it is to this one.
    pub relation: Relation,
}

/// One delivery of an incident's alert to one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertDelivery {
    /// `slack`.
    pub sink: String,
    /// Why it was to be sent.
    #[serde(default)]
    pub occasion: Occasion,
    /// What became of it.
    pub status: AlertStatus,
    /// When it was sent or last tried; absent before the first try.
    pub at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// What the receiver, or the network, said last; absent when it went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The incident whose alert tells of this one too; absent unless `folded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded_into: Option<String>,
}

/// A fact as it is shown: the value, for programs, and the sentence made of it, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactView {
    /// `F1`, `F2`, …
    pub id: String,
    /// The sentence.
    pub text: String,
    /// The value: an object whose `type` names the statement; null from a daemon that did not tell it yet.
    #[serde(default)]
    pub data: Value,
    /// Where it was read: `kernel:sched_process_exit`, `proc:status`, `cgroup:memory.max`, …
    pub source: String,
    /// When it was true; absent where an early version wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A finding as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// Which kind.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    /// Ids of the facts that prove it.
    pub facts: Vec<String>,
}

/// One line of an incident's evidence index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceEntry {
    /// Its name, as in `/api/v1/incidents/{id}/evidence/{name}`.
    pub name: String,
    /// Where it was read.
    pub source: String,
    /// When.
    pub taken_at: Timestamp,
    /// How large.
    pub size_bytes: u64,
    /// Whether the size cap cut it.
    pub truncated: bool,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// A ULID: sorts by the time it was opened.
    pub id: String,
    /// What happened.
    pub kind: IncidentKind,
    /// How bad; may rise, never falls.
    pub severity: Severity,
    /// How bad by the rules alone; absent where that is the same: the model has not raised it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules_severity: Option<Severity>,
    /// Where it is in its life.
    pub status: IncidentStatus,
    /// Equal for equal faults.
    pub fingerprint: String,
    /// What it was before it became part of something larger, as a bad end of a crash loop; absent where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
    /// One line for a person.
    pub title: String,
    /// The host's name.
    pub host: String,
    /// The kernel's boot id: pids and start times mean something within one boot only.
    pub boot_id: String,
    /// The process of the occurrence whose file is shown: the first, until a more severe one comes or it comes back.
    pub process: ProcessInfo,
    /// The first occurrence.
    pub first_seen: Timestamp,
    /// The latest occurrence.
    pub last_seen: Timestamp,
    /// How often it has happened.
    pub count: u64,
    /// When somebody took it on; absent unless somebody did, and again once it has come back.
    #[serde(default)]
    pub acknowledged_at: Option<Timestamp>,
    /// When it was resolved; absent while it is not.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// Incidents of the same trouble, causes first.
    #[serde(default)]
    pub related: Vec<Related>,
    /// What the detectors concluded.
    pub findings: Vec<FindingView>,
    /// The numbered facts.
    pub facts: Vec<FactView>,
    /// What is missing.
    pub completeness: Completeness,
    /// What the analyst said.
    pub verdict: Verdict,
    /// What became of its alerts.
    pub alerts: Vec<AlertDelivery>,
    /// What is frozen; empty in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceEntry>,
}
