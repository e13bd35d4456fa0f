//! The worker: takes what is due from the outbox, sends it at the receiver's pace, writes down what became of
//! it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::post::PostResult;
use super::receiver::Receiver;
use super::sinks::Sinks;
use crate::health::Health;
use crate::metrics::{AlertLabels, Metrics};
use crate::store::{self, DeliveryFailure, DueAlert, Store};

/// The name under which health knows that nobody is told.
const COMPONENT: &str = "alerts";

/// The longest sleep: due times are wall-clock times, and the wall clock can be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Between two tries to use a store that does not work.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// Sends alerts until `shutdown`, to each receiver at its own pace; then finishes the requests in flight.
///
/// Aborted in the middle of a request, the alert stays in the outbox, marked as tried.
pub async fn run(
    store: Store,
    sinks: Sinks,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
) {
    if sinks.receivers.is_empty() {
        // Everything works, and nobody is told: that is worth saying.
        let reason = "no receiver is configured: no alerts are sent";
        let remedy = "set SLACK_WEBHOOK_URL, ALERT_WEBHOOK_URL or --alertmanager-url";
        health.degrade(COMPONENT, reason, remedy);
    }
    match store.give_up_without(sinks.names(), Timestamp::now()).await {
        Ok(0) => {}
        Ok(given_up) => {
            let labels = AlertLabels { sink: "unknown", outcome: "failed" };
            metrics.alerts.get_or_create(&labels).inc_by(given_up);
            tracing::warn!("gave up on {given_up} alerts: their receivers are no longer configured");
        }
        Err(err) => tracing::warn!("cannot search for alerts without a receiver: {err:#}"),
    }
    let mut workers = JoinSet::new();
    for receiver in &sinks.receivers {
        let worker = Worker {
            store: store.clone(),
            receiver: Arc::clone(receiver),
            pace: sinks.pace,
            metrics: Arc::clone(&metrics),
            health: health.clone(),
            shutdown: shutdown.clone(),
            quiet_until: Instant::now(),
            outbox_fails: false,
        };
        workers.spawn(worker.work());
    }
    while let Some(ended) = workers.join_next().await {
        if let Err(err) = ended
            && err.is_panic()
        {
            std::panic::resume_unwind(err.into_panic());
        }
    }
    shutdown.cancelled().await;
}

struct Worker {
    store: Store,
    receiver: Arc<Receiver>,
    pace: Pace,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
    /// The receiver gets nothing before this moment: its pace, or what it asked for.
    quiet_until: Instant,
    /// Whether health has been told that the outbox can't be used.
    outbox_fails: bool,
}

/// What to write down about a try.
enum DeliveryOutcome {
    Sent(Option<String>),
    Retry(DeliveryFailure, Timestamp),
    Failed(DeliveryFailure),
}

impl Worker {
    async fn work(mut self) {
        let mut changes = self.store.alerts_changes();
        loop {
            let wait = match self.step().await {
                Ok(wait) => {
                    self.outbox_works();
                    wait
                }
                Err(err) => self.outbox_fails(&err),
            };
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                () = sleep(wait) => {}
                // It ends with the store, of which this worker has a share.
                _ = changes.changed() => {}
            }
        }
    }

    /// How long to wait then.
    fn outbox_fails(&mut self, err: &anyhow::Error) -> Duration {
        tracing::warn!("cannot use the alert outbox: {err:#}; retrying in {STORE_RETRY:?}");
        let reason =
            format!("no alerts are sent to {}: the outbox cannot be used: {err:#}", self.receiver.title());
        self.health.degrade(self.receiver.component(), reason, store::remedy(err));
        self.outbox_fails = true;
        STORE_RETRY
    }

    fn outbox_works(&mut self) {
        if std::mem::take(&mut self.outbox_fails) {
            self.health.recover(self.receiver.component());
        }
    }

    /// Sends at most one alert; how long to sleep then, if nothing changes.
    async fn step(&mut self) -> Result<Duration> {
        let quiet = self.quiet_until.saturating_duration_since(Instant::now());
        if !quiet.is_zero() {
            return Ok(quiet);
        }
        let now = Timestamp::now();
        let Some(due) = self.store.due_alerts(self.receiver.name(), now, 1).await?.pop() else {
            let next = self.store.next_due(self.receiver.name()).await?;
            let wait = next.map_or(LONGEST_SLEEP, |next| {
                // Due times are whole milliseconds: a little late finds it due, a little early spins.
                let wait = next.duration_since(Timestamp::now()) + SignedDuration::from_millis(1);
                Duration::try_from(wait).unwrap_or_default()
            });
            return Ok(wait.min(LONGEST_SLEEP));
        };
        // Written down before it is sent, and read again: the verdict may have come in between.
        if let Some(alert) = self.store.start_attempt(due.id, now).await? {
            let outcome = self.deliver(&alert).await;
            self.settle(&alert, &outcome).await;
        }
        Ok(Duration::ZERO)
    }

    async fn deliver(&mut self, alert: &DueAlert) -> DeliveryOutcome {
        let answer = self.receiver.tell(alert).await;
        let outcome = self.judge(alert, answer);
        self.quiet_until = self.quiet_until.max(Instant::now() + self.pace.between);
        outcome
    }

    fn judge(&mut self, alert: &DueAlert, answer: PostResult) -> DeliveryOutcome {
        let at = Timestamp::now();
        match answer {
            PostResult::Delivered { receipt } => {
                self.health.recover(self.receiver.component());
                DeliveryOutcome::Sent(receipt)
            }
            PostResult::Refused { error, remedy } => {
                tracing::error!("gave up on the alert for incident {}: {error}", alert.incident.id);
                if let Some(remedy) = remedy {
                    let reason = format!("{} does not accept alerts: {error}", self.receiver.title());
                    self.health.degrade(self.receiver.component(), reason, remedy);
                }
                DeliveryOutcome::Failed(DeliveryFailure { at, error, may_have_arrived: false })
            }
            PostResult::Later { error, retry_after, may_have_arrived } => {
                self.later(alert, DeliveryFailure { at, error, may_have_arrived }, retry_after)
            }
        }
    }

    fn later(
        &mut self,
        alert: &DueAlert,
        failure: DeliveryFailure,
        retry_after: Option<Duration>,
    ) -> DeliveryOutcome {
        let pace = self.pace;
        let (id, error) = (&alert.incident.id, &failure.error);
        if failure.at.duration_since(alert.created).unsigned_abs() >= pace.give_up_after {
            tracing::error!("gave up on the alert for incident {id} after {:?}: {error}", pace.give_up_after);
            let error = format!("gave up after {:?}: {error}", pace.give_up_after);
            return DeliveryOutcome::Failed(DeliveryFailure { error, ..failure });
        }
        let delay = match retry_after {
            Some(asked) => {
                // It is about the receiver, not about this one message.
                let asked = asked.min(pace.longest_retry_after);
                self.quiet_until = Instant::now() + asked;
                asked
            }
            None => pace.delay(alert.attempts.saturating_add(1), getrandom::u32().unwrap_or(u32::MAX)),
        };
        tracing::warn!("the alert for incident {id} is retried in {delay:?}: {error}");
        let remedy =
            format!("alerts are kept and retried; check this host's connection to {}", self.receiver.title());
        self.health.degrade(self.receiver.component(), error.as_str(), remedy);
        let next = failure.at.saturating_add(delay).unwrap_or(Timestamp::MAX);
        DeliveryOutcome::Retry(failure, next)
    }

    /// Writes it down, and does not go on before it is: else a full disk would make the same message go out
    /// again and again.
    async fn settle(&mut self, alert: &DueAlert, outcome: &DeliveryOutcome) {
        let outcome_name = match outcome {
            DeliveryOutcome::Sent(_) => "sent",
            DeliveryOutcome::Retry(..) => "retried",
            DeliveryOutcome::Failed(_) => "failed",
        };
        let labels = AlertLabels { sink: self.receiver.name(), outcome: outcome_name };
        self.metrics.alerts.get_or_create(&labels).inc();
        loop {
            let written = match outcome {
                DeliveryOutcome::Sent(receipt) => {
                    let told = (alert.incident.verdict.by, receipt.clone());
                    self.store.mark_sent(alert.id, told, Timestamp::now()).await
                }
                DeliveryOutcome::Retry(failure, next) => {
                    self.store.mark_retry(alert.id, failure.clone(), *next).await
                }
                DeliveryOutcome::Failed(failure) => self.store.mark_failed(alert.id, failure.clone()).await,
            };
            let Err(err) = written else { return self.outbox_works() };
            tracing::warn!("an alert was {outcome_name}, but that cannot be recorded");
            let wait = self.outbox_fails(&err);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }
}
