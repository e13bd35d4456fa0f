//! Probes: the only user of aya. Loads and attaches the eBPF programs, reads their rings, decodes, counts
//! losses. What cannot be had is reported with the reason and what to do; the daemon goes on without it.

mod btf;
mod decode;
mod fallback;
mod forks;
mod formats;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod identities;
mod layout;
mod load;
mod losses;
mod object;
mod reader;
mod tracefs;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use tokio::sync::mpsc::Sender;
use tracing::{info, warn};

#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub use object::{BTF, ProbeOptions};

use crate::coverage::{Delivery, Hook};
use crate::health::Health;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::observation::Observation;

/// The attached programs and the thread that reads their rings. Dropping it does not stop them: call
/// [`Probes::stop`].
pub struct Probes {
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    reader: JoinHandle<()>,
}

impl Probes {
    /// Whether the thread that reads the rings lives.
    pub fn is_reading(&self) -> bool {
        !self.reader.is_finished()
    }

    /// How often the thread has looked at the rings, at least ten times a second: a number that grows while it works.
    pub fn turns(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.turns)
    }

    /// Stops reading, detaches the programs and waits for the last batch; at most about a tenth of a second.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        let joined = tokio::task::spawn_blocking(move || self.reader.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            warn!("the ring reader panicked");
        }
    }
}

/// The programs as they were attached, or not; nobody reads what they send yet.
pub struct Attached {
    outcome: object::LoadOutcome,
    proc_root: PathBuf,
}

/// Attaches what can be attached. Parsing BTF and the verifier take a fraction of a second: it blocks.
pub fn attach(options: &ProbeOptions) -> Attached {
    let proc_root = options.proc_root.clone().unwrap_or_else(|| PathBuf::from("/proc"));
    Attached { outcome: load::load(options), proc_root }
}

impl Attached {
    /// Starts reading, which takes no privilege but that of the counters. `None`, and the reason in `health`, when
    /// nothing is attached.
    pub fn read(
        self,
        host: Host,
        batches: Sender<Vec<Observation>>,
        metrics: Arc<Metrics>,
        health: &Health,
    ) -> Option<Probes> {
        let (loaded, states) = self.outcome;
        for (hook, delivery) in &states {
            metrics.coverage.set_hook(*hook, delivery.clone());
        }
        let missing: Vec<_> = states.iter().filter_map(|(hook, it)| Some((hook, it.reason()?))).collect();
        if let Some((hook, reason)) = missing.first() {
            let count = missing.len();
            health.degrade(
                "probes",
                format!(
                    "{count} of {} hooks are missing or use the fallback; {hook}: {reason}",
                    states.len()
                ),
                remedy(reason),
            );
        }
        let attached = states.iter().filter(|(_, delivery)| delivery.is_attached()).count();
        match loaded.and_then(|loaded| spawn(loaded, self.proc_root, batches, host, metrics)) {
            Ok(probes) => {
                info!(attached, of = states.len(), "kernel probes are attached");
                Some(probes)
            }
            Err(error) => {
                warn!("no kernel events, periodic scans only: {error:#}");
                health.degrade(
                    "probes",
                    format!("no kernel events: {error:#}"),
                    remedy(&format!("{error:#}")),
                );
                None
            }
        }
    }
}

/// Attaches what can be attached and starts reading, from within a runtime.
pub async fn start(
    options: ProbeOptions,
    host: Host,
    batches: Sender<Vec<Observation>>,
    metrics: Arc<Metrics>,
    health: &Health,
) -> Option<Probes> {
    let attached = tokio::task::spawn_blocking(move || attach(&options)).await.ok()?;
    attached.read(host, batches, metrics, health)
}

/// Attaches everything and detaches it again: what this host can give.
pub fn try_attach(btf: &Path) -> Vec<(Hook, Delivery)> {
    load::load(&ProbeOptions { btf: Some(btf.to_owned()), ..ProbeOptions::small() }).1
}

fn spawn(
    loaded: object::Loaded,
    proc_root: PathBuf,
    batches: Sender<Vec<Observation>>,
    host: Host,
    metrics: Arc<Metrics>,
) -> Result<Probes> {
    let reader = reader::RingReader::new(loaded, proc_root, batches, host, metrics)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let turns = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&turns);
    let reader = std::thread::Builder::new()
        .name("ring-reader".to_owned())
        .spawn(move || reader.run(&stopped, &counted))
        .context("cannot start the ring reader's thread")?;
    Ok(Probes { stop, turns, reader })
}

/// What to do about a reason.
fn remedy(reason: &str) -> &'static str {
    if reason.contains("perf_event_open") {
        "without BTF the hooks need perf_event_open(2): allow it to the unit (SystemCallFilter=perf_event_open), or use a \
         kernel built with CONFIG_DEBUG_INFO_BTF"
    } else if reason.contains("Operation not permitted") || reason.contains("os error 1") {
        "run as root, or with CAP_BPF and CAP_PERFMON (kernels before 5.8: CAP_SYS_ADMIN)"
    } else if reason.contains("No such file") || reason.contains("BTF") {
        "use a kernel built with CONFIG_DEBUG_INFO_BTF, and mount /sys into the container (or set \
         --btf-path to its BTF)"
    } else if reason.contains("no tracepoint") {
        "nothing to do on this kernel; the periodic scan finds what this hook would report, later and with less detail"
    } else {
        "run `ai-debugger doctor` for details"
    }
}

/// Says that a test cannot run here, to `cargo xtask test` and whoever reads the output.
#[cfg(test)]
fn report_skip(test: &str, reason: &str) {
    use std::io::Write as _;

    let line = format!("SKIPPED {test}: {reason}");
    println!("{line}");
    if let Ok(path) = std::env::var("AI_DEBUGGER_SKIP_LOG") {
        let log = std::fs::OpenOptions::new().append(true).create(true).open(path);
        // One write, so that lines of parallel tests do not mix.
        log.and_then(|mut log| log.write_all(format!("{line}\n").as_bytes()))
            .expect("the skip log can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_remedy() {
        for (reason, want) in [
            ("cannot load: Operation not permitted (os error 1)", "CAP_BPF"),
            ("cannot read /sys/kernel/btf/vmlinux: No such file or directory (os error 2)", "BTF"),
            ("this kernel has no tracepoint mark_victim", "periodic scan"),
            ("`perf_event_open` failed: Operation not permitted (os error 1)", "SystemCallFilter"),
            ("the verifier said no", "doctor"),
        ] {
            assert!(remedy(reason).contains(want), "{reason}");
        }
    }
}
