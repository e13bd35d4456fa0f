//! What every request passes on its way in and out: the gate, a deadline, and on the way out the headers, the
//! count and the log line. Neither a query string nor a header is ever logged: keys travel there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::{self, Carrier};
use super::core::Core;
use super::error::Error;
use super::{index, proc};
use crate::metrics::{HttpLabels, Metrics};

/// Headers that every answer carries.
const HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'self'"),
    (REFERRER_POLICY, "no-referrer"),
];
/// The route label of a request that no route matched.
const OTHER: &str = "other";

/// Lets in whoever names this server and has the key. A browser at the front door with the key in its address
/// gets it as a cookie instead, so that it stays out of histories and referrers.
pub(super) async fn gate(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let carrier = match core.names.check(&parts).and_then(|()| core.key.check(&parts)) {
        Ok(carrier) => carrier,
        Err(error) => {
            // Whoever may not come in holds no connection either.
            let mut response = error.into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    let front_door = parts.uri.path() == "/" && matches!(parts.method, Method::GET | Method::HEAD);
    if front_door
        && carrier == Carrier::Query
        && index::wants_html(&parts.headers)
        && let Some((cookie, location)) = auth::exchange(&parts.uri)
        && let Ok(location) = HeaderValue::from_str(&location)
    {
        return (StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, location)]).into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Ends a request that takes too long, the reading of its body included.
pub(super) async fn deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Error::unavailable(format!("the request took longer than {} s", limit.as_secs())).into_response()
        }
    }
}

/// The headers, the count and the log line of every answer.
pub(super) async fn observe(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or(OTHER, MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let status = response.status().as_u16();
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%method, route, status, ms, "request");
    metrics.http_responses.get_or_create(&HttpLabels { route, status }).inc();
    response
}

/// No route has this path.
pub(super) async fn unknown_path(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS && uri.path() == "*" {
        return StatusCode::NO_CONTENT.into_response();
    }
    proc::refuse(&uri).unwrap_or_else(|| Error::not_found("there is nothing at this path")).into_response()
}

/// A route has this path, but not this method. The router adds `Allow` to what comes from here.
pub(super) async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let message = format!("this path does not accept {method}; OPTIONS lists what it accepts");
    Error::new(StatusCode::METHOD_NOT_ALLOWED, message).into_response()
}

/// The router names only the methods it was given; OPTIONS is taken everywhere.
pub(super) async fn allow_options(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::METHOD_NOT_ALLOWED) {
        let given = response.headers().get(ALLOW).and_then(|it| it.to_str().ok()).unwrap_or("GET,HEAD,POST");
        let methods: Vec<&str> = given.split(',').chain(["OPTIONS"]).collect();
        if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    response
}
