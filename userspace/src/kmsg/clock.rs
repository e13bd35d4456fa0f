//! The log's time on CLOCK_BOOTTIME. Records carry local_clock() (kernel kernel/printk/printk.c), which is
//! CLOCK_MONOTONIC but for a constant, a drift that nobody corrects, and no suspend: after weeks the two are
//! seconds apart. So the difference is not measured once but with every record.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How fast the clocks may drift apart, as a part of the time that passes: far above any oscillator's error,
/// so that a step of either clock is forgotten too.
const DRIFT: i64 = 100;

/// What is known of the difference.
#[derive(Default)]
pub(super) struct LogClock {
    /// CLOCK_MONOTONIC less the log's clock, at most, and when that was measured.
    ahead: Option<(i64, Duration)>,
}

impl LogClock {
    /// The boot time at which the record with this stamp was logged, which is read now.
    ///
    /// Between the stamp and the read lies the difference of the clocks and the time the record waited to be
    /// read. A record read at once shows the difference alone: the least one seen is taken for it.
    pub(super) fn boot_time(&mut self, stamp: Duration, monotonic: Duration, boot: Duration) -> Duration {
        let gap = micros(monotonic).saturating_sub(micros(stamp));
        let ahead = self.ahead.map_or(gap, |(least, then)| {
            gap.min(least.saturating_add(micros(monotonic.saturating_sub(then)) / DRIFT))
        });
        self.ahead = Some((ahead, monotonic));
        let waited = u64::try_from(gap.saturating_sub(ahead)).unwrap_or(0);
        boot.saturating_sub(Duration::from_micros(waited))
    }
}

pub(super) fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_read_is_told_from_a_difference_of_the_clocks() {
        let mut clock = LogClock::default();
        // (stamp, monotonic, suspended) → boot time, in milliseconds.
        for (stamp, monotonic, suspended, want) in [
            (10_000, 10_017, 0, 10_017),
            // Read five seconds late: taken as logged (almost) when it was.
            (11_000, 16_017, 0, 11_077),
            (16_000, 16_017, 0, 16_017),
            // A suspend stops both clocks; the boot clock runs on.
            (17_000, 17_017, 600_000, 617_017),
            // The log's clock is ahead of the other.
            (17_500, 17_400, 600_000, 617_400),
            // It lost three seconds since, in an hour.
            (3_617_000, 3_619_900, 600_000, 4_219_900),
        ] {
            let ms = Duration::from_millis;
            let got = clock.boot_time(ms(stamp), ms(monotonic), ms(monotonic + suspended));
            assert_eq!(got, ms(want), "{stamp}");
        }
    }

    #[test]
    fn absurd_stamps_do_no_harm() {
        let mut clock = LogClock::default();
        let now = Duration::from_secs(100);
        assert_eq!(clock.boot_time(Duration::from_micros(u64::MAX), now, now), now);
        assert!(clock.boot_time(Duration::ZERO, now, now) <= now);
    }
}
