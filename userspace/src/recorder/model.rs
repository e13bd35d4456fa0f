//! Incidents on their way to the model, and the worker that asks it about them.

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use crate::analyst::Analyst;
use crate::kinds::case::Case;
use crate::metrics::Metrics;
use crate::model::Verdict;
use crate::queue::Queue;
use crate::store::{AlertPlan, Store};

/// Incidents that may wait for the model: more than it can answer within any deadline.
const PENDING: usize = 64;

/// An incident that waits for the model's verdict.
#[derive(Clone, Debug)]
pub struct PendingQuestion {
    pub(super) id: String,
    pub(super) case: Case,
    /// Who is told if the model raises its severity.
    pub(super) plan: AlertPlan,
}

/// The queue from [`super::Recorder::run`] to [`ask_model`].
pub fn model_queue(metrics: &Metrics) -> Queue<PendingQuestion> {
    // Of one incident the later file is the more severe, and the one it shows.
    Queue::new("model", PENDING, |waiting, newer| *waiting = newer, metrics)
}

/// Asks the model about the incidents in the queue, one at a time, until `shutdown` or until the queue is
/// closed and empty. What it does not get to is alerted at the end of its hold.
pub async fn ask_model(
    pending: Queue<PendingQuestion>,
    store: Store,
    analyst: Analyst,
    shutdown: CancellationToken,
) {
    let work = async {
        while let Some(it) = pending.pop().await {
            if let Err(err) = judge(&it, &store, analyst.verdict(&it.case.file)).await {
                tracing::warn!("cannot store the verdict on incident {}: {err:#}", it.id);
            }
        }
    };
    shutdown.run_until_cancelled(work).await;
}

pub(super) async fn judge(
    it: &PendingQuestion,
    store: &Store,
    verdict: impl Future<Output = Verdict>,
) -> Result<()> {
    let verdict = verdict.await;
    // Not set: the incident is gone, or more severe by now, and its new file is in the queue.
    store.judge(&it.id, it.case.clone(), verdict, it.plan.clone()).await.map(drop)
}
