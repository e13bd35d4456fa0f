//! How fast things happen, and until when: one clock for all threads of a soak.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

pub(super) struct Pace {
    /// All intervals are this many per cent of what they are by themselves: the more, the slower.
    percent: u32,
    over: Mutex<bool>,
    ended: Condvar,
}

impl Pace {
    /// `load`: in per cent of what is usual.
    pub(super) fn new(load: u32) -> Self {
        Self { percent: 10_000 / load.max(1), over: Mutex::new(false), ended: Condvar::new() }
    }

    /// Does it again and again until the end, with the number of the turn; what takes longer than its interval follows
    /// at once.
    pub(super) fn each(&self, interval: Duration, mut act: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let interval = interval * self.percent / 100;
        let mut turn = 0;
        while !self.is_over() {
            let began = Instant::now();
            act(turn)?;
            turn += 1;
            self.sleep(interval.saturating_sub(began.elapsed()));
        }
        Ok(())
    }

    /// So long, or until the end if that is earlier.
    pub(super) fn sleep(&self, time: Duration) {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.ended.wait_timeout_while(over, time, |over| !*over));
    }

    pub(super) fn is_over(&self) -> bool {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_the_load_is_half_the_time() {
        for (load, percent) in [(100, 100), (200, 50), (10, 1000), (0, 10_000)] {
            assert_eq!(Pace::new(load).percent, percent, "{load}");
        }
    }

    #[test]
    fn the_end_wakes_who_sleeps_and_ends_what_is_repeated() {
        let pace = Pace::new(100);
        let mut turns = Vec::new();
        let hour = Duration::from_secs(3600);
        pace.each(Duration::ZERO, |turn| {
            turns.push(turn);
            if turn == 2 {
                pace.end();
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(turns, [0, 1, 2]);
        pace.sleep(hour);
        assert!(pace.is_over());
    }
}
