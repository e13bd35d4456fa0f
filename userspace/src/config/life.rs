//! What is alerted and when, and how long things take in the life of an incident: the same for every receiver.

use std::time::Duration;

use crate::model::Severity;

/// What is alerted, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRules {
    /// What is less grave makes an incident and no alert.
    pub min_severity: Severity,
    /// Conditions of processes older than the daemon that are found in so long after its start are one message.
    pub quiet_start: Duration,
}

impl Default for AlertRules {
    fn default() -> Self {
        Self { min_severity: Severity::Warning, quiet_start: Duration::from_secs(120) }
    }
}

/// How long things take in the life of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeRules {
    /// What happens (a crash, an OOM kill) is over after so long without another.
    pub quiet: Duration,
    /// What lasts (a pile-up, a limit nearly reached) is over after so long, and a few walks, without it.
    pub clear: Duration,
    /// What comes back so long after its end is the same incident.
    pub reopen: Duration,
    /// From the first alert to the first reminder; zero: there are none.
    pub remind: Duration,
}

impl Default for LifeRules {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(30 * 60),
            clear: Duration::from_secs(2 * 60),
            reopen: Duration::from_secs(3600),
            remind: Duration::from_secs(10 * 60),
        }
    }
}
