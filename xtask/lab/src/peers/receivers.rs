//! Everybody whom a daemon tells: Slack by a webhook or by a bot, a signed webhook, Alertmanager; and what each got,
//! as messages that are counted alike.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::message::Message;
use super::service::{PeerRequest, ServedReply, Service};

/// What the webhook's bodies are signed with.
const SECRET: &str = "benchmark-only-shared-secret";

/// What a receiver does with a request.
pub(crate) enum Reception {
    /// It takes what it is told.
    Takes { after: Duration },
    /// It does not.
    Fails(ServedReply),
}

/// Those of one daemon.
pub(crate) struct Receivers {
    pub(crate) slack: Service,
    pub(crate) by_bot: bool,
    pub(crate) hook: Service,
    pub(crate) alertmanager: Service,
}

impl Receivers {
    /// `after`: how long each of them takes for an answer.
    pub(crate) fn start(by_bot: bool, after: fn(&PeerRequest) -> Duration) -> Result<Self> {
        Self::in_mood(by_bot, move |seen| Reception::Takes { after: after(seen) })
    }

    /// Each does with a request what its mood says then.
    pub(crate) fn in_mood(
        by_bot: bool,
        mood: impl Fn(&PeerRequest) -> Reception + Copy + Send + Sync + 'static,
    ) -> Result<Self> {
        let reply = move |seen: &PeerRequest, body: String| match mood(seen) {
            Reception::Takes { after } => ServedReply::Answer { status: 200, header: None, body, after },
            Reception::Fails(reply) => reply,
        };
        let answers = move |seen: &PeerRequest| {
            let body = if seen.path.contains("/chat.") { posted(seen) } else { "ok".to_owned() };
            reply(seen, body)
        };
        // Alertmanager says nothing but its status.
        let silent = move |seen: &PeerRequest| reply(seen, String::new());
        Ok(Self {
            slack: Service::start(answers)?,
            by_bot,
            hook: Service::start(answers)?,
            alertmanager: Service::start(silent)?,
        })
    }

    pub(crate) fn at_once(by_bot: bool) -> Result<Self> {
        Self::start(by_bot, |_| Duration::ZERO)
    }

    /// Tells a daemon of them.
    pub(crate) fn configure(&self, command: &mut Command) {
        if self.by_bot {
            command
                .env("SLACK_BOT_TOKEN", "xoxb-benchmark-only")
                .env("SLACK_CHANNEL", "C1")
                .env("SLACK_API_URL", self.slack.url("/api"));
        } else {
            command.env("SLACK_WEBHOOK_URL", self.slack.url("/services/T/B/X"));
        }
        command
            .env("ALERT_WEBHOOK_URL", self.hook.url("/hook"))
            .env("ALERT_WEBHOOK_SECRET", SECRET)
            .env("AI_DEBUGGER_ALERTMANAGER_URL", self.alertmanager.url(""));
    }

    /// As tables call them, with what each got.
    pub(crate) fn all(&self) -> [(&'static str, &Service); 3] {
        let slack = if self.by_bot { "to Slack, by a bot" } else { "to Slack, by a webhook" };
        [(slack, &self.slack), ("to the webhook", &self.hook), ("to Alertmanager", &self.alertmanager)]
    }

    /// What the two beside Slack got.
    pub(crate) fn others(&self) -> [(&'static str, Vec<Message>); 2] {
        let hook = self.hook.seen().iter().map(Message::of_hook).collect();
        let alertmanager = self.alertmanager.seen().iter().flat_map(Message::of_alertmanager).collect();
        [("webhook", hook), ("Alertmanager", alertmanager)]
    }

    /// Bodies at the webhook whose signature is not theirs.
    pub(crate) fn unsigned(&self) -> usize {
        self.hook.seen().iter().filter(|seen| !is_signed(seen)).count()
    }
}

pub(crate) fn slack() -> Result<Service> {
    Service::start(|_| ServedReply::ok("ok"))
}

/// Slack's answer to a bot: where the message is.
fn posted(seen: &PeerRequest) -> String {
    json!({"ok": true, "channel": "C1", "ts": format!("{}.000100", seen.at_ms)}).to_string()
}

/// As a receiver would check it.
fn is_signed(seen: &PeerRequest) -> bool {
    let header = |name| seen.headers.get(name)?.to_str().ok();
    let signature = || {
        let mac = header("x-ai-debugger-signature")?.strip_prefix("v1=")?;
        Some((header("x-ai-debugger-timestamp")?, HEXLOWER.decode(mac.as_bytes()).ok()?))
    };
    signature().is_some_and(|(time, mac)| signing(time, &seen.body).verify_slice(&mac).is_ok())
}

fn signing(time: &str, body: &str) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key may have any length");
    mac.chain_update(format!("{time}.{body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_with_its_time_or_not_at_all() {
        let seen = |headers: &[(&str, &str)], body: &str| PeerRequest {
            at_ms: 0,
            path: "/hook".into(),
            headers: headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect(),
            body: body.into(),
            answered_ms: None,
        };
        // By Python's hmac: what checks the daemon's signatures is not only its own idea of them.
        let signature = "v1=0536bbf1eae5fbb1fd8b0a2bbd9ec10b3ab04364815b25f9d82322dd188f753c";
        let good = [("x-ai-debugger-timestamp", "17"), ("x-ai-debugger-signature", signature)];
        assert!(is_signed(&seen(&good, "{}")));
        assert!(!is_signed(&seen(&good, "{ }")) && !is_signed(&seen(&good[1..], "{}")));
        assert!(!is_signed(&seen(&[("x-ai-debugger-timestamp", "18"), good[1]], "{}")));
    }
}
