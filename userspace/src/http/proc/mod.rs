//! `/proc` over HTTP: the live files of a process, read for whoever asks.

mod beneath;
mod direct;
mod format;
mod path;
mod read;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

pub(super) use path::{not_a_pid, parse_pid};
pub(super) use read::Proc;

use self::beneath::{Content, Refusal};
use self::direct::Direct;
use self::path::ProcTarget;
use super::core::Core;
use super::error::Error;

/// Says that a body is not the whole file.
const TRUNCATED: HeaderName = HeaderName::from_static("x-truncated");
/// Says that values in a body are masked.
const MASKED: HeaderName = HeaderName::from_static("x-masked");

pub(super) fn routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/proc", get(pids))
        .route("/proc/{pid}", get(process))
        .route("/proc/{pid}/{file}", get(process))
}

/// Why no route has this path, where it is below `/proc/`.
pub(super) fn refuse(uri: &Uri) -> Option<Error> {
    ProcTarget::parse(uri.path().strip_prefix("/proc/")?).err()
}

/// For the fuzzer: a file of a process that is shown as JSON.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(file: &[u8]) {
    let json = format::Status::parse(&String::from_utf8_lossy(file)).json();
    let parsed: Result<std::collections::BTreeMap<String, String>, _> = serde_json::from_slice(&json);
    assert!(parsed.is_ok(), "{}", String::from_utf8_lossy(&json));
}

/// For the fuzzer: a path below /proc.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz_path(path: &str) {
    if let Ok(ProcTarget::File(_, name)) = ProcTarget::parse(path.strip_prefix("/proc/").unwrap_or(path)) {
        assert!(!name.contains("..") && !name.starts_with('/'), "{path:?}");
    }
}

/// A file's bytes as a response.
pub(super) fn plain_text(body: Bytes, truncated: bool, masked: bool) -> Response {
    let mut response = ([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response();
    for (name, applies) in [(TRUNCATED, truncated), (MASKED, masked)] {
        if applies {
            response.headers_mut().insert(name, HeaderValue::from_static("true"));
        }
    }
    response
}

async fn pids(State(core): State<Arc<Core>>) -> Result<Response, Error> {
    let direct = core.proc.direct.as_ref();
    let pids = match direct.and_then(Direct::pids) {
        Some(pids) => pids,
        None => core.proc.read(read::pids).await?,
    };
    let pids = pids.map_err(|it| explain("the list of processes", &it))?;
    if let Some(direct) = direct {
        direct.note(pids.len());
    }
    let mut body = String::with_capacity(16 + pids.len() * 10);
    body.push_str("{\"pids\":[");
    for (at, pid) in pids.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        // Into a String: it cannot fail.
        let _ = write!(body, "{comma}\"{pid}\"");
    }
    body.push_str("]}");
    Ok(json_text(body.into_bytes()))
}

/// The path is read as it came, not as the router decodes it.
async fn process(State(core): State<Arc<Core>>, uri: Uri) -> Result<Response, Error> {
    match ProcTarget::parse(uri.path().strip_prefix("/proc/").unwrap_or_default())? {
        ProcTarget::Process(pid) => {
            let files = core.proc.read(move |root| read::files(root, pid)).await?;
            let files = files.map_err(|it| explain(&format!("process {pid}"), &it))?;
            Ok(Json(json!({ "files": files })).into_response())
        }
        ProcTarget::File(pid, name) => {
            let toucher = core.proc.toucher.clone();
            let content = match &core.proc.direct {
                Some(direct) if name == "status" => direct.status(pid),
                _ => core.proc.read(move |root| read::file(root, pid, name, toucher.as_deref())).await?,
            };
            let content = content.map_err(|it| explain(&format!("/proc/{pid}/{name}"), &it))?;
            show(&core, name, content)
        }
    }
}

fn show(core: &Core, name: &str, content: Content) -> Result<Response, Error> {
    let Content { body, truncated } = content;
    match name {
        "status" => {
            // Nearly always it is UTF-8, and that is faster seen by the strict reader.
            let text = str::from_utf8(&body)
                .map_or_else(|_| String::from_utf8_lossy(&body), std::borrow::Cow::Borrowed);
            Ok(json_text(format::Status::parse(&text).json()))
        }
        "environ" if !core.config.show_environ => {
            Ok(plain_text(core.answers.lend(crate::redact::environ(&body))?, truncated, true))
        }
        _ => Ok(plain_text(core.answers.lend(body)?, truncated, false)),
    }
}

/// Bytes that are JSON already.
pub(super) fn json_text(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn explain(what: &str, refusal: &Refusal) -> Error {
    match refusal {
        Refusal::Gone => Error::not_found(format!("{what}: there is no such process, or it has just ended")),
        Refusal::NoFile => Error::not_found(format!("{what}: this kernel has no such file for this process")),
        Refusal::Denied => Error::forbidden(format!(
            "{what}: the kernel denies it; the daemon needs root, or CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
        )),
        Refusal::NotPlain => {
            Error::forbidden(format!("{what}: it is a link or a directory, and is not served"))
        }
        Refusal::Failed(errno) => {
            Error::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{what}: the kernel says: {errno}"))
        }
    }
}
