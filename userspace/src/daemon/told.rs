//! Who is told of what: made at the start, changed by a reload, and heard of by those who record and those who tell.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alerts::{self, Sinks};
use crate::config::Config;
use crate::health::Health;
use crate::host::{Host, boot_time};
use crate::metrics::Metrics;
use crate::recorder::Audience;
use crate::store::Store;

/// Who is told of what, for those who tell: it changes under way.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) sinks: watch::Sender<Sinks>,
    pub(super) audience: watch::Sender<Audience>,
    pub(super) names: watch::Sender<Vec<&'static str>>,
}

impl Told {
    pub(super) fn new(sinks: Sinks, audience: Audience) -> Self {
        let names = watch::Sender::new(sinks.names());
        Self { sinks: watch::Sender::new(sinks), audience: watch::Sender::new(audience), names }
    }
}

/// Tells the receivers there are, anew whenever they change: what is under way is finished first.
pub(super) async fn tell(
    store: Store,
    mut sinks: watch::Receiver<Sinks>,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        let (current, change) = (sinks.borrow_and_update().clone(), shutdown.child_token());
        let telling =
            alerts::run(store.clone(), current, Arc::clone(&metrics), health.clone(), change.clone());
        tokio::pin!(telling);
        tokio::select! {
            () = &mut telling => {}
            Ok(()) = sinks.changed() => {
                change.cancel();
                telling.await;
            }
        }
    }
}

/// Who is told of what, by a daemon that starts now.
pub(super) fn audience(config: &Config, host: &Host, sinks: &Sinks) -> Audience {
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
