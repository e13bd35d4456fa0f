//! How fast a receiver is told, and how patiently it is tried again.

use std::time::Duration;

use jiff::SignedDuration;

use crate::store::Backlog;

/// The times a receiver is treated by.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two messages to Slack, which takes one a second per webhook. Others have no such rule.
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

/// How one receiver is told: how much at once, how soon again, and when it is too much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Between two steps; not after a full batch of many, behind which more waits.
    pub(super) between: Duration,
    /// Alerts in one step.
    pub(super) batch: usize,
    /// When messages become a summary; `None`: who reads them is a program, and takes each.
    pub(super) backlog: Option<Backlog>,
}

/// From the moment a backlog is seen to its summary: what else comes in a burst is in it.
pub(super) const SUMMARY_WAIT: SignedDuration = SignedDuration::from_secs(5);
/// Between two summaries.
pub(super) const SUMMARY_APART: SignedDuration = SignedDuration::from_secs(60);

/// More than 20 messages to people are told of in one, but for ten critical ones: at a message a second these are
/// told within ten seconds.
pub(super) const PEOPLE: Backlog = Backlog { above: 20, singly: 10 };

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
    pub(super) fn delay(&self, tries: u32, chance: u32) -> Duration {
        let doublings = tries.saturating_sub(1).min(31);
        let full = self.first_retry.saturating_mul(1 << doublings).min(self.longest_retry);
        full / 2 + (full / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }
}
