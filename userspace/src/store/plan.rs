//! Whom to alert of a case, and when.

use jiff::Timestamp;

/// Which alerts to put in the outbox with a new incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertPlan {
    /// The receivers; none: no alert.
    pub sinks: Vec<&'static str>,
    /// Not before this moment, so that a better verdict may come first; `None`: at once.
    pub hold_until: Option<Timestamp>,
    /// Those of them that are told at once all the same: they can improve on what they told.
    pub editing: Vec<&'static str>,
    /// Those of them that take the state of each incident, not messages: told of every one, and at once of what is back.
    pub level: Vec<&'static str>,
    /// It was there before the daemon was: at this moment one message tells of all such; `None`: it was not.
    pub digest_until: Option<Timestamp>,
}
