//! A receiver that does not take alerts: said once when it begins and once when it is over, with the counts between;
//! and how long it is left alone, which is its affair and not one alert's.

use std::time::Duration;

use tokio::time::Instant;

/// From the first failed request on.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<Counts>);

#[derive(Debug)]
struct Counts {
    since: Instant,
    /// Tries in a row that it did not take.
    retried: u64,
    /// Alerts that it refused for good.
    given_up: u64,
    /// Steps in which nothing was taken.
    rounds: u32,
}

impl Trouble {
    /// Whether it does not take alerts, as far as is known.
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Notes a step that failed, whole or in part; how many those are in a row.
    pub(super) fn failed(&mut self, who: &str, error: &str, retried: u64, given_up: u64) -> u32 {
        if self.0.is_none() {
            let what = if given_up > 0 { "is given up" } else { "is kept and tried again" };
            tracing::warn!(
                "{who} does not take alerts, and what waits {what}: {error}; more of this is counted"
            );
        }
        let new = Counts { since: Instant::now(), retried: 0, given_up: 0, rounds: 0 };
        let counts = self.0.get_or_insert(new);
        counts.retried += retried;
        counts.given_up += given_up;
        counts.rounds = counts.rounds.saturating_add(1);
        counts.rounds
    }

    /// Notes that something was taken.
    pub(super) fn taken(&mut self, who: &str) {
        if let Some(Counts { since, retried, given_up, .. }) = self.0.take() {
            let seconds = Duration::from_secs(since.elapsed().as_secs());
            tracing::info!(
                "{who} takes alerts again, after {seconds:?}: {retried} tries failed, {given_up} alerts were given up"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_one_trouble_until_something_is_taken() {
        let mut trouble = Trouble::default();
        assert!(!trouble.is_on());
        trouble.taken("Slack");
        assert_eq!(trouble.failed("Slack", "500", 1, 0), 1);
        assert_eq!(trouble.failed("Slack", "500", 1, 0), 2);
        assert!(trouble.is_on());
        trouble.taken("Slack");
        assert!(!trouble.is_on());
        assert_eq!(trouble.failed("Slack", "404", 0, 1), 1, "another");
    }
}
