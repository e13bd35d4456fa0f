//! `POST /logout`: ends a browser's session. Who came with the key has none, and nothing to end.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::auth::{Credential, session_cookie};
use super::core::Core;
use super::index;

pub(super) async fn logout(State(core): State<Arc<Core>>, parts: Parts) -> Response {
    let tls = core.access.tls();
    if let Some(Credential::Session(id)) = Credential::of(&parts, tls) {
        core.access.sessions.end(&id);
    }
    let headers: HeaderMap = session_cookie(None, tls).map(|it| (SET_COOKIE, it)).into_iter().collect();
    if index::wants_html(&parts.headers) {
        let page = "<!doctype html>\n<title>ai-debugger</title>\n<p>You are logged out.</p>\n";
        return (headers, Html(page)).into_response();
    }
    (StatusCode::NO_CONTENT, headers).into_response()
}
