//! The worker: takes what is due from the outbox, sends it at the receiver's pace, writes down what became of
//! it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::slack::{Answer, Webhook};
use super::{SLACK, Sinks, message};
use crate::health::Health;
use crate::incidents::{self, DueAlert, Failure, Store};
use crate::metrics::{AlertLabels, Metrics};

/// The name under which health knows this stage.
const COMPONENT: &str = "alerts";

/// The longest sleep: due times are wall-clock times, and the wall clock can be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Between two tries to use a store that does not work.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// Sends alerts until `shutdown`; then finishes the request in flight, if there is one.
///
/// Aborted in the middle of a request, the alert stays in the outbox, marked as tried.
pub async fn run(
    store: Store,
    sinks: Sinks,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
) {
    let mut worker =
        Worker { store, sinks, metrics, health, shutdown, quiet_until: Instant::now(), outbox_fails: false };
    worker.say_what_is_missing();
    loop {
        let wait = match worker.step().await {
            Ok(wait) => {
                worker.outbox_works();
                wait
            }
            Err(err) => worker.outbox_fails(&err),
        };
        tokio::select! {
            biased;
            () = worker.shutdown.cancelled() => return,
            () = sleep(wait) => {}
            () = worker.store.alerts_changed() => {}
        }
    }
}

struct Worker {
    store: Store,
    sinks: Sinks,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
    /// Slack gets nothing before this moment: its pace, or what it asked for.
    quiet_until: Instant,
    /// Whether health has been told that the outbox can't be used.
    outbox_fails: bool,
}

/// What to write down about a try.
enum Outcome {
    Sent,
    Retry(Failure, Timestamp),
    Failed(Failure),
}

impl Worker {
    /// Without a receiver everything works, and nobody is told: that is worth saying.
    fn say_what_is_missing(&self) {
        if self.sinks.names().is_empty() {
            let reason = "no Slack webhook is set: no alert leaves this host";
            self.health.degrade(COMPONENT, reason, "set SLACK_WEBHOOK_URL (or SLACK_WEBHOOK_URL_FILE)");
        }
    }

    /// How long to wait then.
    fn outbox_fails(&mut self, err: &anyhow::Error) -> Duration {
        tracing::warn!("the alert outbox can't be used: {err:#}; trying again in {STORE_RETRY:?}");
        let reason = format!("no alerts are sent, the outbox can't be used: {err:#}");
        self.health.degrade(COMPONENT, reason, incidents::remedy(err));
        self.outbox_fails = true;
        STORE_RETRY
    }

    fn outbox_works(&mut self) {
        if std::mem::take(&mut self.outbox_fails) {
            self.health.recover(COMPONENT);
            self.say_what_is_missing();
        }
    }

    /// Sends at most one alert; how long to sleep then, if nothing changes.
    async fn step(&mut self) -> Result<Duration> {
        let quiet = self.quiet_until.saturating_duration_since(Instant::now());
        if !quiet.is_zero() {
            return Ok(quiet);
        }
        let now = Timestamp::now();
        let Some(due) = self.store.due_alerts(now, 1).await?.pop() else {
            let next = self.store.next_due().await?;
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

    async fn deliver(&mut self, alert: &DueAlert) -> Outcome {
        let slack = self.sinks.slack.clone().filter(|_| alert.sink == SLACK);
        let Some(slack) = slack else {
            let error = format!("`{}` is not configured any more", alert.sink);
            return Outcome::Failed(Failure { at: Timestamp::now(), error, may_have_arrived: false });
        };
        let outcome = self.send(&slack, alert).await;
        self.quiet_until = self.quiet_until.max(Instant::now() + self.sinks.pace.between);
        outcome
    }

    async fn send(&mut self, slack: &Webhook, alert: &DueAlert) -> Outcome {
        let answer = slack.post(&message(alert)).await;
        let at = Timestamp::now();
        match answer {
            Answer::Delivered => {
                self.health.recover(COMPONENT);
                Outcome::Sent
            }
            Answer::Refused { error, remedy } => {
                tracing::error!("the alert of incident {} is given up: {error}", alert.incident.id);
                if let Some(remedy) = remedy {
                    self.health.degrade(COMPONENT, format!("Slack takes no alerts: {error}"), remedy);
                }
                Outcome::Failed(Failure { at, error, may_have_arrived: false })
            }
            Answer::Later { error, retry_after, may_have_arrived } => {
                self.later(alert, Failure { at, error, may_have_arrived }, retry_after)
            }
        }
    }

    fn later(&mut self, alert: &DueAlert, failure: Failure, retry_after: Option<Duration>) -> Outcome {
        let pace = self.sinks.pace;
        let (id, error) = (&alert.incident.id, &failure.error);
        if failure.at.duration_since(alert.created).unsigned_abs() >= pace.give_up_after {
            tracing::error!("the alert of incident {id} is given up after {:?}: {error}", pace.give_up_after);
            let error = format!("given up after {:?}: {error}", pace.give_up_after);
            return Outcome::Failed(Failure { error, ..failure });
        }
        let delay = match retry_after {
            Some(asked) => {
                // It is about the webhook, not about this one message.
                let asked = asked.min(pace.longest_retry_after);
                self.quiet_until = Instant::now() + asked;
                asked
            }
            None => pace.delay(alert.attempts.saturating_add(1), getrandom::u32().unwrap_or(u32::MAX)),
        };
        tracing::warn!("the alert of incident {id} waits for {delay:?}: {error}");
        let remedy = "alerts are kept and tried again; check this host's way to Slack";
        self.health.degrade(COMPONENT, error.as_str(), remedy);
        let next = failure.at.saturating_add(delay).unwrap_or(Timestamp::MAX);
        Outcome::Retry(failure, next)
    }

    /// Writes it down, and does not go on before it is: else a full disk would make the same message go out
    /// again and again.
    async fn settle(&mut self, alert: &DueAlert, outcome: &Outcome) {
        let outcome_name = match outcome {
            Outcome::Sent => "sent",
            Outcome::Retry(..) => "retried",
            Outcome::Failed(_) => "failed",
        };
        let sink = if alert.sink == SLACK { SLACK } else { "unknown" };
        let labels = AlertLabels { sink, outcome: outcome_name };
        self.metrics.alerts.get_or_create(&labels).inc();
        loop {
            let written = match outcome {
                Outcome::Sent => self.store.mark_sent(alert.id, Timestamp::now()).await,
                Outcome::Retry(failure, next) => {
                    self.store.mark_retry(alert.id, failure.clone(), *next).await
                }
                Outcome::Failed(failure) => self.store.mark_failed(alert.id, failure.clone()).await,
            };
            let Err(err) = written else { return self.outbox_works() };
            tracing::warn!("an alert was {outcome_name}, and that can't be written down");
            let wait = self.outbox_fails(&err);
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }
}
