//! What is alerted and when, and how long things take in the life of an incident: the same for every receiver.

use std::time::Duration;

use super::declare::{Fixed, defaults, flags, one, settings};
use super::parse::{duration, severity};
use super::setting::group;
use crate::model::Severity;

settings! {
    /// What is alerted, and when.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AlertRules {
        in flags(group::ALERTS, "alert_") => {
            /// Minimum severity that triggers an alert: info, warning or critical.
            pub min_severity: Severity = one("warning", "SEVERITY", severity);
            /// For so long after the start conditions older than the daemon are collected into one message: a dozen
            /// scans, by which what lasts has shown itself.
            pub quiet_start: Duration = Fixed(Duration::from_mins(2));
        }
    }
}

settings! {
    /// How long things take in the life of an incident.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LifeRules {
        in flags(group::ALERTS, "alert_") => {
            /// Time until the first reminder of an ongoing incident; the next ones come after 6, 36 and 144 times as
            /// long; 0s turns reminders off.
            pub remind: Duration = one("10m", "TIME", duration("0s", "168h"));
        }
        in flags(group::INCIDENTS, "incident_") => {
            /// Resolve an event (a crash, an OOM kill) after this long without another one.
            pub quiet: Duration = one("30m", "TIME", duration("10s", "168h"));
            /// What lasts (a pile-up, a limit nearly reached) is over after so long, and a few scans, without it: what
            /// swings around a limit does so faster.
            pub clear: Duration = Fixed(Duration::from_mins(2));
            /// What comes back so long after its end is the same incident: the cause is hardly another one, and
            /// whoever mended it still remembers.
            pub reopen: Duration = Fixed(Duration::from_hours(1));
        }
    }
}

defaults!(AlertRules, LifeRules);
