//! HTTP: a thin reader of what the other stages know, for people and programs with the key.
//! It changes nothing but an incident's status, and asks the model for nothing but `POST /analyze`.

mod access;
mod analyze;
mod answers;
mod auth;
mod authority;
mod certificate;
mod core;
mod error;
mod exposition;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod health;
mod incidents;
mod index;
mod layers;
mod listener;
mod logout;
mod params;
mod peer;
mod places;
mod proc;
mod processes;
mod routes;
mod server;
mod sessions;
mod status;
#[cfg(test)]
mod tests;
mod throttle;

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::analyst::Analyst;
use crate::children::Toucher;
use crate::config::Config;
use crate::health::Health;
use crate::host::Host;
use crate::metrics::Metrics;
use crate::monitor;
use crate::store::Store;

pub use self::access::Access;
use self::answers::Answers;
use self::core::Core;
#[cfg(any(test, feature = "fuzzing"))]
pub use self::fuzz::fuzz;
pub use self::listener::{Bound, Listener, Reached};

/// Everything the endpoints read from.
pub struct App {
    /// The checked configuration of the daemon.
    pub config: Arc<Config>,
    /// Who is let in.
    pub access: Arc<Access>,
    /// The host's name and clocks.
    pub host: Host,
    /// To ask the monitor for processes.
    pub monitor: monitor::Handle,
    /// Who reads what may hang.
    pub toucher: Arc<Toucher>,
    /// The store of incidents.
    pub store: Store,
    /// The receivers of alerts.
    pub sinks: watch::Receiver<Vec<&'static str>>,
    /// Who judges on request.
    pub analyst: Analyst,
    /// The metrics that `/metrics` prints.
    pub metrics: Arc<Metrics>,
    /// What works and what does not.
    pub health: Health,
    /// When the daemon started.
    pub started: Instant,
}

/// Serves on `listener` until `shutdown`; requests under way then get a few seconds to finish.
pub async fn serve(app: App, listener: Listener, shutdown: CancellationToken) -> Result<()> {
    let App { config, access, host, monitor, toucher, store, sinks, analyst, metrics, health, started } = app;
    let slow = analyze::routes(
        monitor.clone(),
        store.clone(),
        analyst.clone(),
        Arc::clone(&metrics),
        config.show_secrets,
    );
    let answers = Arc::new(Answers::new(Arc::clone(&metrics)));
    let more = incidents::routes(store, sinks, analyst.clone(), Arc::clone(&answers), &config);
    let tls = access.server_config()?;
    let mut core = Core::new(config, access, answers, host, monitor, analyst, metrics, health, started);
    core.proc = core.proc.reading_by(toucher);
    let places = Arc::clone(&core.places);
    server::run(routes::all(&Arc::new(core), more, slow), listener, tls, places, shutdown).await
}
