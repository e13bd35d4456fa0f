//! Slack's Web API with a bot's token: one message an incident, kept up to date with chat.update; what follows
//! goes into its thread. <https://docs.slack.dev/reference/methods/chat.postMessage>

use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::message::message;
use super::post::{self, PostReply, PostResult, reason};
use crate::model::Occasion;
use crate::outbound;
use crate::store::DueAlert;

/// Errors that pass: <https://docs.slack.dev/reference/methods/chat.postMessage#errors>.
const PASSING: [&str; 6] = [
    "ratelimited",
    "rate_limited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
];

pub(super) struct Bot {
    client: Client,
    /// Base URL of Slack's Web API, such as `https://slack.com/api`.
    base_url: String,
    token: SecretString,
    channel: String,
    public_url: Option<String>,
}

/// A message that Slack has: where, and its time stamp, which is its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Posted {
    channel: String,
    ts: String,
}

#[derive(Deserialize)]
struct Body {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

impl Bot {
    pub(super) fn new(
        base_url: String,
        token: SecretString,
        channel: String,
        public_url: Option<String>,
        timeout: Duration,
    ) -> Result<Self> {
        Ok(Self { client: outbound::client(timeout)?, base_url, token, channel, public_url })
    }

    /// Posts the incident's message, or adds to it.
    pub(super) async fn tell(&self, alert: &DueAlert) -> PostResult {
        // A summary is of many: it belongs to none of their threads.
        let first = alert.first_receipt.as_deref().filter(|_| alert.occasion != Occasion::Summary);
        let first = first.and_then(Posted::parse);
        let Some(first) = first else {
            let mut payload = message(alert, self.public_url.as_deref());
            payload["channel"] = json!(self.channel);
            return match self.call("chat.postMessage", &payload).await {
                Ok(posted) => PostResult::Delivered { receipt: posted.map(|it| it.to_string()) },
                Err(answer) => answer,
            };
        };
        self.follow(&first, alert)
            .await
            .map_or_else(|answer| answer, |()| PostResult::Delivered { receipt: None })
    }

    /// The first message shows how it stands now; the news is in its thread. In this order, because an update that
    /// is made twice changes nothing.
    async fn follow(&self, first: &Posted, alert: &DueAlert) -> Result<(), PostResult> {
        let occasion = if alert.occasion == Occasion::Verdict { Occasion::New } else { alert.occasion };
        let now = DueAlert { may_repeat: false, occasion, ..alert.clone() };
        let mut edited = message(&now, self.public_url.as_deref());
        edited["channel"] = json!(first.channel);
        edited["ts"] = json!(first.ts);
        self.call("chat.update", &edited).await?;
        let mut news = message(alert, self.public_url.as_deref());
        news["channel"] = json!(first.channel);
        news["thread_ts"] = json!(first.ts);
        // Escalated, or back: worth a line in the channel too.
        news["reply_broadcast"] = json!(matches!(alert.occasion, Occasion::Escalated | Occasion::Reopened));
        self.call("chat.postMessage", &news).await?;
        Ok(())
    }

    async fn call(&self, method: &str, payload: &Value) -> Result<Option<Posted>, PostResult> {
        let request = self.client.post(format!("{}/{method}", self.base_url));
        let request = request.bearer_auth(self.token.expose_secret()).json(payload);
        judge(method, &post::send("Slack", request).await?)
    }
}

/// What Slack's answer to a call of this method means.
pub(super) fn judge(method: &str, reply: &PostReply) -> Result<Option<Posted>, PostResult> {
    let body = serde_json::from_str::<Body>(&reply.body).ok();
    match (reply.status, body) {
        (StatusCode::OK, Some(Body { ok: true, channel, ts, .. })) => {
            Ok(channel.zip(ts).map(|(channel, ts)| Posted { channel, ts }))
        }
        (StatusCode::OK, Some(Body { error: Some(code), .. })) => {
            let error = reason(&format!("Slack answered {method}: {code}"));
            let passing = PASSING.contains(&code.as_str());
            Err(if passing {
                reply.later(error)
            } else {
                PostResult::Refused { error, remedy: remedy(&code) }
            })
        }
        _ if reply.is_passing() => Err(reply.later(reply.error("Slack"))),
        _ if reply.status.is_success() => Err(reply.later(reply.not_its_own("Slack"))),
        _ => Err(PostResult::Refused { error: reply.error("Slack"), remedy: None }),
    }
}

impl Posted {
    fn parse(receipt: &str) -> Option<Self> {
        let (channel, ts) = receipt.split_once('/')?;
        Some(Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }
}

impl std::fmt::Display for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.channel, self.ts)
    }
}

/// What the operator can do about an error that concerns every message.
fn remedy(code: &str) -> Option<&'static str> {
    match code {
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            Some("set SLACK_BOT_TOKEN to a valid bot token (xoxb-…) of the workspace")
        }
        "missing_scope" | "not_allowed_token_type" => Some("give the Slack app the scope chat:write"),
        "channel_not_found" => {
            Some("set SLACK_CHANNEL to the channel's id (C…), and invite the bot if the channel is private")
        }
        "not_in_channel" => Some("invite the bot to the channel: /invite @the-bot"),
        "is_archived" => Some("unarchive the Slack channel, or set SLACK_CHANNEL to another channel"),
        "restricted_action" | "ekm_access_denied" | "team_access_not_granted" => {
            Some("ask a Slack workspace administrator to let this bot post")
        }
        _ => None,
    }
}
