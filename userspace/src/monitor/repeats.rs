//! The same fault again and again: its evidence is not read each time, and the first case, which has it, is the
//! one to open the incident.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The same fault again within this time: counted, but its evidence is not read again.
const SAME_FAULT: Duration = Duration::from_secs(10);
/// Most faults remembered for that.
const FAULTS: usize = 1024;

/// The latest faults by fingerprint: when, and what closes when the first case of each is queued.
#[derive(Default)]
pub(super) struct Repeats(HashMap<String, (Instant, watch::Receiver<()>)>);

/// A case's place among those of its fault. The first's is dropped when that case is queued.
pub(super) enum Turn {
    /// The first lately.
    First(#[expect(dead_code, reason = "held until the case is queued")] watch::Sender<()>),
    /// One more.
    Repeat(watch::Receiver<()>),
}

impl Repeats {
    /// The place of a case with this fingerprint.
    pub(super) fn turn(&mut self, fingerprint: &str) -> Turn {
        let now = Instant::now();
        if self.0.len() >= FAULTS {
            self.0.retain(|_, (at, _)| now.duration_since(*at) < SAME_FAULT);
            if self.0.len() >= FAULTS {
                self.0.clear();
            }
        }
        match self.0.get(fingerprint) {
            Some((at, first)) if now.duration_since(*at) < SAME_FAULT => Turn::Repeat(first.clone()),
            _ => {
                let (queued, first) = watch::channel(());
                self.0.insert(fingerprint.to_owned(), (now, first));
                Turn::First(queued)
            }
        }
    }
}

impl Turn {
    pub(super) const fn is_repeat(&self) -> bool {
        matches!(self, Self::Repeat(_))
    }

    /// Until the first of the fault is queued. Nothing is ever sent: its end of the channel is dropped.
    pub(super) async fn wait(&mut self) {
        if let Self::Repeat(first) = self {
            first.changed().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repeats_wait_for_the_first_and_are_forgotten_in_time() {
        let mut repeats = Repeats::default();
        let first = repeats.turn("a");
        let mut second = repeats.turn("a");
        assert!(!first.is_repeat() && second.is_repeat() && !repeats.turn("b").is_repeat());
        let waiting = tokio::time::timeout(Duration::from_secs(1), second.wait());
        assert!(waiting.await.is_err(), "the first is not queued yet");
        drop(first);
        second.wait().await;
        tokio::time::advance(SAME_FAULT).await;
        assert!(!repeats.turn("a").is_repeat());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_faults_are_remembered_than_the_limit() {
        let mut repeats = Repeats::default();
        for fault in 0..FAULTS + 5 {
            assert!(!repeats.turn(&fault.to_string()).is_repeat());
        }
        assert!(repeats.0.len() <= FAULTS);
    }
}
