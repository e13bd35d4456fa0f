//! The start, as far as it takes privilege: before there is a runtime, or any other thread. What is begun here, the stages
//! go on with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tracing::{debug, info, warn};

use super::presence::{Felled, Presence};
use super::reload::Origin;
use crate::children::Nursery;
use crate::config::Config;
use crate::health::Health;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::sandbox::confine_daemon;
use crate::store::{DataLock, Store};
use crate::{kmsg, languages, probes, programs};

/// The program that runs, whatever its file is by now (proc_pid_exe(5)).
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What only a privileged daemon can have: its programs attached, the kernel's log open; and the folder that it writes.
pub struct Begun {
    pub(super) config: Arc<Config>,
    pub(super) origin: Origin,
    pub(super) host: Host,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Health,
    /// Held to the end: two daemons on one store would each tell everybody everything.
    pub(super) lock: Option<DataLock>,
    pub(super) store: Store,
    pub(super) felled: Option<Felled>,
    pub(super) log: Option<kmsg::Log>,
    pub(super) attached: probes::Attached,
    pub(super) started: Instant,
}

/// The same, with no more privilege than it goes on needing.
pub struct Ready {
    pub(super) begun: Begun,
    pub(super) nursery: Arc<Nursery>,
}

impl Begun {
    /// Takes the data folder, opens the store, and attaches. Blocks for a fraction of a second.
    pub fn new(config: Config, origin: Origin) -> Result<Self> {
        let started = Instant::now();
        programs::extend(&config.own_programs())?;
        languages::extend(&config.own_languages())?;
        let host = Host::read(&config.proc_root);
        let (metrics, health) = (Metrics::new(), Health::default());
        let lock = lock_folder(&config.data_dir)?;
        let store = open_store(&config, &host, &metrics, &health)?;
        let felled = Presence::before(&config.data_dir, &host);
        let log = kmsg::Log::open(&health);
        let attached = probes::attach(&probe_options(&config));
        let config = Arc::new(config);
        Ok(Self { config, origin, host, metrics, health, lock, store, felled, log, attached, started })
    }

    /// Gives up all other privilege, for good: of this thread and of those that it starts from now on.
    pub fn confine(self) -> Ready {
        let (mut steps, no_helpers) = confine_daemon(&self.config.data_dir);
        let (metrics, health) = (Arc::clone(&self.metrics), self.health.clone());
        let nursery = Nursery::new(PathBuf::from(OWN_PROGRAM), metrics, health);
        no_helpers.now(&mut steps);
        for step in &steps {
            match (&step.reason, &step.detail) {
                (Some(reason), _) => info!("confinement: {} is not in force: {reason}", step.name),
                (None, Some(detail)) => info!("confinement: {}: {detail}", step.name),
                (None, None) => debug!("confinement: {} is in force", step.name),
            }
        }
        self.metrics.confinement.set_daemon(steps);
        Ready { begun: self, nursery }
    }
}

fn probe_options(config: &Config) -> probes::ProbeOptions {
    probes::ProbeOptions {
        grave_bytes: config.detect.ring_grave_bytes,
        common_bytes: config.detect.ring_common_bytes,
        crash_bytes: config.detect.ring_crash_bytes,
        // Each of its lines costs a record in a ring: it makes none that nobody would see.
        log: tracing::enabled!(target: "ai_debugger_probes", tracing::Level::DEBUG),
        btf: Some(config.btf_path.clone()),
        proc_root: Some(config.proc_root.clone()),
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

fn open_store(config: &Config, host: &Host, metrics: &Arc<Metrics>, health: &Health) -> Result<Store> {
    let (metrics, given, rules) = (Arc::clone(metrics), health.clone(), config.life.clone());
    let store = Store::open_ruled(&config.data_dir, host.clone(), metrics, given, rules)?;
    if let Some(reason) = store.recovered_from() {
        warn!("{reason}");
        health.degrade("store", reason, "examine the file that was moved aside; new incidents are recorded");
    }
    Ok(store)
}
