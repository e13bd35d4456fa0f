//! The daemon: starts every stage, joins them by their channels, and ends them in the order the data flows.

mod begin;
mod presence;
mod reload;
mod stage;
mod supervisor;
mod told;
mod workers;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::mpsc;
use tokio::time::{Instant as Moment, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::alerts::Sinks;
use crate::analyst::Analyst;
use crate::cgroup::{Hierarchy, of_process};
use crate::children::{Share, Toucher};
use crate::config::Config;
use crate::evidence::{Sources, start_ticks};
use crate::health::Health;
use crate::host::Host;
use crate::kinds::{self, case::Case};
use crate::metrics::Metrics;
use crate::monitor::{self, Inputs, Monitor};
use crate::queue::Queue;
use crate::queue::cases::case_queue;
use crate::recorder::{Recorder, ask_model, lifecycle, model_queue};
use crate::store::Store;
use crate::{http, kmsg, probes, scan, systemd};
pub use begin::{Begun, Ready};
pub use http::{Bound, Listener, Reached};
use presence::Presence;
pub use reload::Origin;
use reload::Reload;
use stage::{Stage, within};
use supervisor::Vital;
use told::{Told, audience, tell};
use workers::{Workers, containers, kept};

/// Batches of observations that may wait for the monitor.
const BATCHES: usize = 64;
/// How long all stages together may take to end; below the five seconds an operator is promised.
const STOP_DEADLINE: Duration = Duration::from_millis(4500);
/// Between two looks at whether the ring reader's thread lives.
const READER_CHECK: Duration = Duration::from_secs(1);
/// Ends of stages that can be told before anybody listens: more than there are stages.
const ENDS: usize = 16;

impl Ready {
    /// Runs until `shutdown`, serving on `listener`. Everything that can be missing is reported in its health; an
    /// error is only what makes the daemon useless.
    pub async fn run(self, listener: Listener, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let Self { begun, nursery } = self;
        let Begun {
            config,
            origin,
            host,
            metrics,
            health,
            lock: _lock,
            store,
            felled,
            log,
            attached,
            started,
        } = begun;
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
        let presence = Presence::begin(&config.data_dir, &host, presence::own_start());
        if let Some(felled) = felled {
            felled.tell(&cases);
        }
        let stop_presence = CancellationToken::new();
        let presence = tokio::spawn(presence.keep(store.clone(), stop_presence.clone()));

        let (ended, mut ends) = mpsc::channel(ENDS);
        let share = Share::of(memory_limit(&config.cgroup_root));
        let helpers = Workers::new(&nursery, share, &metrics);
        let sight = Sight { log, attached, helpers };
        let watch = WatchStages::start(&config, &host, sight, &cases, &metrics, &health, &ended);
        let shared =
            StageInputs { cases: cases.clone(), metrics: Arc::clone(&metrics), health: health.clone() };
        let audience = audience(&config, &host, &sinks);
        let told = Told::new(sinks, audience);
        let judge = Judge::start(&config, &store, &analyst, &told, shared, &ended);
        let access = http::Access::new(Arc::clone(&config), Arc::clone(&metrics), health.clone())?;
        let access = Arc::new(access);
        let reload =
            Reload::new(Arc::clone(&access), origin, config.receivers.clone(), told.clone(), health.clone());
        let reload = Stage::start("the reload on SIGHUP", &ended, reload.on_hangup()?);
        let turns = watch.probes.as_ref().map(probes::Probes::turns);
        let vital = Vital::new(watch.monitor.clone(), metrics.coverage.clone(), turns, config.scan_interval);
        let vital = tokio::spawn(vital.watch());
        let app = http::App {
            config: Arc::clone(&config),
            access,
            host,
            monitor: watch.monitor.clone(),
            // One of its own: who asks over HTTP can't keep the scan waiting.
            toucher: Toucher::new(&nursery, share),
            store,
            sinks: told.names.subscribe(),
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
        supervisor::stopping();
        let deadline = Moment::now() + STOP_DEADLINE;
        // Requests under way still need the other stages; these then end in the order the data flows, so that
        // what was seen last is still recorded.
        stop_http.cancel();
        server.end(deadline).await;
        reload.cancel().await;
        vital.abort();
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

/// What those that see get.
struct Sight {
    log: Option<kmsg::Log>,
    attached: probes::Attached,
    helpers: Workers,
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
    units: Stage,
}

impl WatchStages {
    fn start(
        config: &Config,
        host: &Host,
        sight: Sight,
        cases: &Queue<Case>,
        metrics: &Arc<Metrics>,
        health: &Health,
        ended: &mpsc::Sender<&'static str>,
    ) -> Self {
        let hierarchy = Hierarchy::detect(&config.cgroup_root);
        let (batches, observations) = mpsc::channel(BATCHES);
        let Sight { log, attached, helpers } = sight;
        let (monitor, handle) = Monitor::new(Inputs {
            sources: Sources { proc_root: config.proc_root.clone(), hierarchy: hierarchy.clone() },
            limits: config.detect.clone(),
            scan_interval: config.scan_interval,
            host: host.clone(),
            kernel_log: log.is_some(),
            symboliser: helpers.symboliser,
            toucher: Some(Arc::clone(&helpers.toucher)),
            kept: kept(config, helpers.copier, metrics),
            containers: containers(config, &helpers.runtimes, metrics),
            cases: cases.clone(),
            metrics: Arc::clone(metrics),
            health: health.clone(),
        });
        let task = Stage::start("the monitor", ended, monitor.run(observations));
        let log =
            log.and_then(|log| log.follow(host.page_size, batches.clone(), metrics.coverage.clone(), health));
        // Before the first scan, so that no process can slip between the two.
        let probes = attached.read(host.clone(), batches.clone(), Arc::clone(metrics), health);
        let options = scan::ScanOptions {
            proc_root: config.proc_root.clone(),
            hierarchy,
            toucher: Some(helpers.toucher),
            interval: config.scan_interval,
        };
        let bus = systemd::Bus::of_this_host(&config.proc_root);
        let units = systemd::follow(
            bus,
            batches.clone(),
            metrics.coverage.clone(),
            Arc::clone(metrics),
            health.clone(),
        );
        let units = Stage::start("systemd's listener", ended, units);
        let stop_scan = CancellationToken::new();
        let scan =
            scan::run(options, host.clone(), batches, Arc::clone(metrics), health.clone(), stop_scan.clone());
        let scan = Stage::start("the scan", ended, scan);
        Self { monitor: handle, task, probes, log, scan, stop_scan, units }
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
        // Until the last event is in, what systemd says of it may still come.
        let units = self.units;
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
        units.cancel().await;
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
        told: &Told,
        shared: StageInputs,
        ended: &mpsc::Sender<&'static str>,
    ) -> Self {
        let StageInputs { cases, metrics, health } = shared;
        let proc_root = config.proc_root.clone();
        let visibility = lifecycle::Visibility {
            coverage: metrics.coverage.clone(),
            cases: cases.clone(),
            scan_interval: config.scan_interval,
            patience: kinds::patience_after_start(&config.detect, config.scan_interval),
            is_alive: Arc::new(move |key| {
                start_ticks(&proc_root.join(key.pid.to_string())) == Some(key.start_ticks)
            }),
        };
        let (stop_recorder, stop_others) = (CancellationToken::new(), CancellationToken::new());
        let pending = model_queue(&metrics);
        let recorder = Recorder::new(
            store.clone(),
            analyst,
            told.audience.subscribe(),
            pending.clone(),
            Arc::clone(&metrics),
            health.clone(),
        )
        .show_secrets(config.show_secrets);
        let alerts = tell(store.clone(), told.sinks.subscribe(), metrics, health, stop_others.clone());
        let life = lifecycle::run(store.clone(), told.audience.subscribe(), visibility, stop_others.clone());
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
