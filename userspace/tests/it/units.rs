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

use crate::requires::skip_if;
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
    assert!(said.remedy.contains("mount /run/dbus/system_bus_socket"), "{said:?}");
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
