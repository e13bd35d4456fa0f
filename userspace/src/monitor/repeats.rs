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

/// Places remembered of one fault.
const PLACES: usize = 16;

/// Where it happened, once that is known.
#[derive(Clone, Default)]
pub(super) struct Sites {
    latest: Option<String>,
    /// By the place in the file: what is called so there.
    by_place: Vec<(String, String)>,
}

/// What a stack says of where a crash happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// The place in the file, whose name is not known: it has none, or there was no time to find it.
    Place(String),
    /// That, and what is called so.
    Named(Option<String>),
}

/// The latest faults by fingerprint: when, and what closes when the first case of each is queued.
#[derive(Default)]
pub(super) struct Repeats(HashMap<String, (Instant, watch::Receiver<Sites>)>);

/// A case's place among those of its fault. The first's is dropped when that case is queued.
pub(super) enum Turn {
    /// The first fault of this kind recently: others wait for its site.
    First(watch::Sender<Sites>),
    /// A repeat: it takes the site of the first.
    Repeat(watch::Receiver<Sites>),
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
                let sites = known.map(|(_, last)| last.borrow().clone()).unwrap_or_default();
                let (queued, first) = watch::channel(sites);
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

    /// The site of this one, which is `own` as far as its stack says: that of an earlier one, where the stack says less.
    pub(super) async fn site(&mut self, own: &str, found: Found) -> Option<String> {
        match found {
            Found::Named(place) => {
                self.note(own, place);
                None
            }
            // A function without a name is where others of the same file were that had it.
            Found::Place(place) => {
                let known = self.known(Some(&place)).await;
                if known.is_none() {
                    self.note(own, Some(place));
                }
                known
            }
            Found::Nothing => self.known(None).await,
        }
    }

    fn note(&self, site: &str, place: Option<String>) {
        let Self::First(queued) = self else { return };
        queued.send_modify(|sites| {
            sites.latest = Some(site.to_owned());
            let Some(place) = place else { return };
            sites.by_place.retain(|(known, _)| *known != place);
            if sites.by_place.len() >= PLACES {
                sites.by_place.remove(0);
            }
            sites.by_place.push((place, site.to_owned()));
        });
    }

    /// Where the first happened, or for the first those before it did: at this place, or wherever.
    async fn known(&mut self, place: Option<&str>) -> Option<String> {
        self.wait().await;
        let sites = match self {
            Self::First(queued) => queued.borrow(),
            Self::Repeat(first) => first.borrow(),
        };
        match place {
            Some(place) => {
                sites.by_place.iter().find(|(known, _)| known == place).map(|(_, site)| site.clone())
            }
            None => sites.latest.clone(),
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
        assert_eq!(first.site("SIGSEGV", Found::Nothing).await, None);
        assert_eq!(first.site("SIGSEGV app!main", Found::Named(None)).await, None);
        assert_eq!(second.site("nobody asks a repeat", Found::Named(None)).await, None);
        let waiting = tokio::time::timeout(Duration::from_secs(1), second.site("SIGSEGV", Found::Nothing));
        assert!(waiting.await.is_err(), "the first is not queued yet");
        drop(first);
        let main = Some("SIGSEGV app!main".to_owned());
        assert_eq!(second.site("SIGSEGV", Found::Nothing).await, main);
        assert_eq!(repeats.turn("b").site("SIGSEGV", Found::Nothing).await, None, "another fault");
        tokio::time::advance(SAME_FAULT).await;
        assert_eq!(repeats.turn("a").site("SIGSEGV", Found::Nothing).await, main, "and later");
        tokio::time::advance(SAME_SITE).await;
        assert_eq!(repeats.turn("a").site("SIGSEGV", Found::Nothing).await, None, "long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_had_a_name_before_has_it_still() {
        let mut repeats = Repeats::default();
        let place = |offset: &str| format!("app+{offset}");
        let mut first = repeats.turn("a");
        assert_eq!(first.site("SIGSEGV app!die", Found::Named(Some(place("0x1")))).await, None);
        assert_eq!(
            first.site("SIGSEGV id+0x1", Found::Place(place("0x1"))).await.as_deref(),
            Some("SIGSEGV app!die")
        );
        assert_eq!(first.site("SIGSEGV id+0x2", Found::Place(place("0x2"))).await, None, "another place");
        drop(first);
        let mut second = repeats.turn("a");
        let again = second.site("SIGSEGV id+0x1", Found::Place(place("0x1"))).await;
        assert_eq!(again.as_deref(), Some("SIGSEGV app!die"));
        tokio::time::advance(SAME_FAULT).await;
        let mut later = repeats.turn("a");
        for offset in 0..PLACES + 3 {
            later.site("SIGSEGV", Found::Named(Some(offset.to_string()))).await;
        }
        let Turn::First(queued) = later else { panic!("it is the first again") };
        assert_eq!(queued.borrow().by_place.len(), PLACES);
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
