//! The tasks the daemon is made of: each tells when it ends, and is waited for no longer than there is time.

use std::future::Future;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

/// A task that runs as long as the daemon does.
pub(super) struct Stage {
    name: &'static str,
    task: JoinHandle<()>,
}

impl Stage {
    /// Its end is told on `ended`, whatever brings it about.
    pub(super) fn start(
        name: &'static str,
        ended: &mpsc::Sender<&'static str>,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let end = End { name, ended: ended.clone() };
        let task = tokio::spawn(async move {
            let _end = end;
            work.await;
        });
        Self { name, task }
    }

    /// Ends one that would go on for ever and has nothing to finish.
    pub(super) async fn cancel(self) {
        self.task.abort();
        drop(self.task.await);
    }

    /// Waits for it, but not for ever.
    pub(super) async fn end(self, deadline: Instant) {
        if let Some(Err(err)) = within(self.name, deadline, self.task).await {
            error!("{} failed: {err}", self.name);
        }
    }
}

/// Dropped with the task, so a panic tells as well.
struct End {
    name: &'static str,
    ended: mpsc::Sender<&'static str>,
}

impl Drop for End {
    fn drop(&mut self) {
        // Full or closed: the daemon is ending already.
        let _ = self.ended.try_send(self.name);
    }
}

/// Waits for an end, but not for ever.
pub(super) async fn within<T>(what: &str, deadline: Instant, end: impl Future<Output = T>) -> Option<T> {
    let ended = timeout_at(deadline, end).await.ok();
    if ended.is_none() {
        warn!("{what} did not stop in time");
    }
    ended
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_that_ends_or_panics_is_told() {
        let (ended, mut ends) = mpsc::channel(3);
        let stages = [
            Stage::start("runs", &ended, pending()),
            Stage::start("ends", &ended, ready(())),
            Stage::start("panics", &ended, async { panic!("on purpose") }),
        ];
        let mut told = [ends.recv().await.unwrap(), ends.recv().await.unwrap()];
        told.sort_unstable();
        assert_eq!(told, ["ends", "panics"]);
        assert!(ends.try_recv().is_err(), "the third still runs");
        drop(stages);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_hang_share_one_deadline() {
        let (ended, _ends) = mpsc::channel(4);
        let stages = [(); 4].map(|()| Stage::start("hangs", &ended, pending()));
        let begun = Instant::now();
        for stage in stages {
            stage.end(begun + Duration::from_secs(3)).await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(4), "{took:?}");
    }
}
