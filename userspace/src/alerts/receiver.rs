//! The receivers of alerts, each under the name it has in the outbox.

use anyhow::Result;

use super::alertmanager::Alertmanager;
use super::bot::Bot;
use super::message::message;
use super::pace::Pace;
use super::post::PostResult;
use super::slack::Webhook;
use super::webhook::Hook;
use crate::config::{Receivers, SlackConfig};
use crate::store::DueAlert;

/// Where people reach this daemon, for links.
type Link = Option<String>;

/// The name of Slack as a receiver, by a webhook or a bot.
pub const SLACK: &str = "slack";
/// The name of the generic webhook.
pub const WEBHOOK: &str = "webhook";
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

    pub(super) async fn tell(&self, alert: &DueAlert) -> PostResult {
        match self {
            Self::Slack(it, public_url) => it.post(&message(alert, public_url.as_deref())).await,
            Self::SlackBot(it) => it.tell(alert).await,
            Self::Webhook(it) => it.tell(alert).await,
            Self::Alertmanager(it) => it.tell(alert).await,
        }
    }
}
