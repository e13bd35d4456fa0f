//! Alerts: drains the store's outbox to the receivers. At least once: what was sent but could not be noted as
//! sent is sent again, and says that it may be a repeat.

mod alertmanager;
mod bot;
mod message;
mod mrkdwn;
mod post;
mod receiver;
mod redacted;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::config::Receivers;
use receiver::Receiver;

pub use message::message;
pub use worker::run;

/// The name of Slack as a receiver, by a webhook or a bot.
pub const SLACK: &str = "slack";
/// The name of the generic webhook.
pub const WEBHOOK: &str = "webhook";
/// The name of Alertmanager.
pub const ALERTMANAGER: &str = "alertmanager";

/// What each receiver would be sent, for tests of what may be in it.
#[cfg(test)]
pub(crate) fn bodies(alert: &crate::store::DueAlert) -> [(&'static str, String); 3] {
    let now = jiff::Timestamp::UNIX_EPOCH;
    [
        (SLACK, message(alert, None).to_string()),
        (WEBHOOK, webhook::body(alert)),
        (ALERTMANAGER, alertmanager::payload(alert, None, now).to_string()),
    ]
}

/// The receivers of alerts. Cheap to clone.
#[derive(Clone)]
pub struct Sinks {
    receivers: Vec<Arc<Receiver>>,
    pace: Pace,
}

impl Sinks {
    /// The receivers that are configured.
    pub fn new(config: Receivers) -> Result<Self> {
        Self::with_pace(config, Pace::default())
    }

    /// As [`Sinks::new`], with other times than the usual.
    pub fn with_pace(config: Receivers, pace: Pace) -> Result<Self> {
        let receivers = Receiver::all(config, pace)?.into_iter().map(Arc::new).collect();
        Ok(Self { receivers, pace })
    }

    /// Their names; none: no alert leaves the host.
    pub fn names(&self) -> Vec<&'static str> {
        self.receivers.iter().map(|it| it.name()).collect()
    }

    /// Of these, those that can improve on what they told: nothing is gained by waiting for the model.
    pub fn editing(&self) -> Vec<&'static str> {
        self.receivers.iter().filter(|it| it.can_edit()).map(|it| it.name()).collect()
    }
}

/// The times a receiver is treated by.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two requests to one receiver: Slack takes one message a second per webhook.
    pub between: Duration,
    /// From the first failed try to the second; doubles with each further one.
    pub first_retry: Duration,
    /// Between two tries, at the most.
    pub longest_retry: Duration,
    /// The longest `Retry-After` that is obeyed in full.
    pub longest_retry_after: Duration,
    /// An alert that could not be sent for this long is given up.
    pub give_up_after: Duration,
    /// For one request, from name resolution to the answer.
    pub timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            between: Duration::from_secs(1),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(5 * 60),
            longest_retry_after: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// How long to wait after so many failed tries. Half of it is chance, so that many hosts that lost the
    /// same receiver do not come back as one.
    fn delay(&self, tries: u32, chance: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(31);
        let full = self.first_retry.saturating_mul(1 << doublings).min(self.longest_retry);
        full / 2 + (full / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }
}
