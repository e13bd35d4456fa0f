//! `/api/v1/status`: how the daemon itself fares, first of all what it lost.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::core::Core;
use super::health;
use crate::coverage::Loss;
use crate::metrics::{Metrics, QueueLabel, StateLabel};

pub(super) async fn status(State(core): State<Arc<Core>>) -> Json<Value> {
    let Core { config, host, metrics, started, .. } = &*core;
    let uptime = started.elapsed();
    let started_at =
        SignedDuration::try_from(uptime).ok().and_then(|it| Timestamp::now().checked_sub(it).ok());
    let coverage = metrics.coverage.now();
    let entry = |(of, count): (&Loss, &u64), lost: &str| json!({"ring": of.way, "kind": of.kind, "lost": lost, "reason": of.reason, "count": count});
    let losses: Vec<Value> = coverage
        .lost
        .iter()
        .map(|it| entry(it, "event"))
        .chain(coverage.evidence_lost.iter().map(|it| entry(it, "evidence")))
        .collect();
    let events = coverage.received.iter();
    let events: Vec<Value> =
        events.map(|(of, count)| json!({"kind": of.kind, "ring": of.way, "count": count})).collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": host.name,
        "kernel": host.kernel,
        "boot_id": host.boot_id,
        "started_at": started_at,
        "uptime_s": uptime.as_secs(),
        "hooks": coverage.hooks,
        "systemd": coverage.systemd,
        "events": events,
        "losses": losses,
        "losses_total": coverage.lost_total(),
        "queue": {"cases": queue(metrics, "cases"), "model": queue(metrics, "model")},
        "model": core.analyst.status(),
        "processes": {"live": processes(metrics, "live"), "ended": processes(metrics, "ended")},
        "confinement": metrics.confinement.daemon(),
        "helpers": metrics.confinement.helpers(),
        "secrets": if config.show_secrets { "shown" } else { "masked" },
        "degraded": health::degraded(&core),
    }))
}

fn queue(metrics: &Metrics, queue: &'static str) -> i64 {
    metrics.queue_depth.get_or_create(&QueueLabel { queue }).get()
}

fn processes(metrics: &Metrics, state: &'static str) -> i64 {
    metrics.processes.get_or_create(&StateLabel { state }).get()
}
