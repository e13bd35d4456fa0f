//! The same fault again and again: its evidence is not read each time, and the first case, which has it, is the
//! one to open the incident. Where there was no time to find out where one happened, it is where the first did.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The same fault again within this time: counted, but its evidence is not read again.
const SAME_FAULT: Duration = Duration::from_secs(10);
/// What is known of where a fault happens is of use for so long.
const SAME_SITE: Duration = Duration::from_secs(600);
/// Most faults remembered for that.
const FAULTS: usize = 1024;

/// Where it happened, once that is known.
type Site = Option<String>;

/// The latest faults by fingerprint: when, and what closes when the first case of each is queued.
#[derive(Default)]
pub(super) struct Repeats(HashMap<String, (Instant, watch::Receiver<Site>)>);

/// A case's place among those of its fault. The first's is dropped when that case is queued.
pub(super) enum Turn {
    /// The first fault of this kind recently: others wait for its site.
    First(watch::Sender<Site>),
    /// A repeat: it takes the site of the first.
    Repeat(watch::Receiver<Site>),
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
            known => {
                let known = known.filter(|(at, _)| now.duration_since(*at) < SAME_SITE);
                let site = known.and_then(|(_, last)| last.borrow().clone());
                let (queued, first) = watch::channel(site);
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

    /// Until the first of the fault is queued: its end of the channel is dropped then.
    pub(super) async fn wait(&mut self) {
        if let Self::Repeat(first) = self {
            while first.changed().await.is_ok() {}
        }
    }

    /// Where this one happened.
    pub(super) fn found(&self, site: &str) {
        if let Self::First(queued) = self {
            queued.send_replace(Some(site.to_owned()));
        }
    }

    /// Where the first happened; for the first, where those before it did.
    pub(super) async fn site(&mut self) -> Option<String> {
        self.wait().await;
        match self {
            Self::First(queued) => queued.borrow().clone(),
            Self::Repeat(first) => first.borrow().clone(),
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
    async fn where_the_first_happened_is_where_they_all_did() {
        let mut repeats = Repeats::default();
        let (mut first, mut second) = (repeats.turn("a"), repeats.turn("a"));
        assert_eq!(first.site().await, None);
        first.found("SIGSEGV app!main");
        second.found("nobody asks a repeat");
        let waiting = tokio::time::timeout(Duration::from_secs(1), second.site());
        assert!(waiting.await.is_err(), "the first is not queued yet");
        drop(first);
        assert_eq!(second.site().await.as_deref(), Some("SIGSEGV app!main"));
        assert_eq!(repeats.turn("b").site().await, None, "another fault");
        tokio::time::advance(SAME_FAULT).await;
        assert_eq!(repeats.turn("a").site().await.as_deref(), Some("SIGSEGV app!main"), "and later");
        tokio::time::advance(SAME_SITE).await;
        assert_eq!(repeats.turn("a").site().await, None, "long ago");
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
