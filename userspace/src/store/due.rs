//! An alert that is due, with everything a receiver needs to know.

use jiff::Timestamp;

use crate::model::{Incident, IncidentKind, Occasion, Severity};

/// One alert that is due: everything a receiver needs to know.
#[derive(Clone, Debug)]
pub struct DueAlert {
    /// The id of the row in the outbox.
    pub id: i64,
    /// The receiver's name, such as `slack`.
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
    /// Of a summary: all that it tells of, this one included, by kind and severity, the worst first.
    pub tally: Vec<Tally>,
    /// How often it was tried before.
    pub attempts: u32,
    /// Whether an earlier try may have arrived: the daemon, or the connection, ended before the answer came.
    pub may_repeat: bool,
    /// When it was put in the outbox.
    pub created: Timestamp,
    /// Whether it is in memory alone, because the database can't be written: a crash of the daemon would lose it.
    pub unstored: bool,
    /// What it is about.
    pub incident: Incident,
}

/// So many of one kind, as bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What happened.
    pub kind: IncidentKind,
    /// How bad.
    pub severity: Severity,
    /// How many incidents.
    pub count: u64,
}

/// An incident in one line of another's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The incident's id.
    pub id: String,
    /// The kind of the incident.
    pub kind: IncidentKind,
    /// Its severity, by rules or raised by the model.
    pub severity: Severity,
    /// The incident's title, cleaned for display.
    pub title: String,
    /// How often it has happened.
    pub count: u64,
}
