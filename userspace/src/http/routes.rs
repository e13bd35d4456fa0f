//! The table of routes, and around it the layers each request passes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use super::core::Core;
use super::error::Error;
use super::{exposition, health, index, layers, logout, proc, processes, status};

/// The largest request body.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// From the end of the request's head to the head of the answer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// Everything that is served. `slow` are routes that bring their own deadline, `more` those that need more than
/// the core.
pub(super) fn all(core: &Arc<Core>, more: Router, slow: Router) -> Router {
    let gated = Router::new()
        .route("/", get(index::index))
        .route("/logout", post(logout::logout))
        .route("/metrics", get(exposition::metrics))
        .route("/api/v1/status", get(status::status))
        .merge(proc::routes())
        .merge(processes::routes())
        .with_state(Arc::clone(core))
        .merge(more)
        .layer(from_fn_with_state(REQUEST_DEADLINE, layers::deadline))
        .merge(slow)
        .fallback(layers::unknown_path)
        .method_not_allowed_fallback(layers::other_method)
        .layer(from_fn_with_state(Arc::clone(core), layers::gate));
    // Probes come without a key, and under whatever name the cluster gives the pod.
    let open = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .with_state(Arc::clone(core))
        .method_not_allowed_fallback(layers::other_method);
    let routes = gated
        .merge(open)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(Error::from_panic))
        .layer(from_fn_with_state(Arc::clone(&core.metrics), layers::observe));
    // A router writes `Allow` outside of its own layers; this one has to see it.
    Router::new().fallback_service(routes).layer(from_fn(layers::allow_options))
}
