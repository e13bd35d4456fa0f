//! What the daemon's /proc stands on and nothing else: the same HTTP library with as many workers, and handlers that do
//! the system calls and send what comes. No key, no limits, no headers, no JSON.

use std::net::TcpListener;

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

/// As many as the daemon has.
const WORKERS: usize = 2;

pub(crate) fn serve(listener: &TcpListener) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let routes = Router::new()
            .route("/proc", get(names))
            .route("/proc/1/status", get(async || std::fs::read("/proc/1/status").map_err(failed)))
            .route("/healthz", get(async || "ok"));
        Ok(axum::serve(tokio::net::TcpListener::from_std(listener.try_clone()?)?, routes).await?)
    })
}

async fn names() -> Result<String, StatusCode> {
    let mut names = String::new();
    for entry in std::fs::read_dir("/proc").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name.to_str().filter(|it| it.starts_with(|c: char| c.is_ascii_digit())) {
            names.push_str(name);
            names.push('\n');
        }
    }
    Ok(names)
}

#[expect(clippy::needless_pass_by_value, reason = "that is how an error is mapped")]
fn failed(error: std::io::Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}
