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

impl Page {
    /// This page, and what another place has beside it; of what is in both, this one's.
    pub(super) fn over(self, other: Self) -> Self {
        let limit = self.incidents.len().max(other.incidents.len());
        let more = self.next_cursor.is_some() || other.next_cursor.is_some();
        let mut incidents = self.incidents;
        for it in other.incidents {
            if !incidents.iter().any(|known| known.id == it.id) {
                incidents.push(it);
            }
        }
        incidents.sort_by(|a, b| b.id.cmp(&a.id));
        // Where both end, all that there is stands here.
        let cut = more && incidents.len() > limit;
        if cut {
            incidents.truncate(limit);
        }
        let next_cursor = incidents.last().filter(|_| more).map(|it| it.id.clone());
        Self { incidents, next_cursor, unreadable: self.unreadable + other.unreadable }
    }
}
