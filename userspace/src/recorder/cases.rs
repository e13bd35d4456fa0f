//! Between the queues: every case gets the built-in verdict at once and goes into the store; a new incident
//! then waits for the model, if there is one, and its alert with it, for hardly longer than the deadline.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::audience::Audience;
use super::model::PendingQuestion;
use crate::analyst::{self, Analyst};
use crate::health::Health;
use crate::kinds::case::{Case, CaseFile};
use crate::metrics::{KindLabel, LimitLabel, Metrics};
use crate::model::{Confidence, Verdict};
use crate::queue::rank::{RankInputs, rank};
use crate::queue::{Pushed, Queue, QueueEntry};
use crate::redact;
use crate::store::{self, AlertPlan, Recorded, Store};
use crate::text::printable;

/// Between two tries to record a case, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Cases in one transaction.
const AT_ONCE: usize = 16;

/// On top of the model's deadline, for its verdict, or the note that there is none, to be in the store before
/// the alert goes out. With the default deadline of 8 s the alert still leaves within 10 s of the event.
const SETTLING: Duration = Duration::from_millis(500);

/// What an alert says whose hold is over before the model was heard, or even asked: others kept it busy.
const UNHEARD: &str = "no answer from the model so far; this is the built-in analyst's verdict";

/// Takes cases from the queue into the store.
pub struct Recorder {
    store: Store,
    audience: watch::Receiver<Audience>,
    model: Queue<PendingQuestion>,
    metrics: Arc<Metrics>,
    health: Health,
    /// The built-in rules; a value so that tests bring their own.
    rules: fn(&CaseFile) -> Verdict,
    /// How long the model may take; `None`: there is none.
    model_deadline: Option<Duration>,
    /// Whether secrets are stored as they are.
    show_secrets: bool,
}

impl Recorder {
    /// A recorder that hands new incidents on to `model`, when the analyst has one.
    pub fn new(
        store: Store,
        analyst: &Analyst,
        audience: watch::Receiver<Audience>,
        model: Queue<PendingQuestion>,
        metrics: Arc<Metrics>,
        health: Health,
    ) -> Self {
        let model_deadline = analyst.has_model().then(|| analyst.deadline());
        Self {
            store,
            audience,
            model,
            metrics,
            health,
            rules: analyst::built_in,
            model_deadline,
            show_secrets: false,
        }
    }

    /// Whether secrets are stored as they are.
    #[must_use]
    pub fn show_secrets(self, show_secrets: bool) -> Self {
        Self { show_secrets, ..self }
    }

    /// Records until `shutdown`; then closes the queue, records what still waits in it, and returns. End the
    /// monitor before: a closed queue refuses its cases.
    pub async fn run(self, cases: Queue<Case>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                case = cases.pop() => match case {
                    Some(case) => self.take(case, &cases, &shutdown).await,
                    None => return,
                },
            }
        }
        cases.close();
        while let Some(case) = cases.pop().await {
            self.take(case, &cases, &shutdown).await;
        }
    }

    /// Records a case and what waits behind it, for as long as it takes, and hands them on. Many are one transaction:
    /// each waits for the disk.
    async fn take(&self, case: Case, waiting: &Queue<Case>, shutdown: &CancellationToken) {
        let mut judged = vec![self.judge(case)];
        judged.extend(waiting.take(AT_ONCE - 1).into_iter().map(|case| self.judge(case)));
        let mut recorded = Vec::new();
        if judged.len() > 1 {
            let now = Timestamp::now();
            let all =
                judged.iter().map(|(case, verdict)| (case.clone(), verdict.clone(), self.plan(case, now)));
            // Where one of them is no good the others are not lost with it.
            recorded = self.store.record_all(all.collect()).await.unwrap_or_default();
        }
        let mut recorded = recorded.into_iter();
        for (case, verdict) in judged {
            let done = match recorded.next() {
                Some(done) => Some(done),
                None => self.record(&case, &verdict, shutdown).await,
            };
            if let Some(done) = done {
                self.tell(done, case, &verdict).await;
            }
        }
    }

    /// As it is stored, with the rules' verdict.
    fn judge(&self, case: Case) -> (Case, Verdict) {
        self.metrics.cases.get_or_create(&KindLabel { kind: case.kind.as_str() }).inc_by(case.count);
        let mut case = if self.show_secrets { case } else { redact::records::masked(case) };
        case.file = case.file.dated();
        let mut verdict = (self.rules)(&case.file);
        if self.model_deadline.is_some() {
            verdict.note.get_or_insert_with(|| UNHEARD.to_owned());
        }
        (case, verdict)
    }

    /// Tells the log, and the model.
    async fn tell(&self, recorded: Recorded, case: Case, verdict: &Verdict) {
        let kind = KindLabel { kind: case.kind.as_str() };
        if recorded.new {
            self.metrics.incidents.get_or_create(&kind).inc();
        }
        if let Some(news) = news(&recorded, &case) {
            // The journal of a host without Slack has nothing else to tell.
            let severity = case.severity.as_str();
            tracing::info!(id = recorded.id, kind = kind.kind, severity, "{news}");
        }
        if self.model_deadline.is_some() && recorded.shown {
            self.hand_on(recorded, case, verdict.confidence).await;
        }
    }

    /// Whom to tell when. The deadline of the model counts from when the incident is in the store.
    fn plan(&self, case: &Case, now: Timestamp) -> AlertPlan {
        let hold = self.model_deadline.map(|wait| now.saturating_add(wait + SETTLING));
        self.audience.borrow().plan(case, hold.map(|until| until.unwrap_or(Timestamp::MAX)), now)
    }

    /// Tries until the store has it: a full disk passes, and the queue holds the rest meanwhile. `None`: the
    /// store will never take it, or the daemon ends first.
    async fn record(&self, case: &Case, verdict: &Verdict, shutdown: &CancellationToken) -> Option<Recorded> {
        let (mut delay, longest) = RETRY;
        let mut degraded = false;
        loop {
            // Made anew for each try.
            let plan = self.plan(case, Timestamp::now());
            let err = match self.store.record(case.clone(), verdict.clone(), plan).await {
                Ok(recorded) => {
                    // Not what others said of the store: a damaged row does not mend by recording.
                    if degraded {
                        self.health.recover("store");
                    }
                    return Some(recorded);
                }
                Err(err) => err,
            };
            if store::is_final(&err) || shutdown.is_cancelled() {
                tracing::error!("lost a case ({}): the store does not accept it: {err:#}", case.kind);
                self.metrics.turned_away.get_or_create(&LimitLabel { limit: "store" }).inc_by(case.count);
                return None;
            }
            tracing::error!("a case ({}) is waiting for the store: {err:#}", case.kind);
            self.health.degrade("store", format!("nothing is recorded: {err:#}"), store::remedy(&err));
            degraded = true;
            tokio::select! {
                // One more try then, and the last.
                () = shutdown.cancelled() => {}
                () = sleep(delay) => {}
            }
            delay = (delay * 2).min(longest);
        }
    }

    /// Queues an incident for the model. One that finds no room keeps the rules' verdict, and is alerted now.
    async fn hand_on(&self, recorded: Recorded, case: Case, confidence: Confidence) {
        let Recorded { id, new, count, .. } = recorded;
        let priority =
            rank(&RankInputs { confidence: Some(confidence), novel: new, count, ..RankInputs::of(&case) });
        let plan = self.audience.borrow().raised_plan(&case, Timestamp::now());
        let pending = PendingQuestion { id: id.clone(), case, plan };
        let entry = QueueEntry { fingerprint: id, priority, item: pending };
        let left_out = match self.model.push(entry) {
            Pushed::Queued | Pushed::Merged => return,
            Pushed::Evicted(entry) | Pushed::Refused(entry) => entry.item.id,
        };
        if let Err(err) = self.store.release_alerts(&left_out).await {
            // It is sent at the end of its hold all the same.
            tracing::warn!("cannot send the alert for incident {left_out} early: {err:#}");
        }
    }
}

/// What the log is told of a case; nothing of a repeat.
fn news(recorded: &Recorded, case: &Case) -> Option<String> {
    let what = match recorded {
        Recorded { new: true, .. } => "a new incident",
        Recorded { escalated: true, .. } => "an incident escalated",
        Recorded { reopened: true, .. } => "an incident is back",
        Recorded { .. } => return None,
    };
    Some(format!("{what}: {}", printable(&case.title)))
}

#[cfg(test)]
mod tests;
