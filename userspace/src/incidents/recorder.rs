//! Between the queues: every case gets the built-in verdict at once and goes into the store; a new incident
//! then waits for the model, if there is one, and its alert with it, for hardly longer than the deadline.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{AlertPlan, Recorded, Store, trouble};
use crate::analyst::{self, Analyst};
use crate::health::Health;
use crate::metrics::{KindLabel, LimitLabel, Metrics};
use crate::model::{Case, CaseFile, Confidence, Severity, Verdict};
use crate::queue::rank::{Standing, rank};
use crate::queue::{Entry, Pushed, Queue};
use crate::redact;
use crate::text::printable;

/// Incidents that may wait for the model: more than it can answer within any deadline.
const PENDING: usize = 64;

/// Between two tries to record a case, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// On top of the model's deadline, for its verdict, or the note that there is none, to be in the store before
/// the alert goes out. With the default deadline of 8 s the alert still leaves within 10 s of the event.
const SETTLING: Duration = Duration::from_millis(500);

/// What an alert says whose hold is over before the model was heard, or even asked: others kept it busy.
const UNHEARD: &str = "no answer of the model so far; this is the built-in analyst's verdict";

/// An incident that waits for the model's verdict.
#[derive(Clone, Debug)]
pub struct Pending {
    id: String,
    /// What it shows.
    case: Case,
    /// Who is told if the model makes it graver.
    plan: AlertPlan,
}

/// The queue from [`Recorder::run`] to [`ask_model`].
pub fn model_queue(metrics: &Metrics) -> Queue<Pending> {
    // Of one incident the later file is the graver, and the one it shows.
    Queue::new("model", PENDING, |waiting, newer| *waiting = newer, metrics)
}

/// Who is told of what.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The receivers of alerts.
    pub sinks: Vec<&'static str>,
    /// Those of them that can improve on what they told.
    pub editing: Vec<&'static str>,
    /// What is less grave is told to nobody.
    pub min_severity: Severity,
    /// Conditions found until then are told in one message,
    pub quiet_until: Timestamp,
    /// where their process is older than this, on the clock of `start_ticks`: the daemon's own start.
    pub since_ticks: u64,
}

impl Audience {
    fn plan(&self, case: &Case, hold_until: Option<Timestamp>, now: Timestamp) -> AlertPlan {
        if case.severity < self.min_severity {
            return AlertPlan::default();
        }
        AlertPlan { hold_until, ..self.at_once(case, now) }
    }

    /// If the model makes it graver.
    fn raised_plan(&self, case: &Case, now: Timestamp) -> AlertPlan {
        let told = case.severity.next().is_some_and(|raised| raised >= self.min_severity);
        if told { self.at_once(case, now) } else { AlertPlan::default() }
    }

    fn at_once(&self, case: &Case, now: Timestamp) -> AlertPlan {
        // What the kernel reports happens now, whatever was there before.
        let was_there = case.kind.is_condition() && case.file.process.start_ticks < self.since_ticks;
        let digest_until = (was_there && now < self.quiet_until).then_some(self.quiet_until);
        AlertPlan { sinks: self.sinks.clone(), hold_until: None, editing: self.editing.clone(), digest_until }
    }
}

/// Takes cases from the queue into the store.
pub struct Recorder {
    store: Store,
    audience: Audience,
    model: Queue<Pending>,
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
        audience: Audience,
        model: Queue<Pending>,
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
                    Some(case) => self.take(case, &shutdown).await,
                    None => return,
                },
            }
        }
        cases.close();
        while let Some(case) = cases.pop().await {
            self.take(case, &shutdown).await;
        }
    }

    /// Records one case, for as long as it takes, and hands it on.
    async fn take(&self, case: Case, shutdown: &CancellationToken) {
        let kind = KindLabel { kind: case.kind.as_str() };
        self.metrics.cases.get_or_create(&kind).inc_by(case.count);
        let mut case = if self.show_secrets { case } else { redact::records::case(case) };
        case.file = case.file.dated();
        let mut verdict = (self.rules)(&case.file);
        if self.model_deadline.is_some() {
            verdict.note.get_or_insert_with(|| UNHEARD.to_owned());
        }
        let verdict_confidence = verdict.confidence;
        let Some(recorded) = self.record(&case, &verdict, shutdown).await else { return };
        if recorded.new {
            self.metrics.incidents.get_or_create(&kind).inc();
        }
        if let Some(news) = news(&recorded, &case) {
            // The journal of a host without Slack has nothing else to tell.
            let severity = case.severity.as_str();
            tracing::info!(id = recorded.id, kind = kind.kind, severity, "{news}");
        }
        if self.model_deadline.is_some() && recorded.shown {
            self.hand_on(recorded, case, verdict_confidence).await;
        }
    }

    /// Tries until the store has it: a full disk passes, and the queue holds the rest meanwhile. `None`: the
    /// store will never take it, or the daemon ends first.
    async fn record(&self, case: &Case, verdict: &Verdict, shutdown: &CancellationToken) -> Option<Recorded> {
        let (mut delay, longest) = RETRY;
        let mut degraded = false;
        loop {
            // Made anew for each try: the deadline counts from when the incident is in the store.
            let now = Timestamp::now();
            let hold = self.model_deadline.map(|wait| now.saturating_add(wait + SETTLING));
            let hold = hold.map(|until| until.unwrap_or(Timestamp::MAX));
            let plan = self.audience.plan(case, hold, now);
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
            if trouble::is_final(&err) || shutdown.is_cancelled() {
                tracing::error!("lost a case ({}): the store does not take it: {err:#}", case.kind);
                self.metrics.turned_away.get_or_create(&LimitLabel { limit: "store" }).inc_by(case.count);
                return None;
            }
            tracing::error!("a case ({}) waits for the store: {err:#}", case.kind);
            self.health.degrade("store", format!("nothing is recorded: {err:#}"), trouble::remedy(&err));
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
            rank(&Standing { confidence: Some(confidence), novel: new, count, ..Standing::of(&case) });
        let plan = self.audience.raised_plan(&case, Timestamp::now());
        let pending = Pending { id: id.clone(), case, plan };
        let entry = Entry { fingerprint: id, priority, item: pending };
        let left_out = match self.model.push(entry) {
            Pushed::Queued | Pushed::Merged => return,
            Pushed::Evicted(entry) | Pushed::Refused(entry) => entry.item.id,
        };
        if let Err(err) = self.store.release_alerts(&left_out).await {
            // It is sent at the end of its hold all the same.
            tracing::warn!("the alert of incident {left_out} can't be released early: {err:#}");
        }
    }
}

/// What the log is told of a case; nothing of a repeat.
fn news(recorded: &Recorded, case: &Case) -> Option<String> {
    let what = match recorded {
        Recorded { new: true, .. } => "a new incident",
        Recorded { rose: true, .. } => "an incident became graver",
        Recorded { reopened: true, .. } => "an incident is back",
        Recorded { .. } => return None,
    };
    Some(format!("{what}: {}", printable(&case.title)))
}

/// Asks the model about the incidents in the queue, one at a time, until `shutdown` or until the queue is
/// closed and empty. What it does not get to is alerted at the end of its hold.
pub async fn ask_model(pending: Queue<Pending>, store: Store, analyst: Analyst, shutdown: CancellationToken) {
    let work = async {
        while let Some(it) = pending.pop().await {
            if let Err(err) = judge(&it, &store, analyst.verdict(&it.case.file)).await {
                tracing::warn!("the verdict on incident {} can't be stored: {err:#}", it.id);
            }
        }
    };
    shutdown.run_until_cancelled(work).await;
}

async fn judge(it: &Pending, store: &Store, verdict: impl Future<Output = Verdict>) -> Result<()> {
    let verdict = verdict.await;
    // Not set: the incident is gone, or graver by now, and its new file is in the queue.
    store.judge(&it.id, it.case.clone(), verdict, it.plan.clone()).await.map(drop)
}

#[cfg(test)]
mod tests;
