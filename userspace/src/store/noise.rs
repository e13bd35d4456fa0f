//! What the store's limits cost, said: in the log once a minute at the most, and in health for as long as it goes on.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::retention::Removed;
use crate::health::Health;

/// Which part health tells of.
const COMPONENT: &str = "retention";
/// Between two lines in the log.
const APART: SignedDuration = SignedDuration::from_mins(1);
/// So long after the last it is over.
const OVER: SignedDuration = SignedDuration::from_mins(10);

pub(super) struct Noise {
    health: Health,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the log was told.
    said: Option<Timestamp>,
    /// When something worth saying was removed last.
    last: Option<Timestamp>,
    unsaid: u64,
}

impl Noise {
    pub(super) fn new(health: Health) -> Self {
        Self { health, state: Mutex::default() }
    }

    /// Notes what had to go. That old and resolved incidents go is how it is meant, and worth a number in the metrics.
    pub(super) fn note(&self, removed: &Removed, now: Timestamp) {
        if removed.open == 0 && removed.noisy.is_none() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Some(now);
        state.unsaid += removed.incidents;
        let who = removed.noisy.as_ref().map_or_else(
            || "the least severe that were open have to go".to_owned(),
            |(owner, held)| format!("{owner} has {held} of them and makes room alone"),
        );
        let reason = format!("the store of incidents is full, and {who}");
        if state.said.is_none_or(|said| now.duration_since(said) >= APART) {
            let (count, alerts) = (std::mem::take(&mut state.unsaid), removed.pending_alerts);
            tracing::warn!(
                "{reason}: {count} removed since this was said last, {alerts} alerts unsent with the last"
            );
            state.said = Some(now);
        }
        self.health.degrade(COMPONENT, reason, "see what makes so many different incidents, and stop it");
    }

    /// Says that it is over, when it has been for a while.
    pub(super) fn settle(&self, now: Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) >= OVER) {
            state.last = None;
            self.health.recover(COMPONENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::sample::at;

    #[test]
    fn health_knows_of_noise_until_it_is_over_and_not_of_old_age() {
        let health = Health::default();
        let noise = Noise::new(health.clone());
        noise.note(&Removed { incidents: 5, ..Removed::default() }, at(0));
        assert!(health.degraded().is_empty());
        let noisy = Some(("uid 1000".to_owned(), 2_600));
        noise.note(&Removed { incidents: 1, noisy, ..Removed::default() }, at(1));
        assert!(health.degraded()[0].reason.contains("uid 1000 has 2600"), "{:?}", health.degraded());
        noise.note(&Removed { incidents: 1, open: 1, ..Removed::default() }, at(2));
        noise.settle(at(601));
        assert_eq!(health.degraded().len(), 1);
        noise.settle(at(602));
        assert!(health.degraded().is_empty());
    }
}
