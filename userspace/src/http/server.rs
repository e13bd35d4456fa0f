//! The accept loop: connections, each with bounds on how long its parts may take, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::metrics::{LimitLabel, Metrics};

/// Connections at a time; the next one waits in the listener's backlog.
pub(super) const MAX_CONNECTIONS: usize = 256;
/// For a request's head, counted from the connection's start or the answer before: so also how long a
/// connection may idle.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may leave an answer without taking any of it.
pub(super) const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// What requests under way get at the end.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// The head of a request: its path, cookies and all.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// After a failed accept, which with no file descriptors left would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown`, then lets requests under way finish for a while.
pub(super) async fn run(
    routes: Router,
    listener: TcpListener,
    metrics: &Metrics,
    shutdown: CancellationToken,
) -> Result<()> {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        if room.available_permits() == 0 {
            metrics.turned_away.get_or_create(&LimitLabel { limit: "http_connections" }).inc();
        }
        // Room first, then a connection: what there is no room for stays with the kernel.
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.context("the semaphore is never closed")?;
            anyhow::Ok((permit, listener.accept().await))
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            next = next => next?,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, routes.clone(), shutdown.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!("{} connections did not end in time and were closed", connections.len());
    }
    connections.shutdown().await;
    Ok(())
}

async fn connection(stream: TcpStream, routes: Router, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY: {error}");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_STALL_TIMEOUT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(routes));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients that hang up or time out: everyday life.
        tracing::debug!("connection: {error}");
    }
}
