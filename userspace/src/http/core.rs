//! What most endpoints read from.

use std::sync::Arc;
use std::time::Instant;

use super::access::Access;
use super::answers::Answers;
use super::authority::Names;
use super::places::Places;
use super::proc::Proc;
use crate::analyst::Analyst;
use crate::config::Config;
use crate::health::Health;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::monitor;

/// What most endpoints need: all but the store.
pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) host: Host,
    pub(super) monitor: monitor::Handle,
    pub(super) analyst: Analyst,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Health,
    pub(super) started: Instant,
    pub(super) access: Arc<Access>,
    pub(super) answers: Arc<Answers>,
    pub(super) places: Arc<Places>,
    pub(super) names: Names,
    pub(super) proc: Proc,
}

impl Core {
    #[expect(clippy::too_many_arguments, reason = "it is where they come together")]
    pub(super) fn new(
        config: Arc<Config>,
        access: Arc<Access>,
        answers: Arc<Answers>,
        host: Host,
        monitor: monitor::Handle,
        analyst: Analyst,
        metrics: Arc<Metrics>,
        health: Health,
        started: Instant,
    ) -> Self {
        let names = Names::new(&host.name, config.allowed_hosts.iter().map(String::as_str));
        let proc = Proc::new(config.proc_root.clone(), Arc::clone(&metrics));
        let places = Places::new(Arc::clone(&metrics));
        Self {
            config,
            host,
            monitor,
            analyst,
            metrics,
            health,
            started,
            access,
            answers,
            places,
            names,
            proc,
        }
    }
}
