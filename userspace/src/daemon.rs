//! The daemon: starts every stage, joins them by their channels, and ends them in the order the data flows.

mod presence;
mod reload;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant as Moment, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::alerts::{self, Sinks};
use crate::analyst::Analyst;
use crate::cgroup::{Hierarchy, of_process};
use crate::children::{Nursery, Share, Symboliser, Toucher};
use crate::config::Config;
use crate::evidence::Sources;
use crate::health::Health;
use crate::host::{Host, boot_time};
use crate::kinds::case::Case;
use crate::metrics::Metrics;
use crate::monitor::{self, Inputs, Monitor};
use crate::queue::Queue;
use crate::queue::cases::case_queue;
use crate::recorder::{Audience, Recorder, ask_model, lifecycle, model_queue};
use crate::store::{DataLock, Store};
use crate::{http, kmsg, probes, programs, scan};
pub use http::{Listener, Reached};
use presence::Presence;
use stage::{Stage, within};

/// Batches of observations that may wait for the monitor.
const BATCHES: usize = 64;
/// How long all stages together may take to end; below the five seconds an operator is promised.
const STOP_DEADLINE: Duration = Duration::from_millis(4500);
/// Between two looks at whether the ring reader's thread lives.
const READER_CHECK: Duration = Duration::from_secs(1);
/// The program that runs, whatever its file is by now (proc_pid_exe(5)).
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Ends of stages that can be told before anybody listens: more than there are stages.
const ENDS: usize = 16;

/// Runs until `shutdown`, serving on `listener`. Everything that can be missing is reported in its health; an
/// error is only what makes the daemon useless.
pub async fn run(
    config: Config,
    listener: Listener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<()> {
    let started = Instant::now();
    programs::extend(&config.own_programs())?;
    let config = Arc::new(config);
    let host = Host::read(&config.proc_root);
    let metrics = Metrics::new();
    let health = Health::default();
    // Held to the end: two daemons on one store would each tell everybody everything.
    let _lock = lock_folder(&config.data_dir)?;
    let store = open_store(&config, &host, &metrics, &health).await?;
    if config.llm.is_none() && !config.no_llm {
        let remedy = "set GROQ_API_KEY (or GROQ_API_KEY_FILE), or --no-llm if that is intended";
        health.degrade("analyst", "no GROQ_API_KEY: the built-in analyst works alone", remedy);
    }
    let analyst = Analyst::new(config.llm.clone(), health.clone(), Arc::clone(&metrics))?;
    // A damaged or unreadable account must not keep the daemon from its main job.
    if let Err(error) = analyst.keep_usage(&config.data_dir) {
        warn!("{error:#}");
    }
    if config.show_secrets {
        warn!(
            "--show-secrets is on: command lines and evidence are stored and served without masking secrets"
        );
    }
    let sinks = Sinks::new(config.receivers.clone())?;
    let cases = case_queue(&metrics);
    // From here on nothing fails: what does not end in order was felled.
    let (presence, felled) = Presence::begin(&config.data_dir, &host, presence::own_start());
    if let Some(felled) = felled {
        felled.tell(&cases);
    }
    let stop_presence = CancellationToken::new();
    let presence = tokio::spawn(presence.keep(store.clone(), stop_presence.clone()));

    let (ended, mut ends) = mpsc::channel(ENDS);
    let nursery = Nursery::new(PathBuf::from(OWN_PROGRAM), Arc::clone(&metrics), health.clone());
    let share = Share::of(memory_limit(&config.cgroup_root));
    let helpers = Helpers {
        symboliser: Arc::new(Symboliser::new(&nursery, share, &metrics)),
        // For the scan and for looks at programs.
        toucher: Toucher::new(&nursery, share),
    };
    let watch = WatchStages::start(&config, &host, helpers, &cases, &metrics, &health, &ended).await;
    let shared = StageInputs { cases: cases.clone(), metrics: Arc::clone(&metrics), health: health.clone() };
    let audience = audience(&config, &host, &sinks);
    let receivers = sinks.names();
    let judge = Judge::start(&config, &store, &analyst, sinks, audience, shared, &ended);
    let access = http::Access::new(Arc::clone(&config), Arc::clone(&metrics), health.clone())?;
    let access = Arc::new(access);
    let reload = Stage::start("the reload on SIGHUP", &ended, reload::on_hangup(Arc::clone(&access))?);
    let app = http::App {
        config: Arc::clone(&config),
        access,
        host,
        monitor: watch.monitor.clone(),
        // One of its own: who asks over HTTP can't keep the scan waiting.
        toucher: Toucher::new(&nursery, share),
        store,
        sinks: receivers,
        analyst,
        metrics,
        health: health.clone(),
        started,
    };
    let stop_http = CancellationToken::new();
    let serving = http::serve(app, listener, stop_http.clone());
    let server = Stage::start("the HTTP server", &ended, async {
        if let Err(err) = serving.await {
            error!("the HTTP server: {err:#}");
        }
    });
    info!(version = env!("CARGO_PKG_VERSION"), "started");

    let result = tokio::select! {
        () = shutdown => Ok(()),
        name = first_end(&mut ends, &watch) => stopped_by_itself(name, &health),
    };
    let deadline = Moment::now() + STOP_DEADLINE;
    // Requests under way still need the other stages; these then end in the order the data flows, so that
    // what was seen last is still recorded.
    stop_http.cancel();
    server.end(deadline).await;
    reload.cancel().await;
    watch.stop(deadline).await;
    judge.stop(deadline).await;
    stop_presence.cancel();
    if let Ok(presence) = presence.await {
        match &result {
            Ok(()) => presence.end(),
            Err(err) => presence.end_by(&format!("{err:#}")),
        }
    }
    info!("stopped");
    result
}

/// A daemon without one of its stages looks alive and is of no use: it ends, for its supervisor to start anew.
fn stopped_by_itself(name: &str, health: &Health) -> Result<()> {
    error!("{name} stopped unexpectedly; the daemon exits");
    health.degrade("daemon", format!("{name} stopped unexpectedly"), "see the log; restart the daemon");
    bail!("{name} stopped unexpectedly; the log says why")
}

/// The stage that ends while the daemon should run.
async fn first_end(ends: &mut mpsc::Receiver<&'static str>, watch: &WatchStages) -> &'static str {
    tokio::select! {
        Some(name) = ends.recv() => name,
        () = watch.reader_ends() => "the ring reader",
    }
}

/// Who works for those that see, in processes of their own.
struct Helpers {
    symboliser: Arc<Symboliser>,
    toucher: Arc<Toucher>,
}

/// What the daemon and its children may use; `None`: as much as there is.
fn memory_limit(cgroup_root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let hierarchy = Hierarchy::detect(cgroup_root);
    let path = of_process(&text).unwrap_or("/");
    // The limit that bites may be set further up; in a container its own cgroup is the root.
    let all = path.match_indices('/').map(|(at, _)| &path[..at]).chain([path, "/"]);
    all.filter_map(|it| hierarchy.memory(&it.into())).map(|it| it.limit_bytes).min()
}

/// What sees: probes, kernel log, scan, monitor.
struct WatchStages {
    monitor: monitor::Handle,
    task: Stage,
    probes: Option<probes::Probes>,
    log: Option<kmsg::Follower>,
    scan: Stage,
    stop_scan: CancellationToken,
}

impl WatchStages {
    async fn start(
        config: &Config,
        host: &Host,
        helpers: Helpers,
        cases: &Queue<Case>,
        metrics: &Arc<Metrics>,
        health: &Health,
        ended: &mpsc::Sender<&'static str>,
    ) -> Self {
        let hierarchy = Hierarchy::detect(&config.cgroup_root);
        let (batches, observations) = mpsc::channel(BATCHES);
        let log = kmsg::Log::open(health);
        let (monitor, handle) = Monitor::new(Inputs {
            sources: Sources { proc_root: config.proc_root.clone(), hierarchy: hierarchy.clone() },
            limits: config.detect.clone(),
            scan_interval: config.scan_interval,
            host: host.clone(),
            kernel_log: log.is_some(),
            symboliser: helpers.symboliser,
            toucher: Some(Arc::clone(&helpers.toucher)),
            cases: cases.clone(),
            metrics: Arc::clone(metrics),
            health: health.clone(),
        });
        let task = Stage::start("the monitor", ended, monitor.run(observations));
        let log =
            log.and_then(|log| log.follow(host.page_size, batches.clone(), metrics.coverage.clone(), health));
        let options = probes::ProbeOptions {
            grave_bytes: config.detect.ring_grave_bytes,
            common_bytes: config.detect.ring_common_bytes,
            crash_bytes: config.detect.ring_crash_bytes,
            // Each of its lines costs a record in a ring: it makes none that nobody would see.
            log: tracing::enabled!(target: "ai_debugger_probes", tracing::Level::DEBUG),
            btf: Some(config.btf_path.clone()),
            proc_root: Some(config.proc_root.clone()),
        };
        // Before the first scan, so that no process can slip between the two.
        let probes = probes::start(options, host.clone(), batches.clone(), Arc::clone(metrics), health).await;
        let options = scan::ScanOptions {
            proc_root: config.proc_root.clone(),
            hierarchy,
            toucher: Some(helpers.toucher),
            interval: config.scan_interval,
        };
        let stop_scan = CancellationToken::new();
        let scan =
            scan::run(options, host.clone(), batches, Arc::clone(metrics), health.clone(), stop_scan.clone());
        let scan = Stage::start("the scan", ended, scan);
        Self { monitor: handle, task, probes, log, scan, stop_scan }
    }

    /// Returns when the thread that reads the rings has ended. A thread tells nobody, so it is looked after.
    async fn reader_ends(&self) {
        while self.probes.as_ref().is_none_or(probes::Probes::is_reading) {
            sleep(READER_CHECK).await;
        }
    }

    /// Detaches, takes in what was already on the way, and queues the last cases.
    async fn stop(self, deadline: Moment) {
        self.stop_scan.cancel();
        let probes = async {
            if let Some(probes) = self.probes {
                within("the ring reader", deadline, probes.stop()).await;
            }
        };
        let log = async {
            if let Some(log) = self.log {
                within("the reader of the kernel log", deadline, log.stop()).await;
            }
        };
        tokio::join!(probes, log);
        self.scan.end(deadline).await;
        self.task.end(deadline).await;
    }
}

/// What the stages that judge and tell get from those that see.
struct StageInputs {
    cases: Queue<Case>,
    metrics: Arc<Metrics>,
    health: Health,
}

/// What judges and tells: recorder, model, alerts.
struct Judge {
    recorder: Stage,
    others: [Stage; 3],
    stop_recorder: CancellationToken,
    stop_others: CancellationToken,
}

impl Judge {
    fn start(
        config: &Config,
        store: &Store,
        analyst: &Analyst,
        sinks: Sinks,
        audience: Audience,
        shared: StageInputs,
        ended: &mpsc::Sender<&'static str>,
    ) -> Self {
        let StageInputs { cases, metrics, health } = shared;
        let visibility = lifecycle::Visibility {
            coverage: metrics.coverage.clone(),
            cases: cases.clone(),
            scan_interval: config.scan_interval,
        };
        let (stop_recorder, stop_others) = (CancellationToken::new(), CancellationToken::new());
        let pending = model_queue(&metrics);
        let recorder = Recorder::new(
            store.clone(),
            analyst,
            audience.clone(),
            pending.clone(),
            Arc::clone(&metrics),
            health.clone(),
        )
        .show_secrets(config.show_secrets);
        let alerts = alerts::run(store.clone(), sinks, metrics, health, stop_others.clone());
        let life = lifecycle::run(store.clone(), audience, visibility, stop_others.clone());
        let model = ask_model(pending, store.clone(), analyst.clone(), stop_others.clone());
        let (analyst, stop) = (analyst.clone(), stop_others.clone());
        // No stage: it ends when it has looked.
        tokio::spawn(async move {
            stop.run_until_cancelled(analyst.check_model()).await;
        });
        Self {
            recorder: Stage::start("the recorder", ended, recorder.run(cases, stop_recorder.clone())),
            others: [
                Stage::start("the alerts' worker", ended, alerts),
                Stage::start("the model's worker", ended, model),
                Stage::start("the incidents' life", ended, life),
            ],
            stop_recorder,
            stop_others,
        }
    }

    /// Records what still waits; what is not alerted by then stays in the outbox for the next start.
    async fn stop(self, deadline: Moment) {
        self.stop_recorder.cancel();
        self.recorder.end(deadline).await;
        self.stop_others.cancel();
        for stage in self.others {
            stage.end(deadline).await;
        }
    }
}

/// Who is told of what, by a daemon that starts now.
fn audience(config: &Config, host: &Host, sinks: &Sinks) -> Audience {
    let quiet_until = Timestamp::now().saturating_add(config.alerts.quiet_start);
    let since_boot_ns = u64::try_from(boot_time().as_nanos()).unwrap_or(u64::MAX);
    Audience {
        sinks: sinks.names(),
        editing: sinks.editing(),
        level: sinks.level(),
        min_severity: config.alerts.min_severity,
        quiet_until: quiet_until.unwrap_or(Timestamp::MAX),
        since_ticks: host.ticks_from_boot_ns(since_boot_ns),
    }
}

fn lock_folder(dir: &Path) -> Result<Option<DataLock>> {
    let lock = DataLock::take(dir)?;
    if lock.is_none() {
        warn!(
            "{} is on a file system that does not support file locks: make sure that no second daemon \
             uses it",
            dir.display()
        );
    }
    Ok(lock)
}

async fn open_store(config: &Config, host: &Host, metrics: &Arc<Metrics>, health: &Health) -> Result<Store> {
    let (dir, rules) = (config.data_dir.clone(), config.life.clone());
    let (host, metrics, given) = (host.clone(), Arc::clone(metrics), health.clone());
    let open = move || Store::open_ruled(&dir, host, metrics, given, rules);
    let store = tokio::task::spawn_blocking(open).await??;
    if let Some(reason) = store.recovered_from() {
        warn!("{reason}");
        health.degrade("store", reason, "examine the file that was moved aside; new incidents are recorded");
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_stops_is_an_error_and_health_knows() {
        let health = Health::default();
        let error = stopped_by_itself("the scan", &health).unwrap_err().to_string();
        assert!(error.starts_with("the scan stopped unexpectedly"), "{error}");
        let shown = health.degraded().remove(0);
        assert_eq!((shown.component, shown.reason.as_str()), ("daemon", "the scan stopped unexpectedly"));
    }
}
