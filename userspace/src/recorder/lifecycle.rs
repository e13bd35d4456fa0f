//! The life of incidents while nothing happens to them: at a steady pace, how long each has been silent, by what
//! the daemon could see, and who is to be told that it goes on or is over.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::audience::Audience;
use crate::coverage::{Coverage, CoverageState, Hook, Way};
use crate::kinds::case::Case;
use crate::model::IncidentKind;
use crate::queue::Queue;
use crate::store::{IsAlive, Store, Watched};

/// Between two steps, at the least and at the most.
const PACE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A scan that took so many times longer than it should: the rest of that time nothing was watched.
const LATE_WALKS: u32 = 3;

/// Where it is seen what the daemon could see.
pub struct Visibility {
    /// Hooks, scans and losses.
    pub coverage: Coverage,
    /// What waits to be recorded.
    pub cases: Queue<Case>,
    /// Between two scans of /proc.
    pub scan_interval: Duration,
    /// How long it takes from the daemon's start to see what goes on, by kind.
    pub patience: Vec<(IncidentKind, Duration)>,
    /// Whether the process is alive.
    pub is_alive: IsAlive,
}

/// Resolves and reminds, step by step, until `shutdown`.
pub async fn run(
    store: Store,
    mut audience: watch::Receiver<Audience>,
    visibility: Visibility,
    shutdown: CancellationToken,
) {
    greet(&store, &mut audience).await;
    hold_back(&store, &visibility).await;
    let mut timer = interval(visibility.scan_interval.clamp(PACE.0, PACE.1));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut observer = Observer::new(&visibility, Instant::now());
    let work = async {
        loop {
            timer.tick().await;
            if audience.has_changed().unwrap_or(false) {
                greet(&store, &mut audience).await;
            }
            let sinks = audience.borrow().sinks.clone();
            let watched = observer.look(&visibility, Instant::now());
            match store.advance(watched, sinks, Timestamp::now()).await {
                Ok(advanced) => {
                    for id in advanced.resolved {
                        tracing::info!(id, "resolved an incident: it has not been seen for a while");
                    }
                }
                // The recorder and the alerts' worker tell health of a store that does not work.
                Err(err) => tracing::warn!("incidents cannot be resolved or reminded of: {err:#}"),
            }
        }
    };
    let looking = async { tokio::join!(work, look_after(&store)) };
    shutdown.run_until_cancelled(looking).await;
}

/// What was found by a long history, which went with the daemon before this one, can't be judged yet: it is not over
/// because no scan finds it. Who has ended is.
async fn hold_back(store: &Store, visibility: &Visibility) {
    for (kind, patience) in &visibility.patience {
        if let Err(err) = store.hold_back(*kind, *patience, IsAlive::clone(&visibility.is_alive)).await {
            tracing::warn!("open incidents may be resolved before they can be judged: {err:#}");
        }
    }
}

/// Tells receivers that were not there before of what is open.
async fn greet(store: &Store, audience: &mut watch::Receiver<Audience>) {
    let greeting = audience.borrow_and_update().greeting();
    if let Err(err) = store.greet(greeting, Timestamp::now()).await {
        tracing::warn!("new receivers cannot be told of what is open: {err:#}");
    }
}

/// Looks after the store's file, every second.
async fn look_after(store: &Store) {
    let mut timer = interval(PACE.0);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        if let Err(err) = store.tend().await {
            tracing::warn!("the store can't be looked after: {err:#}");
        }
    }
}

/// What was seen at the last look.
struct Observer {
    walks: u64,
    lost: u64,
    at: Instant,
}

impl Observer {
    fn new(visibility: &Visibility, now: Instant) -> Self {
        let coverage = visibility.coverage.now();
        Self { walks: coverage.scans, lost: lost(&coverage), at: now }
    }

    /// What could be seen since the last look. Only time in which scans ended counts: the time of a look without
    /// one counts at the next that has one.
    fn look(&mut self, visibility: &Visibility, now: Instant) -> Watched {
        let coverage = visibility.coverage.now();
        let (walks, lost) = (coverage.scans, lost(&coverage));
        let ended = walks.saturating_sub(self.walks);
        // What waits to be recorded may be what would be missed.
        if ended == 0 || !visibility.cases.is_empty() {
            return Watched::default();
        }
        let longest = visibility.scan_interval.max(PACE.0).saturating_mul(LATE_WALKS);
        let walked = now.saturating_duration_since(self.at).min(longest);
        let sees_ends = coverage.sees(Hook::Exit) && lost == self.lost;
        *self = Self { walks, lost, at: now };
        Watched { walks: ended, walked, events: if sees_ends { walked } else { Duration::ZERO } }
    }
}

/// Of the ends by signal and the OOM kills, which an incident may be about.
fn lost(coverage: &CoverageState) -> u64 {
    coverage.lost_on(Way::UrgentRing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::{Delivery, EventKind, Loss, LossReason};
    use crate::kinds::sample::case;
    use crate::metrics::Metrics;
    use crate::queue::cases::{case_queue, entry};

    fn visibility() -> Visibility {
        let metrics = Metrics::new();
        let (coverage, cases) = (metrics.coverage.clone(), case_queue(&metrics));
        let visibility = Visibility {
            coverage,
            cases,
            scan_interval: Duration::from_secs(10),
            patience: Vec::new(),
            is_alive: std::sync::Arc::new(|_| true),
        };
        hook(&visibility, true);
        visibility
    }

    fn hook(visibility: &Visibility, attached: bool) {
        let delivery = if attached { Delivery::Complete } else { Delivery::Absent("EPERM".into()) };
        visibility.coverage.set_hook(Hook::Exit, delivery);
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_could_be_seen_counts() {
        let visibility = visibility();
        let mut observer = Observer::new(&visibility, Instant::now());
        let mut look = async |seconds, walks| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            (0..walks).for_each(|_| visibility.coverage.add_scan());
            let Watched { walks, walked, events } = observer.look(&visibility, Instant::now());
            (walks, walked.as_secs(), events.as_secs())
        };
        assert_eq!(look(10, 1).await, (1, 10, 10));
        // A scan that takes a little longer counts when it is over; one that hung, no longer than it may.
        assert_eq!(look(10, 0).await, (0, 0, 0));
        assert_eq!(look(5, 1).await, (1, 15, 15));
        assert_eq!(look(3600, 1).await, (1, 30, 30));
        // Without the hook, or with losses of urgent events, the scans alone were seen.
        hook(&visibility, false);
        assert_eq!(look(10, 1).await, (1, 10, 0));
        hook(&visibility, true);
        let full = Loss { way: Way::CommonRing, kind: EventKind::Exec, reason: LossReason::RingFull };
        visibility.coverage.add_lost(full, 5);
        assert_eq!(look(10, 1).await, (1, 10, 10));
        visibility.coverage.add_lost(Loss { way: Way::UrgentRing, kind: EventKind::Exit, ..full }, 1);
        assert_eq!(look(10, 1).await, (1, 10, 0));
        assert_eq!(look(10, 1).await, (1, 10, 10));
        // What waits to be recorded is not silence.
        assert_eq!(visibility.cases.push(entry(case("a"))), crate::queue::Pushed::Queued);
        assert_eq!(look(10, 1).await, (0, 0, 0));
        visibility.cases.drain();
        assert_eq!(look(10, 1).await, (2, 20, 20));
    }
}
