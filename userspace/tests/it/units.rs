//! What systemd says of its units reaches the monitor: over a real bus, from a stand-in for systemd.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ai_debugger::coverage::Delivery;
use ai_debugger::health::Health;
use ai_debugger::metrics::Metrics;
use ai_debugger::model::ExitCause;
use ai_debugger::observation::{
    JobKind, Observation, RestartPolicy, StopReason, Unit, UnitResult, UnitStage, UnitState,
};
use ai_debugger::systemd::{Bus, follow};
use tokio::sync::mpsc::{Receiver, channel};

use crate::daemon::{Daemon, Setup};
use crate::faults::{Fault, Limited, Running};
use crate::requires::{no_kernel_events, report_skip, skip_if};
use crate::stand_in::{PrivateBus, StandIn, no_bus, tell};

const APP: &str = "app@1.service";

/// One that listens, and what it has told.
struct Listener {
    told: Receiver<Vec<Observation>>,
    metrics: Arc<Metrics>,
    health: Health,
}

impl Listener {
    fn start(address: &str) -> Self {
        let (batches, told) = channel(64);
        let (metrics, health) = (Metrics::new(), Health::default());
        let coverage = metrics.coverage.clone();
        tokio::spawn(follow(Bus::at(address), batches, coverage, Arc::clone(&metrics), health.clone()));
        Self { told, metrics, health }
    }

    /// The next thing told, whatever it is.
    async fn next(&mut self) -> Vec<Observation> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.told.recv()).await;
        next.expect("something is told").expect("it goes on")
    }

    /// Waits until that is told of a unit.
    async fn until(&mut self, mut is: impl FnMut(&Unit) -> bool) -> Arc<Unit> {
        loop {
            for told in self.next().await {
                if let Observation::Unit(unit) = told
                    && is(&unit)
                {
                    return unit;
                }
            }
        }
    }

    /// Waits until the whole is followed, or no more.
    async fn follows(&mut self, want: bool) -> Vec<Arc<Unit>> {
        let mut units = Vec::new();
        loop {
            for told in self.next().await {
                match told {
                    Observation::Unit(unit) => units.push(unit),
                    Observation::UnitsFollowed(whole) if whole == want => return units,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

async fn begin(folder: &Path) -> (PrivateBus, StandIn, Listener) {
    let bus = PrivateBus::start(folder);
    let systemd = StandIn::start(&bus.address()).await;
    let listener = Listener::start(&bus.address());
    (bus, systemd, listener)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_and_what_changes_is_told() {
    skip_if!(no_bus());
    let folder = tempfile::tempdir().unwrap();
    let bus = PrivateBus::start(folder.path());
    let systemd = StandIn::start(&bus.address()).await;
    systemd
        .change(APP, |unit| {
            (unit.active, unit.sub, unit.restart) = ("active", "running", "on-failure");
            (unit.main_pid, unit.restarts) = (77, 4);
        })
        .await;
    systemd.change("idle.service", |_| {}).await;
    let mut listener = Listener::start(&bus.address());
    let units = listener.follows(true).await;
    let names: Vec<_> = units.iter().map(|it| (&*it.name, it.state)).collect();
    assert_eq!(names, [(APP, UnitState::Running)], "neither the idle one nor the mount");
    let unit = listener.until(|unit| unit.restart.is_some()).await;
    assert_eq!((unit.restart, unit.restarts), (Some(RestartPolicy::OnFailure), 4));
    assert_eq!(unit.watchdog, Some(Duration::from_secs(2)));
    assert_eq!(unit.life.main.unwrap().pid, 77);
    assert_eq!(listener.metrics.coverage.now().systemd, Some(Delivery::Complete));
    assert!(listener.health.is_ok());

    systemd
        .change(APP, |unit| {
            (unit.active, unit.sub, unit.result) = ("activating", "auto-restart", "exit-code");
            unit.main_end = (1, 3);
        })
        .await;
    let unit = listener.until(|unit| unit.state == UnitState::WaitsToRestart).await;
    let (ended, cause) = unit.life.main.unwrap().ended.unwrap();
    assert_eq!((cause, unit.life.result), (ExitCause::Status(3), UnitResult::ExitCode));
    assert!(unit.life.starts_again && unit.at.abs_diff(ended) < Duration::from_secs(10), "{unit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_job_and_a_watchdog_are_told_apart() {
    skip_if!(no_bus());
    let folder = tempfile::tempdir().unwrap();
    let (_bus, systemd, mut listener) = begin(folder.path()).await;
    listener.follows(true).await;
    let run = |pid| {
        move |unit: &mut crate::stand_in::Unit| {
            (unit.active, unit.sub, unit.result) = ("active", "running", "success");
            (unit.main_pid, unit.main_end) = (pid, (0, 0));
        }
    };
    systemd.change(APP, run(7)).await;
    systemd.job(APP, 5, "stop").await;
    systemd.change(APP, |unit| (unit.active, unit.sub) = ("deactivating", "stop-sigterm")).await;
    let why = |unit: &Unit| unit.life.stopping.map(|it| it.why);
    let unit = listener.until(|unit| why(unit) == Some(StopReason::Stop)).await;
    assert_eq!((unit.job, unit.state), (Some(JobKind::Stop), UnitState::Stopping));
    systemd
        .change(APP, |unit| {
            (unit.active, unit.sub, unit.result, unit.main_end) = ("failed", "failed", "exit-code", (1, 1));
        })
        .await;
    systemd.job_done(APP, 5).await;
    let unit = listener.until(|unit| unit.job.is_none()).await;
    assert_eq!((unit.life.failed_while, why(&unit)), (Some(UnitStage::Stopping), Some(StopReason::Stop)));

    systemd.change(APP, run(8)).await;
    systemd
        .change(APP, |unit| {
            (unit.active, unit.sub, unit.result) = ("deactivating", "stop-watchdog", "watchdog");
        })
        .await;
    let unit = listener.until(|unit| why(unit) == Some(StopReason::Failure)).await;
    assert_eq!((unit.life.result, unit.life.main.unwrap().pid), (UnitResult::Watchdog, 8));
    assert_eq!(unit.before.as_ref().unwrap().main.unwrap().pid, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_of_others_are_not_believed() {
    skip_if!(no_bus());
    let folder = tempfile::tempdir().unwrap();
    let (bus, systemd, mut listener) = begin(folder.path()).await;
    listener.follows(true).await;
    let liar = zbus::connection::Builder::address(&*bus.address()).build().await.unwrap();
    let lie =
        crate::stand_in::Unit { active: "failed", sub: "failed", result: "watchdog", ..Default::default() };
    tell(&liar, None, "lie.service", &lie).await;
    // Sent to each connection alone, no rule on the bus is in its way.
    for number in 0..9 {
        tell(&liar, Some(&format!(":1.{number}")), "lie.service", &lie).await;
    }
    // The liar's own name comes back last of what it sent.
    systemd.change("truth.service", |unit| (unit.active, unit.sub) = ("active", "running")).await;
    let first = listener.until(|_| true).await;
    assert_eq!(&*first.name, "truth.service");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_goes_and_comes_is_said_and_followed_anew() {
    skip_if!(no_bus());
    let folder = tempfile::tempdir().unwrap();
    let mut listener = Listener::start(&format!("unix:path={}", folder.path().join("bus").display()));
    let degraded = async |health: &Health| {
        while health.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        health.degraded().remove(0)
    };
    let said = degraded(&listener.health).await;
    assert_eq!(said.component, "systemd");
    assert!(said.remedy.contains("/run/dbus/system_bus_socket mounted"), "{said:?}");
    assert!(matches!(listener.metrics.coverage.now().systemd, Some(Delivery::Absent(_))));
    for _ in 0..2 {
        let bus = PrivateBus::start(folder.path());
        let systemd = StandIn::start(&bus.address()).await;
        listener.follows(true).await;
        assert!(listener.health.is_ok());
        systemd.change(APP, |unit| (unit.active, unit.sub) = ("active", "running")).await;
        listener.until(|unit| &*unit.name == APP).await;
        drop(bus);
        listener.follows(false).await;
        degraded(&listener.health).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_that_starts_itself_anew_is_listened_to_again() {
    skip_if!(no_bus());
    let folder = tempfile::tempdir().unwrap();
    let (bus, systemd, mut listener) = begin(folder.path()).await;
    listener.follows(true).await;
    systemd.leave().await;
    listener.follows(false).await;
    let again = StandIn::start(&bus.address()).await;
    listener.follows(true).await;
    again.change(APP, |unit| (unit.active, unit.sub) = ("active", "running")).await;
    listener.until(|unit| &*unit.name == APP).await;
}

/// A service of the stand-in's, and the daemon that is told of it.
struct Service {
    systemd: StandIn,
    cgroup: Limited,
    unit: String,
}

impl Service {
    fn new(systemd: &StandIn) -> Result<Self, String> {
        let cgroup = Limited::service()?;
        let unit = cgroup.path.trim_start_matches('/').to_owned();
        Ok(Self { systemd: systemd.clone(), cgroup, unit })
    }

    /// Its main process runs, and systemd has said so.
    async fn run(&self, daemon: &Daemon, fault: &Fault, args: &[&str], restart: &'static str) -> Running {
        let main = fault.start_command(self.cgroup.command(fault, args));
        let pid = main.pid();
        daemon
            .wait_until("the main process is known", async || {
                let process = daemon.get(&format!("/api/v1/processes/{pid}")).await?;
                (process["name"] == *fault.name && process["unit"] == *self.unit).then_some(())
            })
            .await;
        self.tell(|unit| {
            (unit.active, unit.sub, unit.result, unit.restart) = ("active", "running", "success", restart);
            (unit.main_pid, unit.main_end) = (pid, (0, 0));
        })
        .await;
        self.is_heard(daemon).await;
        main
    }

    async fn tell(&self, change: impl FnOnce(&mut crate::stand_in::Unit)) {
        self.systemd.change(&self.unit, change).await;
    }

    /// Waits until the daemon has heard all that was told.
    async fn is_heard(&self, daemon: &Daemon) {
        let sent = self.systemd.sent.load(std::sync::atomic::Ordering::Relaxed);
        daemon
            .wait_until("all that systemd has told", async || {
                let status = daemon.get("/api/v1/status").await?;
                let heard = status["events"].as_array()?.iter().find(|it| it["ring"] == "dbus")?;
                (heard["count"].as_u64()? >= sent).then_some(())
            })
            .await;
    }
}

fn texts(incident: &serde_json::Value) -> Vec<&str> {
    incident["facts"].as_array().unwrap().iter().map(|fact| fact["text"].as_str().unwrap()).collect()
}

/// A stop that took SIGKILL, a watchdog's abort, a start timeout, an exit that is made good: each under all that the
/// daemon has given up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemds_word_decides_what_an_end_was() {
    skip_if!(no_bus());
    skip_if!(no_kernel_events());
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bus = PrivateBus::start(folder.path());
    let systemd = StandIn::start(&bus.address()).await;
    let services: Result<Vec<_>, _> = (0..4).map(|_| Service::new(&systemd)).collect();
    let services = match services {
        Ok(services) => services,
        Err(reason) => return report_skip("systemds_word_decides_what_an_end_was", &reason),
    };
    let daemon =
        Setup::new(data.path()).scanning().variable("DBUS_SYSTEM_BUS_ADDRESS", bus.address()).start();
    daemon
        .wait_until("systemd is listened to", async || {
            let status = daemon.get("/api/v1/status").await?;
            (status["systemd"]["attached"] == true).then_some(())
        })
        .await;
    let [stopped, hung, slow, failing] = &*services else { panic!("four") };
    let faults = [(); 4].map(|()| Fault::new());

    let main = stopped.run(&daemon, &faults[0], &["sleep"], "always").await;
    systemd.job(&stopped.unit, 1, "stop").await;
    stopped.tell(|unit| (unit.active, unit.sub) = ("deactivating", "stop-sigterm")).await;
    stopped.tell(|unit| (unit.sub, unit.result) = ("stop-sigkill", "timeout")).await;
    stopped.is_heard(&daemon).await;
    main.kill(rustix::process::Signal::KILL);
    main.wait();
    stopped
        .tell(|unit| {
            (unit.active, unit.sub, unit.main_end) = ("failed", "failed", (2, 9));
        })
        .await;

    let main = hung.run(&daemon, &faults[1], &["sleep"], "on-failure").await;
    hung.tell(|unit| {
        (unit.active, unit.sub, unit.result) = ("deactivating", "stop-watchdog", "watchdog");
    })
    .await;
    hung.is_heard(&daemon).await;
    main.kill(rustix::process::Signal::ABORT);
    main.wait();
    hung.tell(|unit| (unit.active, unit.sub, unit.main_end) = ("activating", "auto-restart", (2, 6))).await;

    let main = slow.run(&daemon, &faults[2], &["sleep"], "no").await;
    slow.tell(|unit| (unit.active, unit.sub) = ("activating", "start")).await;
    slow.tell(|unit| {
        (unit.active, unit.sub, unit.result) = ("deactivating", "stop-sigterm", "timeout");
    })
    .await;
    main.kill(rustix::process::Signal::TERM);
    main.wait();
    slow.tell(|unit| (unit.active, unit.sub, unit.main_end) = ("failed", "failed", (2, 15))).await;

    let mut main = failing.run(&daemon, &faults[3], &["wait-quick", "3"], "on-failure").await;
    main.go();
    main.wait();
    failing
        .tell(|unit| {
            (unit.active, unit.sub, unit.result) = ("activating", "auto-restart", "exit-code");
            unit.main_end = (1, 3);
        })
        .await;

    let incident = daemon.wait_for_incident("abnormal_exit", &faults[0].name).await;
    assert_eq!(incident["severity"], "info", "{incident}");
    assert!(incident["verdict"]["summary"].as_str().unwrap().contains("needed SIGKILL after"), "{incident}");
    let incident = daemon.wait_for_incident("unit_failed", &faults[1].name).await;
    assert_eq!(incident["title"], format!("Unit failed: {}", hung.unit));
    assert_eq!(incident["severity"], "warning");
    let told = texts(&incident);
    assert!(
        told.iter().any(|it| it.contains("gave systemd's watchdog no sign of life within 2.0 s")),
        "{told:?}"
    );
    assert!(told.iter().any(|it| it.contains("systemd starts it again (Restart=on-failure)")), "{told:?}");
    let incident = daemon.wait_for_incident("unit_failed", &faults[2].name).await;
    let told = texts(&incident);
    assert!(told[0].contains("did not become ready within 1 min"), "{told:?}");
    let incident = daemon.wait_for_incident("abnormal_exit", &faults[3].name).await;
    let told = texts(&incident);
    assert!(told.iter().any(|it| it.ends_with("which starts it again")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("is `exit-code`; systemd starts it again")), "{told:?}");
    for fault in &faults {
        let of = daemon.incidents_of(&fault.name).await;
        let kinds: Vec<_> = of.iter().map(|it| it["kind"].to_string()).collect();
        assert_eq!(kinds.len(), 1, "one fault, one incident: {kinds:?}");
    }
    daemon.terminate();
}
