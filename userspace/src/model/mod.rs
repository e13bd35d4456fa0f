//! The nouns every stage shares. Plain data: no I/O, no clocks, no dependencies on other modules.

mod case;
mod comm;
mod incident;
mod kind;
mod oom_report;
mod process;
#[cfg(test)]
pub(crate) mod sample;
mod signal;
mod verdict;

pub use case::{Case, CaseFile, Completeness, EvidenceFile, Fact, Finding};
pub use comm::Comm;
pub use incident::{
    AlertDelivery, AlertStatus, EvidenceEntry, Incident, IncidentStatus, Occasion, Related, Relation,
};
pub use kind::{IncidentKind, Severity};
pub use oom_report::{Constraint, Invoker, MemoryCounter, OomReport, ReportedVictim, TaskRow};
pub use process::{ExitCause, ExitRecord, ProcessInfo, ProcessKey, ProcessView};
pub use signal::{is_crash_signal, signal_name};
pub use verdict::{Confidence, Hypothesis, NextStep, Verdict, VerdictBy};
