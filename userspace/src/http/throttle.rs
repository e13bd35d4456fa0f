//! Wrong keys, counted by peer: a few are a mistake and are told at once, more are guessing and are told late. A right
//! key is never counted and never waits, so who has it is not kept out by who has not at the same address.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::peer::Peer;

/// So many wrong keys in a row are answered at once.
pub(super) const AT_ONCE: u32 = 10;
/// Each of these without a wrong key forgives one.
const FORGIVEN_AFTER: Duration = Duration::from_secs(6);
/// How late the others are told.
pub(super) const DELAY: Duration = Duration::from_secs(1);
/// Peers remembered; beyond that, those with the fewest wrong keys are forgotten.
const MAX_PEERS: usize = 1024;

/// The counts.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<Peer, Count>>);

#[derive(Clone, Copy)]
struct Count {
    wrong: u32,
    /// Since when it is right.
    since: Instant,
}

impl Count {
    fn at(self, now: Instant) -> Self {
        let steps = now.duration_since(self.since).as_millis() / FORGIVEN_AFTER.as_millis();
        let forgiven = u32::try_from(steps).unwrap_or(u32::MAX);
        let since = if forgiven > 0 { now } else { self.since };
        Self { wrong: self.wrong.saturating_sub(forgiven), since }
    }
}

impl Throttle {
    /// Counts a wrong key; whether this peer gives too many.
    pub(super) fn wrong(&self, peer: Peer) -> bool {
        let now = Instant::now();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MAX_PEERS && !counts.contains_key(&peer) {
            counts.retain(|_, count| {
                *count = count.at(now);
                count.wrong > 0
            });
            let fewest = counts.iter().min_by_key(|(_, count)| count.wrong).map(|(peer, _)| *peer);
            if let Some(fewest) = fewest.filter(|_| counts.len() >= MAX_PEERS) {
                counts.remove(&fewest);
            }
        }
        let count = counts.entry(peer).or_insert(Count { wrong: 0, since: now });
        *count = count.at(now);
        // What is beyond the limit is not added up: who stops is forgiven within a minute.
        let too_many = count.wrong >= AT_ONCE;
        count.wrong = (count.wrong + 1).min(AT_ONCE);
        too_many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_few_are_a_mistake_and_more_are_guessing() {
        let throttle = Throttle::default();
        let late = |peer| (0..AT_ONCE + 5).filter(|_| throttle.wrong(Peer::User(peer))).count();
        assert_eq!(late(1), 5);
        assert_eq!(late(2), 5, "each peer is counted for itself");
        tokio::time::advance(FORGIVEN_AFTER).await;
        assert!(!throttle.wrong(Peer::User(1)), "one is forgiven");
        assert!(throttle.wrong(Peer::User(1)));
        tokio::time::advance(FORGIVEN_AFTER * (AT_ONCE + 1)).await;
        assert_eq!(late(1), 5, "all are forgiven");
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_peers_are_remembered_and_the_worst_are() {
        let throttle = Throttle::default();
        (0..AT_ONCE).for_each(|_| assert!(!throttle.wrong(Peer::User(0))));
        (1..3000).for_each(|peer| assert!(!throttle.wrong(Peer::User(peer))));
        assert!(throttle.0.lock().unwrap().len() <= MAX_PEERS);
        assert!(throttle.wrong(Peer::User(0)));
    }
}
