//! SIGHUP: what can change under way is read again; what cannot is said.

use std::future::Future;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::http::Access;

/// From now on SIGHUP ends nothing. The future reloads at each, for as long as it is polled.
pub(super) fn on_hangup(access: Arc<Access>) -> Result<impl Future<Output = ()> + Send> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot watch for SIGHUP")?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            info!("SIGHUP: reading the access key and the certificate again; other settings need a restart");
            let access = Arc::clone(&access);
            // Files, on whatever file system they are.
            if let Err(fault) = tokio::task::spawn_blocking(move || access.reload()).await {
                tracing::error!("the reload ended in a fault: {fault}");
            }
        }
    })
}
