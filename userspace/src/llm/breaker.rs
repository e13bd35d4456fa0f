//! The circuit breaker: after some failures in a row the model is left alone for a growing time; then one question
//! tries whether it is well again. A sick model so costs no alert its deadline.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::Metrics;

/// Questions that fail in a row before it opens.
const FAILURES: u32 = 5;
/// How long it stays open at first, and at most.
const OPEN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(15 * 60));

/// A breaker. A std Mutex: held for a few assignments, never across an await.
pub(super) struct Breaker {
    state: Arc<Mutex<BreakerState>>,
    metrics: Arc<Metrics>,
}

struct BreakerState {
    /// Failures in a row.
    failures: u32,
    /// Until when nothing is asked; `None`: closed.
    until: Option<Instant>,
    /// How long it was or will be open.
    pause: Duration,
    /// Whether the one question is under way.
    probing: bool,
}

pub(crate) struct BreakerStatus {
    pub(crate) state: &'static str,
    pub(crate) failures: u32,
    /// How long it stays open yet.
    pub(crate) left: Option<Duration>,
}

/// That one question may be asked. Dropped unsettled it says nothing of the model.
pub(super) struct Admission<'a> {
    breaker: &'a Breaker,
    probe: bool,
}

impl Breaker {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let state = BreakerState { failures: 0, until: None, pause: OPEN.0, probing: false };
        Self { state: Arc::new(Mutex::new(state)), metrics }
    }

    /// Whether a question may be asked; else how long not, and after how many failures.
    pub(super) fn admit(&self) -> Result<Admission<'_>, (Duration, u32)> {
        self.with(|state| {
            let Some(until) = state.until else { return Ok(Admission { breaker: self, probe: false }) };
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() || state.probing {
                return Err((left, state.failures));
            }
            state.probing = true;
            Ok(Admission { breaker: self, probe: true })
        })
    }

    pub(super) fn status(&self) -> BreakerStatus {
        self.with(|state| {
            let left = state.until.map(|until| until.saturating_duration_since(Instant::now()));
            let name = match left {
                None => "closed",
                Some(Duration::ZERO) => "half_open",
                Some(_) => "open",
            };
            BreakerStatus { state: name, failures: state.failures, left: left.filter(|left| !left.is_zero()) }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BreakerState) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Admission<'_> {
    pub(super) fn succeeded(self) {
        self.breaker.with(|state| {
            (state.failures, state.until, state.pause) = (0, None, OPEN.0);
        });
        self.breaker.metrics.model.breaker_open.set(0);
    }

    /// It did not. `Some`: and so it is left alone from now on, this long.
    pub(super) fn failed(self) -> Option<Duration> {
        let opened = self.breaker.with(|state| {
            state.failures = state.failures.saturating_add(1);
            // Questions that were under way when it opened change nothing.
            let opens = if self.probe { true } else { state.until.is_none() && state.failures >= FAILURES };
            if !opens {
                return None;
            }
            let pause = if self.probe { (state.pause * 2).min(OPEN.1) } else { OPEN.0 };
            (state.pause, state.until) = (pause, Some(Instant::now() + pause));
            Some(pause)
        });
        if opened.is_some() {
            self.breaker.metrics.model.breaker_open.set(1);
            self.breaker.metrics.model.breaker_trips.inc();
        }
        opened
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.with(|state| state.probing = false);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn fail(breaker: &Breaker) -> Option<Duration> {
        let Ok(admission) = breaker.admit() else { panic!("it is open") };
        admission.failed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_for_longer_each_time() {
        let metrics = Metrics::new();
        let breaker = Breaker::new(Arc::clone(&metrics));
        for _ in 0..FAILURES - 1 {
            assert_eq!(fail(&breaker), None);
        }
        breaker.admit().ok().unwrap().succeeded();
        for _ in 0..FAILURES - 1 {
            assert_eq!(fail(&breaker), None, "a success in between starts the count anew");
        }
        let early = breaker.admit().ok().unwrap();
        assert_eq!(fail(&breaker), Some(OPEN.0));
        assert_eq!(early.failed(), None, "one that was under way does not open it again");
        for pause in [30, 60, 120, 240, 480, 900, 900] {
            let pause = Duration::from_secs(pause);
            assert_eq!(breaker.admit().err().map(|(left, _)| left), Some(pause));
            assert_eq!((breaker.status().state, breaker.status().left), ("open", Some(pause)));
            advance(pause).await;
            assert_eq!(breaker.status().state, "half_open");
            let probe = breaker.admit().ok().unwrap();
            assert!(breaker.admit().is_err(), "one question alone");
            drop(probe);
            assert_eq!(fail(&breaker), Some((pause * 2).min(OPEN.1)), "one that was given up told nothing");
        }
        advance(OPEN.1).await;
        breaker.admit().ok().unwrap().succeeded();
        assert_eq!((breaker.status().state, breaker.status().failures), ("closed", 0));
        assert_eq!((metrics.model.breaker_open.get(), metrics.model.breaker_trips.get()), (0, 8));
    }
}
