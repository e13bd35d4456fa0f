//! Who gets alerts, and where.

use secrecy::SecretString;

/// The receivers that are configured; none: no alert leaves the host.
#[derive(Clone, Debug, Default)]
pub struct Receivers {
    /// Slack.
    pub slack: Option<SlackConfig>,
    /// A webhook of anybody's.
    pub webhook: Option<HookConfig>,
    /// Alertmanager's base, such as `http://127.0.0.1:9093`.
    pub alertmanager_url: Option<String>,
    /// Where people reach this daemon: links to incidents begin so.
    pub public_url: Option<String>,
}

/// The way to Slack.
#[derive(Clone, Debug)]
pub enum SlackConfig {
    /// An incoming webhook.
    Webhook {
        /// A secret: whoever has it can post.
        url: SecretString,
    },
    /// A bot of an app, with the scope `chat:write`.
    Bot {
        /// `xoxb-…`.
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
