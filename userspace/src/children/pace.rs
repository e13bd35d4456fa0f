//! How fast this host is, by what every helper has to do to begin: on an emulated or overloaded one a stack takes its
//! time, and a deadline for others would leave it without names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A stack may take as long as so many starts of a helper, which takes some milliseconds.
const STARTS: u32 = 40;
/// More is never given: others wait for their turn.
const MOST: Duration = Duration::from_secs(3);

/// The last start's length, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// A helper took so long to be ready for work.
    pub(super) fn note(&self, start: Duration) {
        self.0.store(u64::try_from(start.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What a stack may take here that takes `usual` elsewhere at most.
    pub(super) fn stretched(&self, usual: Duration) -> Duration {
        let start = Duration::from_micros(self.0.load(Ordering::Relaxed)).min(MOST);
        usual.max((start * STARTS).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_host_is_given_more_time_and_never_too_much() {
        let usual = Duration::from_secs(1);
        let pace = Pace::default();
        assert_eq!(pace.stretched(usual), usual, "nothing known yet");
        for (start_ms, want_ms) in [(5, 1000), (25, 1000), (50, 2000), (75, 3000), (2000, 3000)] {
            pace.note(Duration::from_millis(start_ms));
            assert_eq!(pace.stretched(usual).as_millis(), want_ms, "{start_ms}");
        }
        pace.note(Duration::MAX);
        assert_eq!(pace.stretched(usual), MOST);
        assert_eq!(pace.stretched(2 * MOST), 2 * MOST);
    }
}
