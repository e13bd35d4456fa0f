//! Slack's incoming webhook: posts, and can neither edit nor answer in a thread.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::post::{self, PostResult};
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
        post::deliver("Slack", request, remedy).await
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
