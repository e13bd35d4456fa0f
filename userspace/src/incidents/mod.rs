//! The store of incidents: embedded SQLite, one file in the data folder. An incident, its frozen evidence and
//! its alerts are written in one transaction, so a crash loses neither and an alert never goes out unrecorded.

mod open;
mod outbox;
mod read;
mod record;
pub mod recorder;
mod retention;
mod row;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod trouble;
mod unreadable;

use jiff::Timestamp;

use crate::model::{Incident, IncidentKind, IncidentStatus};

pub use outbox::Failure;
pub use store::Store;
pub(crate) use trouble::remedy;
pub use unreadable::Unreadable;

/// Incidents a page at most, whoever asks: the store, the API and the command line have one limit.
pub const LIST_MAX: usize = 1000;

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
    /// Whether the open incident it was counted on became graver by it, and shows this case's file now.
    pub rose: bool,
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
    /// How many were left out because their rows can't be read.
    pub unreadable: u64,
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
    /// Whether an earlier try may have arrived: the daemon, or the connection, ended before the answer came.
    pub may_repeat: bool,
    /// When it was put in the outbox.
    pub created: Timestamp,
    /// What it is about.
    pub incident: Incident,
}
