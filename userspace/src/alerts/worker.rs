//! The worker: takes what is due from the outbox, sends it at the receiver's pace, writes down what became of
//! it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::pace::{Pace, SUMMARY_APART, SUMMARY_WAIT};
use super::post::PostResult;
use super::receiver::Receiver;
use super::sinks::Sinks;
use super::trouble::Trouble;
use crate::health::Health;
use crate::metrics::{AlertLabels, Metrics};
use crate::model::Occasion;
use crate::store::{self, DeliveryFailure, DeliveryOutcome, DueAlert, Settled, Store};

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
            trouble: Trouble::default(),
            summary_after: Timestamp::MIN,
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
    /// Whether the receiver does not take alerts.
    trouble: Trouble,
    /// The next summary comes no sooner.
    summary_after: Timestamp,
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

    /// Sends what is due, as much as the receiver takes at once; how long to sleep then, if nothing changes.
    async fn step(&mut self) -> Result<Duration> {
        let quiet = self.quiet_until.saturating_duration_since(Instant::now());
        if !quiet.is_zero() {
            return Ok(quiet);
        }
        let now = Timestamp::now();
        let next = self.store.next_due(self.receiver.name()).await?;
        if next.is_none_or(|next| next > now) {
            let wait = next.map_or(LONGEST_SLEEP, |next| {
                // Due times are whole milliseconds: a little late finds it due, a little early spins.
                let wait = next.duration_since(Timestamp::now()) + SignedDuration::from_millis(1);
                Duration::try_from(wait).unwrap_or_default()
            });
            return Ok(wait.min(LONGEST_SLEEP));
        }
        let manner = self.receiver.manner(self.pace);
        if let Some(backlog) = manner.backlog {
            let told_at = (now + SUMMARY_WAIT).max(self.summary_after);
            self.store.summarise(self.receiver.name(), backlog, now, told_at).await?;
        }
        // One alert is enough to see whether it is back.
        let limit = if self.trouble.is_on() { 1 } else { manner.batch };
        // Written down before they are sent, and read then: the verdict may have come in between.
        let alerts = self.store.begin(self.receiver.name(), now, limit).await?;
        if !alerts.is_empty() {
            let answers = self.receiver.tell_all(&alerts).await;
            if manner.batch == 1 || alerts.len() < manner.batch {
                self.quiet_until = self.quiet_until.max(Instant::now() + manner.between);
            }
            let outcomes = self.judge(&alerts, answers);
            self.settle(outcomes).await;
        }
        Ok(Duration::ZERO)
    }

    fn judge(&mut self, alerts: &[DueAlert], answers: Vec<PostResult>) -> Vec<Settled> {
        let at = Timestamp::now();
        let (mut retried, mut given_up, mut told) = (0, 0, false);
        let mut why = None;
        let mut outcomes = Vec::new();
        for (alert, answer) in alerts.iter().zip(answers) {
            let outcome = match answer {
                PostResult::Delivered { receipt } => {
                    told = true;
                    if alert.occasion == Occasion::Summary {
                        self.summary_after = at + SUMMARY_APART;
                    }
                    DeliveryOutcome::Sent { by: alert.incident.verdict.by, receipt, at }
                }
                PostResult::Refused { error, remedy } => {
                    given_up += 1;
                    if let Some(remedy) = remedy {
                        let reason = format!("{} takes no alerts: {error}", self.receiver.title());
                        self.health.degrade(self.receiver.component(), reason, remedy);
                    }
                    why.get_or_insert_with(|| error.clone());
                    DeliveryOutcome::Failed(DeliveryFailure { at, error, may_have_arrived: false })
                }
                PostResult::Later { error, retry_after, may_have_arrived } => {
                    why.get_or_insert_with(|| error.clone());
                    let outcome =
                        self.later(alert, DeliveryFailure { at, error, may_have_arrived }, retry_after);
                    let again = matches!(outcome, DeliveryOutcome::Retry(..));
                    *(if again { &mut retried } else { &mut given_up }) += 1;
                    outcome
                }
            };
            outcomes.push(Settled { alert: alert.id, outcome });
        }
        if told {
            self.health.recover(self.receiver.component());
            self.trouble.taken(self.receiver.title());
        }
        if let Some(error) = why {
            let rounds = self.trouble.failed(self.receiver.title(), &error, retried, given_up);
            if retried > 0 && !told {
                // It is about the receiver: until it is back, no other alert fares better.
                let wait = self.pace.delay(rounds, getrandom::u32().unwrap_or(u32::MAX));
                self.quiet_until = self.quiet_until.max(Instant::now() + wait);
            }
        }
        outcomes
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
                self.quiet_until = self.quiet_until.max(Instant::now() + asked);
                asked
            }
            None => pace.delay(alert.attempts.saturating_add(1), getrandom::u32().unwrap_or(u32::MAX)),
        };
        tracing::debug!("the alert of incident {id} is retried in {delay:?}: {error}");
        let remedy =
            format!("alerts are kept and retried; check this host's connection to {}", self.receiver.title());
        self.health.degrade(self.receiver.component(), error.as_str(), remedy);
        let next = failure.at.saturating_add(delay).unwrap_or(Timestamp::MAX);
        DeliveryOutcome::Retry(failure, next)
    }

    /// Writes it down, and does not go on before it is: else a full disk would make the same message go out
    /// again and again.
    async fn settle(&mut self, outcomes: Vec<Settled>) {
        for it in &outcomes {
            let labels = AlertLabels { sink: self.receiver.name(), outcome: it.outcome.name() };
            self.metrics.alerts.get_or_create(&labels).inc();
        }
        while let Err(err) = self.store.settle(outcomes.clone()).await {
            tracing::warn!("the outcome of {} alerts cannot be recorded", outcomes.len());
            let wait = self.outbox_fails(&err);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
        self.outbox_works();
    }
}
