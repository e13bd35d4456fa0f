//! The store of incidents: embedded SQLite, one file in the data folder. An incident, its frozen evidence and
//! its alerts are written in one transaction, so a crash loses neither and an alert never goes out unrecorded.

mod advance;
mod announce;
pub mod life;
mod lock;
mod occurrences;
mod open;
mod outbox;
mod raise;
mod read;
mod record;
pub mod recorder;
mod related;
mod retention;
mod row;
#[cfg(test)]
pub(crate) mod sample;
mod schema;
mod status;
mod store;
#[cfg(test)]
mod tests;
mod trouble;
mod unreadable;

use jiff::Timestamp;

use crate::config::LifeRules;
use crate::model::{Incident, IncidentKind, IncidentStatus, Occasion, Severity};

pub use advance::{Advanced, Watched};
pub use lock::{DataLock, InUse};
pub use outbox::Failure;
pub use status::{Change, Wish};
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
    /// Those of them that are told at once all the same: they can improve on what they told.
    pub editing: Vec<&'static str>,
    /// It was there before the daemon was: at this moment one message tells of all such; `None`: it was not.
    pub digest_until: Option<Timestamp>,
}

/// What became of a recorded case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The incident's id.
    pub id: String,
    /// Whether it is a new incident; otherwise the case was counted on an open one.
    pub new: bool,
    /// Whether the incident it was counted on became graver by it.
    pub rose: bool,
    /// Whether the incident it was counted on had been resolved, and is open again.
    pub reopened: bool,
    /// Whether the incident shows this case's file now.
    pub shown: bool,
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

/// An incident in one line of another's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// Its id.
    pub id: String,
    /// What happened.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// Its title.
    pub title: String,
    /// How often it has happened.
    pub count: u64,
}

/// One alert that is due: everything a receiver needs to know.
#[derive(Clone, Debug)]
pub struct DueAlert {
    /// The outbox row.
    pub id: i64,
    /// The receiver.
    pub sink: String,
    /// Why it is sent.
    pub occasion: Occasion,
    /// How often it has happened by now.
    pub count: u64,
    /// How often it had happened when this receiver was told last; absent: it has not been told.
    pub told_before: Option<u64>,
    /// What the receiver calls the first message it got of this incident, where it can be answered or edited.
    pub first_receipt: Option<String>,
    /// Other incidents that this message tells of, worst first: its effects, or the rest of a digest. The first
    /// few; filled in when a try starts.
    pub also: Vec<Brief>,
    /// How many those are in all.
    pub also_count: u64,
    /// How often it was tried before.
    pub attempts: u32,
    /// Whether an earlier try may have arrived: the daemon, or the connection, ended before the answer came.
    pub may_repeat: bool,
    /// When it was put in the outbox.
    pub created: Timestamp,
    /// What it is about.
    pub incident: Incident,
}
