//! What probes ask, without a key: is it alive, is it ready, and what does it lack.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::core::Core;
use super::error::Error;
use super::places::Place;
use crate::health::Degradation;
use crate::text;

/// How much of a reason is shown; one may quote another server's answer.
const MAX_REASON: usize = 300;

/// 200 while the process lives: degraded is a state, not a reason to restart. What is degraded, and why, is told to
/// who has the key: reasons name peers and paths.
pub(super) async fn healthz(State(core): State<Arc<Core>>, parts: Parts) -> Response {
    let status = if core.health.is_ok() { "ok" } else { "degraded" };
    let place = parts.extensions.get::<Arc<Place>>();
    let known = match place {
        // A wrong key gets what no key gets, but not faster than elsewhere.
        Some(place) => core.access.check(&parts, place).await.is_ok(),
        None => false,
    };
    if !known {
        return Json(json!({ "status": status })).into_response();
    }
    Json(json!({ "status": status, "degraded": degraded(&core) })).into_response()
}

/// 200 once the process table is filled.
pub(super) async fn readyz(State(core): State<Arc<Core>>) -> Response {
    if core.health.ready() {
        return Json(json!({ "status": "ready" })).into_response();
    }
    Error::unavailable("the first scan of /proc is not finished yet").into_response()
}

/// What is missing, without the secrets the daemon knows: a reason may quote a URL or an answer that holds one.
pub(super) fn degraded(core: &Core) -> Vec<Degradation> {
    let Core { config, health, access, .. } = core;
    let key = access.key();
    let hidden = access.hidden();
    let keys = [Some(&key), config.llm.as_ref().map(|it| &it.api_key)].into_iter().flatten().chain(&hidden);
    let secrets: Vec<&str> = keys.map(SecretString::expose_secret).filter(|it| !it.is_empty()).collect();
    let clean = |text: &str| {
        let bare = secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
        text::truncate(&text::printable(&bare), MAX_REASON)
    };
    let each = health.degraded().into_iter();
    each.map(|it| Degradation { reason: clean(&it.reason), remedy: clean(&it.remedy), ..it }).collect()
}
