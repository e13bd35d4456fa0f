//! Slack's incoming webhook: posts, and can neither edit nor answer in a thread.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::post::{self, PostReply, PostResult, reason};
use crate::outbound;

pub(super) struct Webhook {
    client: Client,
    /// A secret: whoever has it can post. It must not get into an error or a log.
    url: SecretString,
}

impl Webhook {
    pub(super) fn new(url: SecretString, timeout: Duration) -> Result<Self> {
        // The parser's errors do not repeat what they were given.
        let parsed =
            Url::parse(url.expose_secret()).context("the Slack webhook (SLACK_WEBHOOK_URL) is not a URL")?;
        let web = matches!(parsed.scheme(), "https" | "http");
        ensure!(web, "the Slack webhook (SLACK_WEBHOOK_URL) does not begin with https://");
        Ok(Self { client: outbound::client(timeout)?, url })
    }

    pub(super) async fn post(&self, payload: &Value) -> PostResult {
        let request = self.client.post(self.url.expose_secret()).json(payload);
        match post::send("Slack", request).await {
            Ok(reply) => judge(&reply),
            Err(answer) => answer,
        }
    }
}

/// Slack has it when it answers 200 and `ok`, and in no other case:
/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.
pub(super) fn judge(reply: &PostReply) -> PostResult {
    let code = reply.body.as_str();
    if reply.status.is_success() && REFUSALS.contains(&code) {
        let error = reason(&format!("Slack answered {}: {code}", reply.status.as_u16()));
        return PostResult::Refused { error, remedy: remedy_of(code) };
    }
    reply.judge("Slack", |reply| reply.status == StatusCode::OK && reply.body == "ok", remedy)
}

/// What Slack says to a message that will never do, with whatever status it comes.
const REFUSALS: [&str; 12] = [
    "invalid_payload",
    "invalid_blocks",
    "msg_blocks_too_long",
    "no_text",
    "user_not_found",
    "channel_not_found",
    "channel_is_archived",
    "action_prohibited",
    "posting_to_general_channel_denied",
    "no_service",
    "no_service_id",
    "invalid_token",
];

fn remedy_of(code: &str) -> Option<&'static str> {
    match code {
        "action_prohibited" | "posting_to_general_channel_denied" => remedy(StatusCode::FORBIDDEN),
        "channel_not_found" | "no_service" | "no_service_id" | "invalid_token" => {
            remedy(StatusCode::NOT_FOUND)
        }
        "channel_is_archived" => remedy(StatusCode::GONE),
        // About this one message.
        _ => None,
    }
}

fn remedy(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::FORBIDDEN => Some("ask a Slack workspace administrator to let this webhook post"),
        StatusCode::NOT_FOUND => {
            Some("create a new incoming webhook in Slack and set SLACK_WEBHOOK_URL to its URL")
        }
        StatusCode::GONE => {
            Some("unarchive the Slack channel, or set SLACK_WEBHOOK_URL to a webhook of another channel")
        }
        status if status.is_redirection() => Some("set SLACK_WEBHOOK_URL to its new address"),
        _ => None,
    }
}
