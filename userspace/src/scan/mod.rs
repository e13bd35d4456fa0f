//! The scan of /proc: at the start and every interval, through the same channel as kernel events.

mod cmdline;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod pressure;
mod shared;
mod suspects;
mod task;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::cgroup::Hierarchy;
use crate::children::Toucher;
use crate::health::Health;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::observation::{Observation, SeenProcess};
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use walk::Walker;

/// Most observations in one message to the monitor.
const BATCH: usize = 512;

/// What to scan, and how often.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// Where the host's /proc is mounted; `/proc` unless in a container.
    pub proc_root: PathBuf,
    /// Where memory limits are read.
    pub hierarchy: Hierarchy,
    /// Who reads what may hang; absent: a thread, which may hang in its place.
    pub toucher: Option<Arc<Toucher>>,
    /// From the start of one scan to the start of the next.
    pub interval: Duration,
}

/// One process as a scan would see it, now; `None` where there is none with that pid. What may hang is read by
/// `toucher`, or without one by a thread.
pub fn one(proc_root: &Path, pid: u32, host: &Host, toucher: Option<Arc<Toucher>>) -> Option<SeenProcess> {
    walk::one(proc_root, pid, host, toucher)
}

/// What a scan would measure of one process, now; reads nothing that the process could hold up.
pub fn measure(proc_root: &Path, pid: u32, host: &Host) -> Option<SeenProcess> {
    walk::measure(proc_root, pid, host)
}

/// What a scan would measure of every process, now; reads nothing that a process could hold up.
pub fn measure_all(proc_root: &Path, host: &Host) -> anyhow::Result<Vec<SeenProcess>> {
    walk::measure_all(proc_root, host)
}

/// Scans /proc at every interval until `shutdown`.
pub async fn run(
    options: ScanOptions,
    host: Host,
    batches: Sender<Vec<Observation>>,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
) {
    let mut timer = tokio::time::interval(options.interval);
    // A scan that takes longer than the interval must not be followed by a burst of them.
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut walker =
        Walker::new(options.proc_root.clone(), options.hierarchy, host).reading_by(options.toucher);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let walked = tokio::task::spawn_blocking(move || (walker.walk(), walker)).await;
        let Ok((result, back)) = walked else {
            warn!("a scan of /proc panicked; scanning has stopped");
            health.degrade("scan", "the periodic scan has stopped", "restart the daemon and report the log");
            return;
        };
        walker = back;
        match result {
            Err(error) => {
                let root = options.proc_root.display();
                health.degrade(
                    "scan",
                    format!("cannot scan {root}: {error:#}"),
                    "mount proc there, or set --proc-root",
                );
            }
            Ok(observations) => {
                match walker.held() {
                    0 => health.recover("scan"),
                    held => health.degrade(
                        "scan",
                        format!(
                            "{held} processes are stuck while holding their memory lock: their argv, or \
                             what their threads wait for, cannot be read"
                        ),
                        "look for processes in state D: ps -eo pid,stat,wchan:30,comm | awk '$2 ~ /D/'",
                    ),
                }
                if let Some(Observation::ScanDone(done)) = observations.last() {
                    metrics.scan_seconds.observe(done.took.as_secs_f64());
                }
                metrics.coverage.add_scan();
                metrics.count_turned_away("close_looks", walker.turned_away());
                let mut rest = observations;
                while !rest.is_empty() {
                    let tail = rest.split_off(rest.len().min(BATCH));
                    // The scan may wait for the monitor; kernel events have their own place in the rings.
                    if batches.send(rest).await.is_err() {
                        return;
                    }
                    rest = tail;
                }
            }
        }
    }
}
