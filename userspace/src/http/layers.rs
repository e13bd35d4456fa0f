//! What every request passes on its way in and out: the gate, a deadline, and on the way out the headers, the
//! count and the log line. Neither a query string nor a header is ever logged: keys travel there.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::access::Carrier;
use super::analyze::EXAMINATION;
use super::auth;
use super::core::Core;
use super::error::Error;
use super::places::Place;
use super::{index, proc};
use crate::metrics::HttpLabels;

/// Headers that every answer carries.
const HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
];
/// From the end of the request's head to the head of the answer, the reading of its body included.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// What needs no key.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// The route label of a request that no route matched.
const OTHER: &str = "other";

/// What each request passes: the gate, its deadline, a net for panics; then the headers, the count and the log line. One
/// layer and not five: each costs a request as much as reading a file of /proc does.
pub(super) async fn around(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let limit = match request.uri().path() {
        "/analyze" => core.analyst.deadline() + EXAMINATION,
        _ => REQUEST_DEADLINE,
    };
    let mut response = match timeout(limit, caught(gate(&core, request, next))).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => Error::from_panic(panic).into_response(),
        Err(_) => {
            Error::unavailable(format!("the request took longer than {} s", limit.as_secs())).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.reserve(HEADERS.len() * 2);
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let status = response.status().as_u16();
    let route = route.as_ref().map_or(OTHER, MatchedPath::as_str);
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%method, route, status, ms, "request");
    core.metrics.http_responses.get_or_create(&HttpLabels { route: route.to_owned(), status }).inc();
    response
}

/// What comes of the work, or the panic it ends in.
async fn caught<T>(work: impl Future<Output = T>) -> std::thread::Result<T> {
    let mut work = pin!(work);
    poll_fn(|context| {
        // After a panic it is not polled again, and what it shares is whole: locks are taken over when poisoned.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

/// Lets in whoever names this server and has the key. A browser at the front door with the key in its address
/// gets a session for it instead, so that it stays out of histories and referrers.
async fn gate(core: &Core, request: Request, next: Next) -> Response {
    // Probes come without a key, and under whatever name the cluster gives the pod.
    if PROBES.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Some(place) = parts.extensions.get::<Arc<Place>>().cloned() else {
        return Error::internal("cannot answer", "a request without a connection").into_response();
    };
    let carrier = match let_in(core, &parts, &place).await {
        Ok(carrier) => carrier,
        Err(error) => {
            // Whoever may not come in holds no connection either.
            let mut response = error.into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return response;
        }
    };
    let _busy = core.places.busy(&place);
    let front_door = parts.uri.path() == "/" && matches!(parts.method, Method::GET | Method::HEAD);
    if front_door
        && carrier == Carrier::Query
        && index::wants_html(&parts.headers)
        && let Ok(location) = HeaderValue::from_str(&auth::without_key(&parts.uri))
    {
        return match core.access.sessions.begin() {
            Ok(id) => {
                let cookie = auth::session_cookie(Some(&id), core.access.tls());
                let mut response = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
                response.headers_mut().extend(cookie.map(|it| (SET_COOKIE, it)));
                response
            }
            Err(error) => Error::internal("cannot begin a session", error).into_response(),
        };
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn let_in(core: &Core, parts: &Parts, place: &Place) -> Result<Carrier, Error> {
    core.names.check(parts)?;
    let carrier = core.access.check(parts, place).await?;
    if core.places.admit(place) {
        return Ok(carrier);
    }
    Err(Error::unavailable("there are too many connections, and all of them are busy; try again"))
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
pub(super) fn allow_options(asked: &Method, mut response: Response) -> Response {
    let status = response.status();
    if status == StatusCode::METHOD_NOT_ALLOWED
        || status == StatusCode::NO_CONTENT && asked == Method::OPTIONS
    {
        let given = response.headers().get(ALLOW).and_then(|it| it.to_str().ok()).unwrap_or("GET,HEAD,POST");
        let methods: Vec<&str> = given.split(',').chain(["OPTIONS"]).collect();
        if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    response
}
