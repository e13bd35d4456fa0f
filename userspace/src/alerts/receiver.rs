//! The receivers of alerts, each under the name it has in the outbox.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;

use super::alertmanager::Alertmanager;
use super::bot::Bot;
use super::message::message;
use super::pace::{Manner, PEOPLE, Pace};
use super::post::PostResult;
use super::slack::Webhook;
use super::webhook::Hook;
use crate::config::{Receivers, SlackConfig};
use crate::store::DueAlert;

/// Where people reach this daemon, for links.
type Link = Option<String>;

/// Requests to the webhook at once.
const HOOK_BATCH: usize = 32;
/// Alerts in one request to Alertmanager: about a megabyte.
const ALERTMANAGER_BATCH: usize = 250;

/// So long more gathers for the next step, where there is less than a batch.
const GATHER: Duration = Duration::from_millis(200);

/// The name of Slack as a receiver, by a webhook or a bot.
pub const SLACK: &str = "slack";
/// The name of the generic webhook.
pub const WEBHOOK: &str = "webhook";
/// The names under which health knows the ways to all of them.
pub const COMPONENTS: [&str; 3] = ["alerts", "alerts.webhook", "alerts.alertmanager"];
/// The name of Alertmanager.
pub const ALERTMANAGER: &str = "alertmanager";

pub(super) enum Receiver {
    Slack(Webhook, Link),
    SlackBot(Bot),
    Webhook(Hook),
    Alertmanager(Alertmanager),
}

impl Receiver {
    /// Those that are configured.
    pub(super) fn all(config: Receivers, pace: Pace) -> Result<Vec<Self>> {
        let Receivers { slack, webhook, alertmanager_url, public_url } = config;
        let mut all = vec![];
        match slack {
            Some(SlackConfig::Webhook { url }) => {
                all.push(Self::Slack(Webhook::new(url, pace.timeout)?, public_url.clone()));
            }
            Some(SlackConfig::Bot { token, channel, api_url }) => {
                all.push(Self::SlackBot(Bot::new(
                    api_url,
                    token,
                    channel,
                    public_url.clone(),
                    pace.timeout,
                )?));
            }
            None => {}
        }
        if let Some(it) = webhook {
            all.push(Self::Webhook(Hook::new(it.url, it.secret, pace.timeout)?));
        }
        if let Some(url) = alertmanager_url {
            all.push(Self::Alertmanager(Alertmanager::new(&url, public_url, pace.timeout)?));
        }
        Ok(all)
    }

    /// Its name in the outbox, in JSON and in metrics. Slack is Slack, by whichever way.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Slack(..) | Self::SlackBot(_) => SLACK,
            Self::Webhook(_) => WEBHOOK,
            Self::Alertmanager(_) => ALERTMANAGER,
        }
    }

    /// As people call it.
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::Slack(..) | Self::SlackBot(_) => "Slack",
            Self::Webhook(_) => "the webhook",
            Self::Alertmanager(_) => "Alertmanager",
        }
    }

    /// The name under which health knows the way to it.
    pub(super) const fn component(&self) -> &'static str {
        match self {
            Self::Slack(..) | Self::SlackBot(_) => "alerts",
            Self::Webhook(_) => "alerts.webhook",
            Self::Alertmanager(_) => "alerts.alertmanager",
        }
    }

    /// Whether what was told can be told better later: then nothing is gained by waiting for the model.
    pub(super) const fn can_edit(&self) -> bool {
        matches!(self, Self::SlackBot(_))
    }

    /// Whether it takes the state of each incident, and fires as long as it is told so.
    pub(super) const fn is_level_triggered(&self) -> bool {
        matches!(self, Self::Alertmanager(_))
    }

    /// How it is told.
    pub(super) const fn manner(&self, pace: Pace) -> Manner {
        match self {
            Self::Slack(..) | Self::SlackBot(_) => {
                Manner { between: pace.between, batch: 1, backlog: Some(PEOPLE) }
            }
            Self::Webhook(_) => Manner { between: GATHER, batch: HOOK_BATCH, backlog: None },
            Self::Alertmanager(_) => Manner { between: GATHER, batch: ALERTMANAGER_BATCH, backlog: None },
        }
    }

    /// Tells it of all of these, which are about different incidents: an answer each, in their order.
    pub(super) async fn tell_all(&self, alerts: &[DueAlert]) -> Vec<PostResult> {
        match self {
            Self::Alertmanager(it) => it.tell_all(alerts).await,
            _ => join_all(alerts.iter().map(|alert| self.tell(alert))).await,
        }
    }

    pub(super) async fn tell(&self, alert: &DueAlert) -> PostResult {
        match self {
            Self::Slack(it, public_url) => it.post(&message(alert, public_url.as_deref())).await,
            Self::SlackBot(it) => it.tell(alert).await,
            Self::Webhook(it) => it.tell(alert).await,
            Self::Alertmanager(it) => it.tell(alert).await,
        }
    }
}
