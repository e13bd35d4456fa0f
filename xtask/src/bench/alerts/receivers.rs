//! Everybody whom a daemon tells: Slack by a webhook or by a bot, a signed webhook, Alertmanager; and what each got,
//! as messages that are counted alike.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::message::Message;
use super::service::{Reply, Seen, Service};

/// What the webhook's bodies are signed with.
const SECRET: &str = "benchmark-only-shared-secret";
/// SHA-256 works on blocks of so many bytes.
const BLOCK: usize = 64;

/// Those of one daemon.
pub(super) struct Receivers {
    pub(super) slack: Service,
    pub(super) by_bot: bool,
    pub(super) hook: Service,
    pub(super) alertmanager: Service,
}

impl Receivers {
    /// `after`: how long each of them takes for an answer.
    pub(super) fn start(by_bot: bool, after: fn(&Seen) -> Duration) -> Result<Self> {
        let answers = move |seen: &Seen| Reply::Answer {
            status: 200,
            header: None,
            body: if seen.path.contains("/chat.") { posted(seen) } else { "ok".to_owned() },
            after: after(seen),
        };
        Ok(Self {
            slack: Service::start(answers)?,
            by_bot,
            hook: Service::start(answers)?,
            alertmanager: Service::start(answers)?,
        })
    }

    pub(super) fn at_once(by_bot: bool) -> Result<Self> {
        Self::start(by_bot, |_| Duration::ZERO)
    }

    /// Tells a daemon of them.
    pub(super) fn configure(&self, command: &mut Command) {
        let url = |service: &Service, path: &str| format!("http://{}{path}", service.address);
        if self.by_bot {
            command
                .env("SLACK_BOT_TOKEN", "xoxb-benchmark-only")
                .env("SLACK_CHANNEL", "C1")
                .env("SLACK_API_URL", url(&self.slack, "/api"));
        } else {
            command.env("SLACK_WEBHOOK_URL", url(&self.slack, "/services/T/B/X"));
        }
        command
            .env("ALERT_WEBHOOK_URL", url(&self.hook, "/hook"))
            .env("ALERT_WEBHOOK_SECRET", SECRET)
            .env("AI_DEBUGGER_ALERTMANAGER_URL", url(&self.alertmanager, ""));
    }

    /// As tables call them, with what each got.
    pub(super) fn all(&self) -> [(&'static str, &Service); 3] {
        let slack = if self.by_bot { "to Slack, by a bot" } else { "to Slack, by a webhook" };
        [(slack, &self.slack), ("to the webhook", &self.hook), ("to Alertmanager", &self.alertmanager)]
    }

    /// What the two beside Slack got.
    pub(super) fn others(&self) -> [(&'static str, Vec<Message>); 2] {
        let all = |service: &Service, of: fn(&Seen) -> Message| service.seen().iter().map(of).collect();
        [
            ("webhook", all(&self.hook, Message::of_hook)),
            ("Alertmanager", all(&self.alertmanager, Message::of_alertmanager)),
        ]
    }

    /// Bodies at the webhook whose signature is not theirs.
    pub(super) fn unsigned(&self) -> usize {
        self.hook.seen().iter().filter(|seen| !is_signed(seen)).count()
    }
}

/// Slack's answer to a bot: where the message is.
fn posted(seen: &Seen) -> String {
    json!({"ok": true, "channel": "C1", "ts": format!("{}.000100", seen.at_ms)}).to_string()
}

/// As a receiver would check it.
pub(super) fn is_signed(seen: &Seen) -> bool {
    let (Some(time), Some(signature)) =
        (seen.header("x-ai-debugger-timestamp"), seen.header("x-ai-debugger-signature"))
    else {
        return false;
    };
    let text = format!("{time}.{}", seen.body);
    let mac = hmac(SECRET.as_bytes(), text.as_bytes());
    signature == format!("v1={}", data_encoding::HEXLOWER.encode(&mac))
}

/// RFC 2104 by hand: what checks the daemon's signatures is not the daemon's own code. The key is shorter than a
/// block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| -> Vec<u8> {
        let key = key.iter().copied().chain(std::iter::repeat(0)).take(BLOCK);
        key.map(|it| it ^ byte).collect()
    };
    let inner = Sha256::digest([&pad(0x36)[..], text].concat());
    Sha256::digest([&pad(0x5c)[..], &inner[..]].concat()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        // Its second test case.
        let want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let mac = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(data_encoding::HEXLOWER.encode(&mac), want);
    }

    #[test]
    fn a_body_is_signed_with_its_time_or_not_at_all() {
        let seen = |headers: &[(&str, &str)], body: &str| Seen {
            at_ms: 0,
            path: "/hook".into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: body.into(),
            answered_ms: None,
        };
        let mac = data_encoding::HEXLOWER.encode(&hmac(SECRET.as_bytes(), b"17.{}"));
        let signature = format!("v1={mac}");
        let good = [("x-ai-debugger-timestamp", "17"), ("x-ai-debugger-signature", signature.as_str())];
        assert!(is_signed(&seen(&good, "{}")));
        assert!(!is_signed(&seen(&good, "{ }")) && !is_signed(&seen(&good[1..], "{}")));
        assert!(!is_signed(&seen(&[("x-ai-debugger-timestamp", "18"), good[1]], "{}")));
    }
}
