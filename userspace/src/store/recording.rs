//! One case on its way into the database, with all that decides what becomes of it.

use jiff::Timestamp;

use super::plan::AlertPlan;
use crate::config::LifeRules;
use crate::host::Host;
use crate::kinds::case::Case;
use crate::model::Verdict;

/// What is to be recorded.
pub(super) struct Recording<'a> {
    pub(super) case: &'a Case,
    pub(super) verdict: &'a Verdict,
    pub(super) plan: &'a AlertPlan,
    pub(super) rules: &'a LifeRules,
    pub(super) host: &'a Host,
    pub(super) now: Timestamp,
}

impl Recording<'_> {
    pub(super) fn seen_ms(&self) -> i64 {
        self.case.file.observed_at.as_millisecond()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now.as_millisecond()
    }
}
