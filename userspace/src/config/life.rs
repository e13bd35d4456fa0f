//! Whom to tell of what, and when: the settings of the alerts that are the same for every receiver.

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
