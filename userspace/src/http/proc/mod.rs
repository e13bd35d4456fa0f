//! `/proc` over HTTP: the live files of a process, read for whoever asks.

mod format;
mod path;
mod read;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

pub(super) use path::{not_a_pid, parse_pid};
pub(super) use read::Proc;

use self::path::ProcTarget;
use self::read::{Content, Refusal};
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

/// A file's bytes as a response.
pub(super) fn plain_text(body: Vec<u8>, truncated: bool, masked: bool) -> Response {
    let mut response = ([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response();
    for (name, applies) in [(TRUNCATED, truncated), (MASKED, masked)] {
        if applies {
            response.headers_mut().insert(name, HeaderValue::from_static("true"));
        }
    }
    response
}

async fn pids(State(core): State<Arc<Core>>) -> Result<Response, Error> {
    let pids = core.proc.read(read::pids).await?.map_err(|it| explain("the list of processes", &it))?;
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    Ok(Json(json!({ "pids": pids })).into_response())
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
            let content = core.proc.read(move |root| read::file(root, pid, name, toucher.as_deref())).await?;
            let content = content.map_err(|it| explain(&format!("/proc/{pid}/{name}"), &it))?;
            Ok(show(name, content, core.config.show_environ))
        }
    }
}

fn show(name: &str, content: Content, show_environ: bool) -> Response {
    let Content { body, truncated } = content;
    match name {
        "status" => Json(format::Status::parse(&body)).into_response(),
        "environ" if !show_environ => plain_text(crate::redact::environ(&body), truncated, true),
        _ => plain_text(body, truncated, false),
    }
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
