//! The table of routes, and around it the layer that each request passes.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use super::core::Core;
use super::{exposition, health, index, layers, logout, proc, processes, status};

/// The largest request body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Everything that is served. `slow` are the routes that read bodies, `more` those that need more than the core.
pub(super) fn all(core: &Arc<Core>, more: Router, slow: Router) -> Router {
    Router::new()
        .route("/", get(index::index))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/logout", post(logout::logout))
        .route("/metrics", get(exposition::metrics))
        .route("/api/v1/status", get(status::status))
        .merge(proc::routes())
        .merge(processes::routes())
        .with_state(Arc::clone(core))
        .merge(more)
        .merge(slow.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)))
        .fallback(layers::unknown_path)
        .method_not_allowed_fallback(layers::other_method)
        .layer(from_fn_with_state(Arc::clone(core), layers::around))
}
