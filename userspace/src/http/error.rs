//! The one shape of every refusal: a status and `{"error": "…"}`.

use std::any::Any;
use std::fmt::Display;

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// When a client that met a limit may try again.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// A refusal, with a sentence for the person who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Error {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// A fault of ours: the details go to the log, not to whoever asked.
    pub(super) fn internal(what: &'static str, why: impl Display) -> Self {
        tracing::error!("{what}: {why:#}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}; the daemon's log says why"))
    }

    /// What a panic in a handler becomes. The panic hook has already told the log where it was.
    pub(super) fn from_panic(_payload: Box<dyn Any + Send>) -> Self {
        let message = "an internal error ended this request; the daemon's log says where";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.message}))).into_response();
        let (name, value) = match self.status {
            StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, RETRY_AFTER_S),
            _ => return response,
        };
        response.headers_mut().insert(name, value);
        response
    }
}

impl From<PathRejection> for Error {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<BytesRejection> for Error {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
