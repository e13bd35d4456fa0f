//! The store of incidents: embedded SQLite.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;

use crate::host::Host;
use crate::metrics::Metrics;
use crate::model::{Case, EvidenceFile, Incident, IncidentKind, IncidentStatus, Verdict};

/// Which alerts to put in the outbox with a new incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertPlan {
    /// The receivers; none: no alert.
    pub sinks: Vec<&'static str>,
    /// Not before this moment, so that a better verdict may come first; `None`: at once.
    pub hold_until: Option<Timestamp>,
}

/// What became of a recorded case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The incident's id.
    pub id: String,
    /// Whether it is a new incident; otherwise the case was counted on an open one.
    pub new: bool,
    /// How often it has happened now.
    pub count: u64,
}

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these.
    pub status: Option<IncidentStatus>,
    /// Only these.
    pub kind: Option<IncidentKind>,
    /// Only those seen at or after.
    pub since: Option<Timestamp>,
    /// At most so many; 0 means the default.
    pub limit: usize,
    /// Only those older than this id.
    pub cursor: Option<String>,
}

/// One page of incidents, newest first.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The incidents, without their evidence index.
    pub incidents: Vec<Incident>,
    /// The cursor of the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// One alert that is due.
#[derive(Clone, Debug)]
pub struct DueAlert {
    /// The outbox row.
    pub id: i64,
    /// The receiver.
    pub sink: String,
    /// How often it was tried before.
    pub attempts: u32,
    /// When it was put in the outbox.
    pub created: Timestamp,
    /// What it is about.
    pub incident: Incident,
}

/// A cheap-to-clone handle to the store.
#[derive(Clone)]
pub struct Store {
    _todo: Arc<Metrics>,
}

impl Store {
    /// Opens or makes the database in `dir`.
    pub fn open(_dir: &Path, _host: Host, _metrics: Arc<Metrics>) -> Result<Self> {
        unimplemented!()
    }
    /// Records a case: a new incident with its evidence and alerts, or one more occurrence of an open one. One transaction.
    pub async fn record(&self, _case: Case, _verdict: Verdict, _plan: AlertPlan) -> Result<Recorded> {
        unimplemented!()
    }
    /// Replaces the verdict, and releases the alert that was held for it.
    pub async fn set_verdict(&self, _id: &str, _verdict: Verdict) -> Result<()> {
        unimplemented!()
    }
    /// Releases a held alert: the verdict it has is the one it gets.
    pub async fn release_alerts(&self, _id: &str) -> Result<()> {
        unimplemented!()
    }
    /// Acknowledges or resolves; `None`: no such incident.
    pub async fn set_status(&self, _id: &str, _status: IncidentStatus) -> Result<Option<Incident>> {
        unimplemented!()
    }
    /// One page.
    pub async fn list(&self, _filter: Filter) -> Result<Page> {
        unimplemented!()
    }
    /// One incident with its evidence index.
    pub async fn get(&self, _id: &str) -> Result<Option<Incident>> {
        unimplemented!()
    }
    /// One frozen file.
    pub async fn evidence(&self, _id: &str, _name: &str) -> Result<Option<EvidenceFile>> {
        unimplemented!()
    }
}
