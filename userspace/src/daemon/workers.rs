//! Who works for those that see, in processes of their own, and what is made of that work.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tracing::warn;

use crate::children::{Copier, Nursery, Share, Symboliser, Toucher};
use crate::config::Config;
use crate::kept::{Bounds, Kept};
use crate::metrics::{LimitLabel, Metrics};
use crate::monitor;
use crate::runtimes::Containers;

/// Where copies of programs' files are, in the data folder.
const KEPT: &str = "kept";

/// See the module. Each has its own child, so that none waits for what holds another's.
pub(super) struct Workers {
    pub(super) symboliser: Arc<Symboliser>,
    /// For the scan and for looks at programs.
    pub(super) toucher: Arc<Toucher>,
    /// Reads what container runtimes wrote.
    pub(super) runtimes: Arc<Toucher>,
    /// Copies the files of programs in containers.
    pub(super) copier: Copier,
}

impl Workers {
    pub(super) fn new(nursery: &Arc<Nursery>, share: Share, metrics: &Metrics) -> Self {
        Self {
            symboliser: Arc::new(Symboliser::new(nursery, share, metrics)),
            toucher: Toucher::new(nursery, share),
            runtimes: Toucher::new(nursery, share),
            copier: Copier::new(nursery, share, Bounds::default().file_bytes),
        }
    }
}

/// Copies of what programs in containers run. Without them a crash there has no names once its container is gone.
pub(super) fn kept(config: &Config, copier: Copier, metrics: &Metrics) -> Kept {
    let folder = config.data_dir.join(KEPT);
    let refused = counter(metrics, "kept_files");
    Kept::begin(folder, Bounds::default(), config.proc_root.clone(), copier, refused).unwrap_or_else(
        |error| {
            warn!("crashes in containers that are gone will have no names: {error:#}");
            Kept::none()
        },
    )
}

/// The containers of this host, by what their runtimes wrote.
pub(super) fn containers(config: &Config, runtimes: &Arc<Toucher>, metrics: &Metrics) -> Containers {
    monitor::containers(&config.proc_root, Some(runtimes), counter(metrics, "containers"))
}

fn counter(metrics: &Metrics, limit: &'static str) -> Counter {
    metrics.turned_away.get_or_create_owned(&LimitLabel { limit })
}
