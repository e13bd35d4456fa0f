//! What a supervisor such as systemd is told (sd_notify(3)): that the daemon stops, and that it is alive, which it says
//! only while its stages get on with their work. One that hangs is then started anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, interval_at, timeout};
use tracing::{debug, error};

use crate::coverage::Coverage;
use crate::monitor;

/// So many signs of life fit into the time after which the supervisor acts.
const BEATS: u32 = 3;
/// A scan is late after so many intervals and so much time more: a host in trouble has its own pace.
const LATE_SCANS: u32 = 3;
const LATE_BY: Duration = Duration::from_secs(60);

/// Tells the supervisor that this daemon has been asked to end, or ends by itself.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Without a supervisor that is nothing.
fn tell(state: NotifyState<'_>) {
    if let Err(err) = sd_notify::notify(&[state]) {
        debug!("the supervisor cannot be told: {err}");
    }
}

/// The stages that must get on, and how far each was at the last look. Not the store: a disk that hangs is no reason to
/// start anew, which would hang, too; alerts go out from memory then.
pub(super) struct Vital {
    monitor: monitor::Handle,
    coverage: Coverage,
    /// Of the ring reader, where there is one.
    turns: Option<Arc<AtomicU64>>,
    scan_interval: Duration,
    seen_turns: u64,
    seen_scans: u64,
    scanned: Instant,
}

impl Vital {
    pub(super) fn new(
        monitor: monitor::Handle,
        coverage: Coverage,
        turns: Option<Arc<AtomicU64>>,
        scan_interval: Duration,
    ) -> Self {
        let scanned = Instant::now();
        Self { monitor, coverage, turns, scan_interval, seen_turns: 0, seen_scans: 0, scanned }
    }

    /// Gives signs of life for as long as the stages do; where nobody wants any, it is nothing.
    pub(super) async fn watch(mut self) {
        let Some(limit) = sd_notify::watchdog_enabled() else { return };
        let mut timer = interval_at(Instant::now() + limit / BEATS, limit / BEATS);
        loop {
            timer.tick().await;
            match self.stuck(limit / BEATS).await {
                None => tell(NotifyState::Watchdog),
                Some(stage) => error!(
                    "{stage} does not get on: the supervisor is given no sign of life, and starts the daemon anew \
                     within {} s if that lasts",
                    limit.as_secs()
                ),
            }
        }
    }

    /// The stage that has done nothing since the last look.
    async fn stuck(&mut self, patience: Duration) -> Option<&'static str> {
        if !matches!(timeout(patience, self.monitor.process(1, None)).await, Ok(Ok(_))) {
            return Some("the monitor");
        }
        let turns = self.turns.as_ref().map_or(self.seen_turns + 1, |it| it.load(Ordering::Relaxed));
        if turns == std::mem::replace(&mut self.seen_turns, turns) {
            return Some("the ring reader");
        }
        let scans = self.coverage.now().scans;
        if scans != std::mem::replace(&mut self.seen_scans, scans) {
            self.scanned = Instant::now();
        }
        let late = self.scanned.elapsed() > self.scan_interval * LATE_SCANS + LATE_BY;
        late.then_some("the scan")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_secs(40);

    #[tokio::test(start_paused = true)]
    async fn a_stage_that_does_nothing_is_named() {
        let (coverage, turns) = (Coverage::default(), Arc::new(AtomicU64::new(1)));
        let monitor = monitor::Handle::fake(vec![], vec![]);
        let seconds = Duration::from_secs;
        let mut vital = Vital::new(monitor, coverage.clone(), Some(Arc::clone(&turns)), seconds(10));
        let turn = || turns.fetch_add(1, Ordering::Relaxed);
        assert_eq!(vital.stuck(BEAT).await, None);
        assert_eq!(vital.stuck(BEAT).await, Some("the ring reader"));
        turn();
        assert_eq!(vital.stuck(BEAT).await, None, "it gets on again");
        tokio::time::advance(seconds(90)).await;
        turn();
        assert_eq!(vital.stuck(BEAT).await, None, "a scan may take its time");
        tokio::time::advance(seconds(1)).await;
        turn();
        assert_eq!(vital.stuck(BEAT).await, Some("the scan"));
        coverage.add_scan();
        turn();
        assert_eq!(vital.stuck(BEAT).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_monitor_that_does_not_answer_is_named_and_nobody_else_is_needed() {
        let mut vital = Vital::new(monitor::Handle::silent(), Coverage::default(), None, BEAT);
        assert_eq!(vital.stuck(BEAT).await, Some("the monitor"));
        vital.monitor = monitor::Handle::fake(vec![], vec![]);
        assert_eq!((vital.stuck(BEAT).await, vital.stuck(BEAT).await), (None, None), "there are no rings");
    }
}
