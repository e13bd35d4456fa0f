//! How many connections there are, and whose goes when there are too many.
//!
//! A connection is a stranger's until a request on it has shown the key. Strangers have room of their own, so much a
//! peer and so much together, and the oldest goes first: whoever opens a thousand sockets only pushes out his own. So a
//! probe, which needs no key and asks at once, always finds room and is answered before it is the oldest. Who has shown
//! the key is counted apart; there the one that has been idle for longest makes room.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::peer::Peer;
use crate::metrics::{LimitLabel, Metrics};

/// Strangers at a time.
pub(super) const MAX_STRANGERS: usize = 512;
/// Strangers of one peer at a time: as many as may be let in, so that who opens them all at once loses none.
pub(super) const MAX_STRANGERS_OF_PEER: usize = 256;
/// Connections of those who have shown the key.
pub(super) const MAX_KNOWN: usize = 256;
/// Whoever has the key and asked for nothing for so long may be asked to make room.
const IDLE: Duration = Duration::from_secs(1);

/// All connections.
pub(super) struct Places {
    open: Mutex<Open>,
    metrics: Arc<Metrics>,
    began: Instant,
}

/// By the order they came in.
#[derive(Default)]
struct Open {
    last: u64,
    strangers: BTreeMap<u64, Arc<Place>>,
    known: BTreeMap<u64, Arc<Place>>,
}

/// One connection's place.
pub(super) struct Place {
    /// Who is at its other end.
    pub(super) peer: Peer,
    /// Root or the daemon's own user, on the unix socket: they could read the key anyway.
    pub(super) trusted: bool,
    id: u64,
    known: AtomicBool,
    busy: AtomicU64,
    /// In milliseconds since the server began.
    last_used_ms: AtomicU64,
    cut: CancellationToken,
}

/// Gives the place back when the connection is over.
pub(super) struct Taken {
    pub(super) place: Arc<Place>,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), metrics, began: Instant::now() })
    }

    /// Takes a place for a new connection; the one that goes for it, if one must, is cut.
    pub(super) fn enter(self: &Arc<Self>, peer: Peer, trusted: bool) -> Taken {
        let mut open = self.lock();
        let of_peer = open.strangers.values().filter(|it| it.peer == peer).count();
        if of_peer >= MAX_STRANGERS_OF_PEER {
            let oldest = open.strangers.values().find(|it| it.peer == peer).map(|it| it.id);
            self.cut(oldest.and_then(|id| open.strangers.remove(&id)), "http_connections_of_peer");
        } else if open.strangers.len() >= MAX_STRANGERS {
            self.cut(open.strangers.pop_first().map(|(_, place)| place), "http_connections");
        }
        open.last += 1;
        let place = Arc::new(Place {
            peer,
            trusted,
            id: open.last,
            known: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            last_used_ms: AtomicU64::new(0),
            cut: CancellationToken::new(),
        });
        open.strangers.insert(place.id, Arc::clone(&place));
        drop(open);
        Taken { place, places: Arc::clone(self) }
    }

    /// Notes that a request has shown the key; `false`: there are too many who have, and all are busy.
    pub(super) fn admit(&self, place: &Place) -> bool {
        if place.known.load(Ordering::Relaxed) {
            return true;
        }
        let mut open = self.lock();
        let now = self.now_ms();
        if open.known.len() >= MAX_KNOWN {
            let idle = open.known.values().filter(|it| it.idle_at(now));
            let longest = idle.min_by_key(|it| it.last_used_ms.load(Ordering::Relaxed)).map(|it| it.id);
            self.count("http_connections_with_key");
            let Some(longest) = longest else { return false };
            if let Some(gone) = open.known.remove(&longest) {
                gone.cut.cancel();
            }
        }
        // One that was cut while its request was read is on its way out already.
        if let Some(entry) = open.strangers.remove(&place.id) {
            place.known.store(true, Ordering::Relaxed);
            open.known.insert(entry.id, entry);
        }
        true
    }

    /// While this is held, a request is being answered on it.
    pub(super) fn busy<'a>(&'a self, place: &'a Place) -> Busy<'a> {
        place.busy.fetch_add(1, Ordering::Relaxed);
        Busy { place, places: self }
    }

    fn cut(&self, place: Option<Arc<Place>>, limit: &'static str) {
        if let Some(place) = place {
            place.cut.cancel();
            self.count(limit);
        }
    }

    fn count(&self, limit: &'static str) {
        self.metrics.turned_away.get_or_create(&LimitLabel { limit }).inc();
    }

    fn leave(&self, id: u64) {
        let mut open = self.lock();
        open.strangers.remove(&id);
        open.known.remove(&id);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Held for a few map operations, never across an await.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Returns when the connection has to make room for another.
    pub(super) async fn is_cut(&self) {
        self.cut.cancelled().await;
    }

    fn idle_at(&self, now_ms: u64) -> bool {
        let idle_ms = now_ms.saturating_sub(self.last_used_ms.load(Ordering::Relaxed));
        self.busy.load(Ordering::Relaxed) == 0 && u128::from(idle_ms) >= IDLE.as_millis()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.leave(self.place.id);
    }
}

/// See [`Places::busy`].
pub(super) struct Busy<'a> {
    place: &'a Place,
    places: &'a Places,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.place.last_used_ms.store(self.places.now_ms(), Ordering::Relaxed);
        self.place.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn peer(last: u8) -> Peer {
        Peer::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    fn places() -> (Arc<Places>, Arc<Metrics>) {
        let metrics = Metrics::new();
        (Places::new(Arc::clone(&metrics)), metrics)
    }

    fn cut(taken: &[Taken]) -> Vec<usize> {
        (0..taken.len()).filter(|at| taken[*at].place.cut.is_cancelled()).collect()
    }

    #[tokio::test]
    async fn a_peer_pushes_out_its_own_oldest_stranger() {
        let (places, metrics) = places();
        let other = places.enter(peer(2), false);
        let taken: Vec<_> = (0..MAX_STRANGERS_OF_PEER + 2).map(|_| places.enter(peer(1), false)).collect();
        assert_eq!(cut(&taken), [0, 1]);
        assert!(!other.place.cut.is_cancelled());
        let label = LimitLabel { limit: "http_connections_of_peer" };
        assert_eq!(metrics.turned_away.get_or_create(&label).get(), 2);
        drop(taken);
        assert_eq!(places.lock().strangers.len(), 1);
    }

    #[tokio::test]
    async fn many_peers_push_out_the_oldest_of_all() {
        let (places, _metrics) = places();
        let peers = (0..).map(Peer::User).take(MAX_STRANGERS + 1);
        let taken: Vec<_> = peers.map(|peer| places.enter(peer, false)).collect();
        assert_eq!(cut(&taken), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_shown_the_key_is_no_stranger_and_only_the_idle_make_room() {
        let (places, metrics) = places();
        let known: Vec<_> = (0..MAX_KNOWN)
            .map(|_| {
                let taken = places.enter(peer(1), false);
                assert!(places.admit(&taken.place) && places.admit(&taken.place));
                taken
            })
            .collect();
        let floods: Vec<_> = (0..MAX_STRANGERS_OF_PEER * 2).map(|_| places.enter(peer(1), false)).collect();
        assert_eq!(cut(&known), [0_usize; 0]);
        let late = &floods[floods.len() - 1].place;
        assert!(!places.admit(late), "all others have just asked for something");
        tokio::time::advance(IDLE).await;
        let busy = places.busy(&known[0].place);
        drop(places.busy(&known[1].place));
        assert!(places.admit(late));
        assert_eq!(cut(&known), [2]);
        drop(busy);
        let label = LimitLabel { limit: "http_connections_with_key" };
        assert_eq!(metrics.turned_away.get_or_create(&label).get(), 2);
        drop((known, floods));
        let open = places.lock();
        assert!(open.known.is_empty() && open.strangers.is_empty());
    }
}
