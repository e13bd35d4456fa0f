//! The daemon: starts every stage, joins them by their channels, and ends them in the order the data flows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::alerts::{self, Sinks};
use crate::analyst::Analyst;
use crate::cgroup::Hierarchy;
use crate::config::Config;
use crate::evidence::Sources;
use crate::health::Health;
use crate::host::Host;
use crate::incidents::Store;
use crate::incidents::recorder::{Recorder, ask_model, model_queue};
use crate::metrics::Metrics;
use crate::model::Case;
use crate::monitor::{Inputs, Monitor};
use crate::queue::Queue;
use crate::queue::cases::case_queue;
use crate::{http, kmsg, probes, scan};

/// Batches of observations that may wait for the monitor.
const BATCHES: usize = 64;
/// How long each stage may take to end; together well below the five seconds an operator is promised.
const STAGE_DEADLINE: Duration = Duration::from_secs(1);

/// Runs until `shutdown`, serving on `listener`. Everything that can be missing is reported in its health; an
/// error is only what makes the daemon useless.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<()> {
    let started = Instant::now();
    let config = Arc::new(config);
    let host = Host::read(&config.proc_root);
    let metrics = Metrics::new();
    let health = Health::default();
    let store = open_store(&config.data_dir, &host, &metrics, &health).await?;
    let analyst = Analyst::new(config.llm.clone(), health.clone(), Arc::clone(&metrics))?;
    let sinks = Sinks::new(config.slack.clone())?;
    let cases = case_queue(&metrics);

    let watch = Watch::start(&config, &host, &cases, &metrics, &health).await;
    let judge = Judge::start(&store, &analyst, sinks, cases, &metrics, &health);
    let app = http::App {
        config: Arc::clone(&config),
        host,
        monitor: watch.monitor.clone(),
        store,
        analyst,
        metrics,
        health,
        started,
    };
    let stop_http = CancellationToken::new();
    let server = tokio::spawn(http::serve(app, listener, stop_http.clone()));
    info!(version = env!("CARGO_PKG_VERSION"), "started");

    let result = tokio::select! {
        () = shutdown => Ok(()),
        result = flatten(server) => result.context("the HTTP server has stopped"),
    };
    stop_http.cancel();
    // In the order the data flows, so that what was seen last is still recorded.
    watch.stop().await;
    judge.stop().await;
    info!("stopped");
    result
}

/// What sees: probes, kernel log, scan, monitor.
struct Watch {
    monitor: crate::monitor::Handle,
    task: JoinHandle<()>,
    probes: Option<probes::Probes>,
    log: Option<kmsg::Follower>,
    stop_scan: CancellationToken,
}

impl Watch {
    async fn start(
        config: &Config,
        host: &Host,
        cases: &Queue<Case>,
        metrics: &Arc<Metrics>,
        health: &Health,
    ) -> Self {
        let hierarchy = Hierarchy::detect(&config.cgroup_root);
        let (batches, observations) = mpsc::channel(BATCHES);
        let log = kmsg::Log::open(health);
        let (monitor, handle) = Monitor::new(Inputs {
            sources: Sources { proc_root: config.proc_root.clone(), hierarchy: hierarchy.clone() },
            limits: config.detect.clone(),
            host: host.clone(),
            kernel_log: log.is_some(),
            cases: cases.clone(),
            metrics: Arc::clone(metrics),
            health: health.clone(),
        });
        let task = tokio::spawn(monitor.run(observations));
        let log =
            log.and_then(|log| log.follow(host.page_size, batches.clone(), Arc::clone(metrics), health));
        let options = probes::Options {
            grave_bytes: config.detect.ring_grave_bytes,
            common_bytes: config.detect.ring_common_bytes,
            crash_bytes: config.detect.ring_crash_bytes,
            log: config.ebpf_log,
        };
        // Before the first scan, so that no process can slip between the two.
        let probes = probes::start(options, host.clone(), batches.clone(), Arc::clone(metrics), health).await;
        let options =
            scan::Options { proc_root: config.proc_root.clone(), hierarchy, interval: config.scan_interval };
        let stop_scan = CancellationToken::new();
        tokio::spawn(scan::run(
            options,
            host.clone(),
            batches,
            Arc::clone(metrics),
            health.clone(),
            stop_scan.clone(),
        ));
        Self { monitor: handle, task, probes, log, stop_scan }
    }

    /// Detaches, takes in what was already on the way, and queues the last cases.
    async fn stop(self) {
        self.stop_scan.cancel();
        let probes = async {
            if let Some(probes) = self.probes {
                within("the ring reader", probes.stop()).await;
            }
        };
        let log = async {
            if let Some(log) = self.log {
                within("the reader of the kernel log", log.stop()).await;
            }
        };
        tokio::join!(probes, log);
        within("the monitor", self.task).await;
    }
}

/// What judges and tells: recorder, model, alerts.
struct Judge {
    recorder: JoinHandle<()>,
    others: [JoinHandle<()>; 3],
    stop_recorder: CancellationToken,
    stop_others: CancellationToken,
}

impl Judge {
    fn start(
        store: &Store,
        analyst: &Analyst,
        sinks: Sinks,
        cases: Queue<Case>,
        metrics: &Arc<Metrics>,
        health: &Health,
    ) -> Self {
        let (stop_recorder, stop_others) = (CancellationToken::new(), CancellationToken::new());
        let pending = model_queue(metrics);
        let recorder = Recorder::new(
            store.clone(),
            analyst,
            sinks.clone(),
            pending.clone(),
            Arc::clone(metrics),
            health.clone(),
        );
        let alerts =
            alerts::run(store.clone(), sinks, Arc::clone(metrics), health.clone(), stop_others.clone());
        let model = ask_model(pending, store.clone(), analyst.clone(), stop_others.clone());
        let (analyst, stop) = (analyst.clone(), stop_others.clone());
        let check = async move {
            stop.run_until_cancelled(analyst.check_model()).await;
        };
        Self {
            recorder: tokio::spawn(recorder.run(cases, stop_recorder.clone())),
            others: [tokio::spawn(alerts), tokio::spawn(model), tokio::spawn(check)],
            stop_recorder,
            stop_others,
        }
    }

    /// Records what still waits; what is not alerted by then stays in the outbox for the next start.
    async fn stop(self) {
        self.stop_recorder.cancel();
        within("the recorder", self.recorder).await;
        self.stop_others.cancel();
        for task in self.others {
            within("the alerts or the model", task).await;
        }
    }
}

async fn open_store(dir: &Path, host: &Host, metrics: &Arc<Metrics>, health: &Health) -> Result<Store> {
    let (dir, host, metrics, given) = (dir.to_owned(), host.clone(), Arc::clone(metrics), health.clone());
    let store = tokio::task::spawn_blocking(move || Store::open(&dir, host, metrics, given)).await??;
    if let Some(reason) = store.recovered_from() {
        warn!("{reason}");
        health.degrade("store", reason, "look at the file that was moved aside; new incidents are recorded");
    }
    Ok(store)
}

async fn flatten(server: JoinHandle<Result<()>>) -> Result<()> {
    server.await.context("it panicked")?
}

/// Waits for a stage to end, but not for ever.
async fn within(what: &str, end: impl Future) {
    if timeout(STAGE_DEADLINE, end).await.is_err() {
        warn!("{what} did not end in time");
    }
}
