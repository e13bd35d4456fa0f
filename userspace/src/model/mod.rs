//! The nouns every stage shares. Plain data: no I/O, no clocks, no dependencies on other modules.

mod comm;
mod container;
mod evidence;
mod incident;
mod kind;
mod name;
mod oom_report;
mod process;
mod sender;
mod signal;
mod verdict;
mod written;

pub use comm::Comm;
pub use container::ContainerInfo;
pub use evidence::{Completeness, EvidenceFile};
pub use incident::{
    AlertDelivery, AlertStatus, EvidenceEntry, FactView, FindingView, Incident, IncidentStatus, Occasion,
    Related, Relation, Was,
};
pub use kind::{IncidentKind, Severity};
pub use name::Name;
pub use oom_report::{Constraint, Invoker, MemoryCounter, OomReport, ReportedVictim, TaskRow};
pub use process::{ExitCause, ExitRecord, ProcessInfo, ProcessKey, ProcessView};
pub use sender::{Ancestor, Login, SignalSender, SignalSource, SignalWay};
pub use signal::{is_crash_signal, signal_name};
pub use verdict::{Confidence, Hypothesis, NextStep, Verdict, VerdictBy};
pub use written::{Maskable, Written};
