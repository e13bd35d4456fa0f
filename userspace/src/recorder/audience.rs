//! Who is told of a case: whom the configuration names, from which severity on, and at the start in one message.

use jiff::Timestamp;

use crate::kinds;
use crate::kinds::case::Case;
use crate::model::Severity;
use crate::store::{AlertPlan, Greeting};

/// Who is told of what.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The receivers of alerts.
    pub sinks: Vec<&'static str>,
    /// Those of them that can improve on what they told.
    pub editing: Vec<&'static str>,
    /// Those of them that take the state of each incident, not messages.
    pub level: Vec<&'static str>,
    /// What is less severe is told to nobody.
    pub min_severity: Severity,
    /// Conditions found until then are told in one message,
    pub quiet_until: Timestamp,
    /// where their process is older than this, on the clock of `start_ticks`: the daemon's own start.
    pub since_ticks: u64,
}

impl Audience {
    /// Who is there to be told, at a start.
    pub(super) fn greeting(&self) -> Greeting {
        let (sinks, level) = (self.sinks.clone(), self.level.clone());
        Greeting { sinks, level, min_severity: self.min_severity }
    }

    pub(super) fn plan(&self, case: &Case, hold_until: Option<Timestamp>, now: Timestamp) -> AlertPlan {
        if case.severity < self.min_severity {
            return AlertPlan::default();
        }
        AlertPlan { hold_until, ..self.at_once(case, now) }
    }

    /// If the model raises its severity.
    pub(super) fn raised_plan(&self, case: &Case, now: Timestamp) -> AlertPlan {
        let told = case.severity.next().is_some_and(|raised| raised >= self.min_severity);
        if told { self.at_once(case, now) } else { AlertPlan::default() }
    }

    fn at_once(&self, case: &Case, now: Timestamp) -> AlertPlan {
        // What the kernel reports happens now, whatever was there before.
        let was_there = kinds::room(case.kind).lasts() && case.file.process.start_ticks < self.since_ticks;
        let digest_until = (was_there && now < self.quiet_until).then_some(self.quiet_until);
        let Self { sinks, editing, level, .. } = self.clone();
        AlertPlan { sinks, hold_until: None, editing, level, digest_until }
    }
}
