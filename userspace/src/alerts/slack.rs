//! Slack's incoming webhook: one request, and what its answer means.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::outbound;
use crate::text::{printable, truncate};

/// Bytes read of an answer that says no.
const ANSWER_BYTES: usize = 1024;

/// Characters of a reason that are kept.
const REASON: usize = 200;

/// What became of one request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Slack has it.
    Delivered,
    /// Not now: to be tried again, after the time Slack asked for.
    Later { error: String, retry_after: Option<Duration>, may_have_arrived: bool },
    /// Never like this; what the operator can do, where it is not about this one message.
    Refused { error: String, remedy: Option<&'static str> },
}

/// A webhook.
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

    pub(super) async fn post(&self, payload: &Value) -> Answer {
        match self.client.post(self.url.expose_secret()).json(payload).send().await {
            Ok(response) => judge(response).await,
            Err(err) => {
                // Without a connection nothing was sent; after it there is no telling.
                let may_have_arrived = !err.is_connect();
                let error = if err.is_timeout() {
                    "Slack did not answer in time".to_owned()
                } else {
                    // reqwest's errors show the URL unless told not to.
                    format!("Slack can't be reached: {:#}", anyhow::Error::from(err.without_url()))
                };
                Answer::Later { error: reason(&error), retry_after: None, may_have_arrived }
            }
        }
    }
}

async fn judge(response: Response) -> Answer {
    let status = response.status();
    if status.is_success() {
        return Answer::Delivered;
    }
    let retry_after = retry_after(&response);
    let error = reason(&format!("Slack answered {}: {}", status.as_u16(), body_start(response).await));
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return Answer::Later { error, retry_after, may_have_arrived: false };
    }
    let remedy = match status {
        StatusCode::FORBIDDEN => Some("ask an administrator of the Slack workspace to let this webhook post"),
        StatusCode::NOT_FOUND => Some("make a new incoming webhook in Slack and set SLACK_WEBHOOK_URL to it"),
        StatusCode::GONE => {
            Some("unarchive the Slack channel, or set SLACK_WEBHOOK_URL to a webhook of another")
        }
        status if status.is_redirection() => Some("set SLACK_WEBHOOK_URL to the address it has moved to"),
        _ => None,
    };
    Answer::Refused { error, remedy }
}

/// Slack gives seconds; the other form, a date, is treated as none given.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

async fn body_start(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            // The status says what counts; a body that breaks off is as good as none.
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(ANSWER_BYTES);
    String::from_utf8_lossy(&body).trim().to_owned()
}

fn reason(text: &str) -> String {
    truncate(printable(text).trim_end_matches([':', ' ']), REASON)
}
