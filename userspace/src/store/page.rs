//! A list of incidents, cut into pages: what is asked for and what comes back.

use jiff::Timestamp;

use crate::model::{Incident, IncidentKind, IncidentStatus};

/// Incidents a page at most, whoever asks: the store, the API and the command line have one limit.
pub const LIST_MAX: usize = 1000;

/// Which incidents to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only incidents with this value; `None`: all.
    pub status: Option<IncidentStatus>,
    /// Only incidents with this value; `None`: all.
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
