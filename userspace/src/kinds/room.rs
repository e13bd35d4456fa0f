//! What every kind of incident has to bring: the contract of a room.

use super::case::{CaseFile, Finding};
use super::opinion::Opinion;

/// One kind's part in the stages that know no kind by name.
pub struct Room {
    /// The sentence that says what was found, made of the facts the finding cites.
    pub summary: fn(&CaseFile, &Finding) -> String,
    /// What an experienced colleague would say at once.
    pub verdict: fn(&CaseFile, &Finding) -> Opinion,
}
