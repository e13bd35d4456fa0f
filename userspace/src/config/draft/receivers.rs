//! The settings that say who gets alerts.

use secrecy::ExposeSecret as _;

use super::super::parse;
use super::super::receivers::{HookConfig, Receivers, SlackConfig};
use super::Reader;

impl Reader {
    pub(super) fn receivers(&mut self) -> Receivers {
        Receivers {
            slack: self.slack(),
            webhook: self.webhook(),
            alertmanager_url: self.optional("alertmanager_url", parse::base_url),
            public_url: self.optional("public_url", parse::base_url),
        }
    }

    /// By the bot where there is one: it can do more, and nobody wants each alert twice.
    fn slack(&mut self) -> Option<SlackConfig> {
        let webhook = self.secret("slack_webhook_url", "slack_webhook_url_file");
        let token = self.secret("slack_bot_token", "slack_bot_token_file");
        let channel = self.optional("slack_channel", parse::slack_channel);
        let api_url = self.required("slack_api_url", parse::base_url);
        let webhook = webhook.and_then(|(url, origin)| {
            self.note(parse::webhook(url.expose_secret()), &origin)?;
            Some(SlackConfig::Webhook { url })
        });
        match (token, channel) {
            (Some((token, origin)), Some(channel)) => {
                self.note(parse::bot_token(token.expose_secret()), &origin)?;
                Some(SlackConfig::Bot { token, channel, api_url })
            }
            (Some((_, origin)), None) => {
                self.warnings.push(format!("{origin} is ignored without SLACK_CHANNEL"));
                webhook
            }
            (None, Some(_)) => {
                self.warnings.push("SLACK_CHANNEL is ignored without SLACK_BOT_TOKEN".to_owned());
                webhook
            }
            (None, None) => webhook,
        }
    }

    fn webhook(&mut self) -> Option<HookConfig> {
        let url = self.secret("alert_webhook_url", "alert_webhook_url_file");
        let secret = self.secret("alert_webhook_secret", "alert_webhook_secret_file").map(|it| it.0);
        let Some((url, origin)) = url else {
            if secret.is_some() {
                self.warnings.push("ALERT_WEBHOOK_SECRET is ignored without ALERT_WEBHOOK_URL".to_owned());
            }
            return None;
        };
        self.note(parse::secret_url(url.expose_secret()), &origin)?;
        if secret.is_none() {
            self.warnings.push(
                "alerts to ALERT_WEBHOOK_URL are not signed: set ALERT_WEBHOOK_SECRET, and check it there"
                    .to_owned(),
            );
        }
        Some(HookConfig { url, secret })
    }
}
