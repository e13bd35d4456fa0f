//! Who gets alerts, and where.

use secrecy::{ExposeSecret as _, SecretString};

use super::declare::{Part, Reader, Section, flags, one, optional, settings, variables};
use super::parse;
use super::secret::{Given, Secret};
use super::setting::group;

settings! {
    /// The receivers that are configured; none: no alert leaves the host.
    #[derive(Clone, Debug, Default)]
    pub struct Receivers {
        in flags(group::ALERTS, "") => {
            /// Slack, by a bot or a webhook.
            pub slack: Option<SlackConfig> = Part;
            /// A webhook of anybody's.
            pub webhook: Option<HookConfig> = Part;
            /// Base URL of Alertmanager, such as http://127.0.0.1:9093.
            pub alertmanager_url: Option<String> = optional("URL", parse::base_url);
            /// URL at which people reach this daemon, for links to incidents.
            pub public_url: Option<String> = optional("URL", parse::base_url);
        }
    }
}

impl Receivers {
    /// What of them must not be shown.
    pub fn secrets(&self) -> Vec<SecretString> {
        let slack = self.slack.as_ref().map(|it| match it {
            SlackConfig::Webhook { url } => url,
            SlackConfig::Bot { token, .. } => token,
        });
        let webhook = self.webhook.as_ref();
        let secrets = [slack, webhook.map(|it| &it.url), webhook.and_then(|it| it.secret.as_ref())];
        secrets.into_iter().flatten().cloned().collect()
    }

    /// Whether these are the same, secrets included.
    pub fn same(&self, other: &Self) -> bool {
        self.texts() == other.texts()
    }

    /// All that is said of them, each in its place.
    fn texts(&self) -> [Option<&str>; 8] {
        let Self { slack, webhook, alertmanager_url, public_url } = self;
        let [slack_url, token, channel, api_url] = match slack {
            None => [None; 4],
            Some(SlackConfig::Webhook { url }) => [Some(url.expose_secret()), None, None, None],
            Some(SlackConfig::Bot { token, channel, api_url }) => {
                [None, Some(token.expose_secret()), Some(channel.as_str()), Some(api_url.as_str())]
            }
        };
        let [url, secret] = webhook.as_ref().map_or([None; 2], |HookConfig { url, secret }| {
            [Some(url.expose_secret()), secret.as_ref().map(SecretString::expose_secret)]
        });
        let bases = [alertmanager_url.as_deref(), public_url.as_deref()];
        [slack_url, token, channel, api_url, url, secret, bases[0], bases[1]]
    }
}

/// The way to Slack.
#[derive(Clone, Debug)]
pub enum SlackConfig {
    /// An incoming webhook, bound to one channel.
    Webhook {
        /// A secret: whoever has it can post.
        url: SecretString,
    },
    /// A bot of an app, with the scope `chat:write`.
    Bot {
        /// The bot token, `xoxb-…`.
        token: SecretString,
        /// The channel's id or name.
        channel: String,
        /// Such as `https://slack.com/api`; no slash at the end.
        api_url: String,
    },
}

/// A webhook of anybody's.
#[derive(Clone, Debug)]
pub struct HookConfig {
    /// May hold a token.
    pub url: SecretString,
    /// What signatures are made with; `None`: there are none.
    pub secret: Option<SecretString>,
}

settings! {
    struct SlackSettings {
        in variables(group::ALERTS, "slack_") => {
            /// URL of the Slack incoming webhook that gets the alerts.
            webhook_url: Option<Given> = Secret("URL");
            /// Bot token of a Slack app (xoxb-…) with the scope chat:write; used instead of the webhook.
            bot_token: Option<Given> = Secret("TOKEN");
            /// Channel the bot posts to: its id (C…) or name.
            channel: Option<String> = optional("CHANNEL", parse::slack_channel);
            /// Address of Slack's Web API, such as https://slack-gov.com/api.
            api_url: String = one("https://slack.com/api", "URL", parse::base_url);
        }
    }
}

impl Section for Option<SlackConfig> {
    /// By the bot where there is one: it can do more, and nobody wants each alert twice.
    fn read(reader: &mut Reader) -> Self {
        let SlackSettings { webhook_url, bot_token, channel, api_url } = Section::read(reader);
        let webhook = webhook_url.and_then(|Given { value: url, origin }| {
            reader.note(parse::webhook(url.expose_secret()), &origin)?;
            Some(SlackConfig::Webhook { url })
        });
        match (bot_token, channel) {
            (Some(Given { value: token, origin }), Some(channel)) => {
                reader.note(parse::bot_token(token.expose_secret()), &origin)?;
                Some(SlackConfig::Bot { token, channel, api_url })
            }
            (Some(Given { origin, .. }), None) => {
                reader.warn(format!("{origin} is ignored without SLACK_CHANNEL"));
                webhook
            }
            (None, Some(_)) => {
                reader.warn("SLACK_CHANNEL is ignored without SLACK_BOT_TOKEN");
                webhook
            }
            (None, None) => webhook,
        }
    }
}

settings! {
    struct HookSettings {
        in variables(group::ALERTS, "alert_webhook_") => {
            /// URL of a webhook that gets every alert with its incident as JSON.
            url: Option<Given> = Secret("URL");
            /// Secret to sign the requests to this webhook with (HMAC-SHA256).
            secret: Option<Given> = Secret("SECRET");
        }
    }
}

impl Section for Option<HookConfig> {
    fn read(reader: &mut Reader) -> Self {
        let HookSettings { url, secret } = Section::read(reader);
        let Some(Given { value: url, origin }) = url else {
            if secret.is_some() {
                reader.warn("ALERT_WEBHOOK_SECRET is ignored without ALERT_WEBHOOK_URL");
            }
            return None;
        };
        reader.note(parse::secret_url(url.expose_secret()), &origin)?;
        if secret.is_none() {
            reader.warn(
                "alerts to ALERT_WEBHOOK_URL are not signed: set ALERT_WEBHOOK_SECRET, and verify it in the receiver",
            );
        }
        Some(HookConfig { url, secret: secret.map(|it| it.value) })
    }
}
