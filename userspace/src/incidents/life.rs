//! The life of incidents while nothing happens to them: at a steady pace, how long each has been silent, by what
//! the daemon could see, and who is to be told that it goes on or is over.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Store, Watched};
use crate::config::LifeRules;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::model::Case;
use crate::queue::Queue;

/// Reminders come after this many times the first one's wait; from then on always after the last.
const WIDENING: [u32; 4] = [1, 6, 36, 144];

/// Between two steps, at the least and at the most.
const PACE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A walk that took so many times longer than it should: the rest of that time nothing was watched.
const LATE_WALKS: u32 = 3;

/// The hook without which no end of a process is seen.
const ENDS_HOOK: &str = "sched_process_exit";

/// The ring that ends by signal and OOM kills travel on.
const GRAVE_RING: &str = "grave";

impl LifeRules {
    /// How long after the last message the next reminder may come, when there were so many; `None`: never.
    pub(super) fn reminder_after(&self, earlier: i64) -> Option<Duration> {
        let step = usize::try_from(earlier).unwrap_or(0).min(WIDENING.len() - 1);
        (!self.remind.is_zero()).then(|| self.remind.saturating_mul(WIDENING[step]))
    }
}

/// Where it is seen what the daemon could see.
pub struct Sight {
    /// Walks and losses.
    pub metrics: Arc<Metrics>,
    /// Hooks.
    pub health: Health,
    /// What waits to be recorded.
    pub cases: Queue<Case>,
    /// Between two walks of /proc.
    pub scan_interval: Duration,
}

/// Steps until `shutdown`.
pub async fn run(store: Store, sinks: Vec<&'static str>, sight: Sight, shutdown: CancellationToken) {
    let mut timer = interval(sight.scan_interval.clamp(PACE.0, PACE.1));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut observer = Observer::new(&sight, Instant::now());
    let work = async {
        loop {
            timer.tick().await;
            let watched = observer.look(&sight, Instant::now());
            match store.advance(watched, sinks.clone(), Timestamp::now()).await {
                Ok(advanced) => {
                    for id in advanced.resolved {
                        tracing::info!(id, "an incident is resolved: it has not been seen for a while");
                    }
                }
                // The recorder and the alerts' worker tell health of a store that does not work.
                Err(err) => tracing::warn!("the incidents' life stands still: {err:#}"),
            }
        }
    };
    shutdown.run_until_cancelled(work).await;
}

/// What was seen at the last look.
struct Observer {
    walks: u64,
    lost: u64,
    at: Instant,
}

impl Observer {
    fn new(sight: &Sight, now: Instant) -> Self {
        Self { walks: sight.metrics.scans.get(), lost: lost(&sight.metrics), at: now }
    }

    /// What could be seen since the last look. Only time in which walks ended counts: the time of a look without
    /// one counts at the next that has one.
    fn look(&mut self, sight: &Sight, now: Instant) -> Watched {
        let (walks, lost) = (sight.metrics.scans.get(), lost(&sight.metrics));
        let ended = walks.saturating_sub(self.walks);
        // What waits to be recorded may be what would be missed.
        if ended == 0 || !sight.cases.is_empty() {
            return Watched::default();
        }
        let longest = sight.scan_interval.max(PACE.0).saturating_mul(LATE_WALKS);
        let walked = now.saturating_duration_since(self.at).min(longest);
        let hooks = sight.health.hooks();
        let sees_ends = hooks.get(ENDS_HOOK).is_some_and(|hook| hook.attached) && lost == self.lost;
        *self = Self { walks, lost, at: now };
        Watched { walks: ended, walked, events: if sees_ends { walked } else { Duration::ZERO } }
    }
}

fn lost(metrics: &Metrics) -> u64 {
    let losses = metrics.losses();
    losses.iter().filter(|(labels, _)| labels.ring == GRAVE_RING).map(|(_, count)| count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::HookState;
    use crate::incidents::sample::case;
    use crate::metrics::Metrics;
    use crate::queue::cases::{case_queue, entry};

    fn sight() -> Sight {
        let metrics = Metrics::new();
        let cases = case_queue(&metrics);
        let sight =
            Sight { metrics, health: Health::default(), cases, scan_interval: Duration::from_secs(10) };
        hook(&sight, true);
        sight
    }

    fn hook(sight: &Sight, attached: bool) {
        sight.health.set_hook(ENDS_HOOK, HookState { attached, reason: None });
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_could_be_seen_counts() {
        let sight = sight();
        let mut observer = Observer::new(&sight, Instant::now());
        let mut look = async |seconds, walks| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            sight.metrics.scans.inc_by(walks);
            let Watched { walks, walked, events } = observer.look(&sight, Instant::now());
            (walks, walked.as_secs(), events.as_secs())
        };
        assert_eq!(look(10, 1).await, (1, 10, 10));
        // A walk that takes a little longer counts when it is over; one that hung, no longer than it may.
        assert_eq!(look(10, 0).await, (0, 0, 0));
        assert_eq!(look(5, 1).await, (1, 15, 15));
        assert_eq!(look(3600, 1).await, (1, 30, 30));
        // Without the hook, or with losses of grave events, the walks alone were seen.
        hook(&sight, false);
        assert_eq!(look(10, 1).await, (1, 10, 0));
        hook(&sight, true);
        sight.metrics.count_loss("common", "exec", "ring_full", 5);
        assert_eq!(look(10, 1).await, (1, 10, 10));
        sight.metrics.count_loss("grave", "exit", "ring_full", 1);
        assert_eq!(look(10, 1).await, (1, 10, 0));
        assert_eq!(look(10, 1).await, (1, 10, 10));
        // What waits to be recorded is not silence.
        assert_eq!(sight.cases.push(entry(case("a"))), crate::queue::Pushed::Queued);
        assert_eq!(look(10, 1).await, (0, 0, 0));
        sight.cases.drain();
        assert_eq!(look(10, 1).await, (2, 20, 20));
    }
}
