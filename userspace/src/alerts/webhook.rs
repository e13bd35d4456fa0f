//! A webhook of anybody's: the incident as JSON, signed so that the receiver knows from whom it comes.
//!
//! `X-AI-Debugger-Signature: v1=HEX` is HMAC-SHA256 by the shared secret of `TIMESTAMP.BODY`, where TIMESTAMP is
//! the decimal text of `X-AI-Debugger-Timestamp` (Unix seconds); refuse old ones to refuse replays. The same
//! `Idempotency-Key` means the same alert, delivered again because the answer to the first was not read. The receiver has
//! it when it answers 200, 201, 202 or 204, and not with a page. Up to 32 come at once, of one incident one.

use std::time::Duration;

use anyhow::Result;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::Sha256;

use super::post::{self, PostReply, PostResult};
use super::redacted::{redacted, redacted_title};
use crate::outbound;
use crate::store::DueAlert;

/// The body's version: it changes when a field changes its meaning or goes, not when one is added.
const VERSION: u32 = 1;
const WHO: &str = "the webhook";

pub(super) struct Hook {
    client: Client,
    /// May hold a token: it must not get into an error or a log.
    url: SecretString,
    secret: Option<SecretString>,
}

impl Hook {
    pub(super) fn new(url: SecretString, secret: Option<SecretString>, timeout: Duration) -> Result<Self> {
        Ok(Self { client: outbound::client(timeout)?, url, secret })
    }

    pub(super) async fn tell(&self, alert: &DueAlert) -> PostResult {
        let body = body(alert);
        let now = Timestamp::now().as_second().to_string();
        let mut request = self
            .client
            .post(self.url.expose_secret())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", format!("{}-{}", alert.incident.id, alert.id))
            .header("X-AI-Debugger-Timestamp", &now);
        if let Some(secret) = &self.secret {
            let signature = signature(secret.expose_secret().as_bytes(), &now, &body);
            request = request.header("X-AI-Debugger-Signature", signature);
        }
        post::deliver(WHO, request.body(body), is_delivered, remedy).await
    }
}

/// What is documented: one of these, and no page for people, as a login is.
fn is_delivered(reply: &PostReply) -> bool {
    matches!(
        reply.status,
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT
    ) && !reply.is_page()
}

/// For the fuzzer: what an answer means.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn judge(reply: &PostReply) -> PostResult {
    reply.judge(WHO, is_delivered, remedy)
}

fn remedy(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Some("check that ALERT_WEBHOOK_SECRET is the secret the receiver verifies with")
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Some("set ALERT_WEBHOOK_URL to a path that the receiver serves")
        }
        status if status.is_redirection() => Some("set ALERT_WEBHOOK_URL to its new address"),
        _ => None,
    }
}

pub(super) fn body(alert: &DueAlert) -> String {
    let also: Vec<_> = alert
        .also
        .iter()
        .map(|it| {
            let title = redacted_title(&it.title);
            json!({"id": it.id, "kind": it.kind, "severity": it.severity, "title": title, "count": it.count})
        })
        .collect();
    json!({
        "version": VERSION,
        "occasion": alert.occasion,
        "may_be_repeat": alert.may_repeat,
        "incident": redacted(&alert.incident),
        "also": also,
        "also_count": alert.also_count,
        "stored": !alert.unstored,
    })
    .to_string()
}

pub(super) fn signature(secret: &[u8], timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    format!("v1={}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_makes_of_it() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac s3cret
        let want = "1698a50bc74d1ff1db85c4e0a5297c2ad9fdba245d5737cdb789e4cc6e098940";
        assert_eq!(signature(b"s3cret", "1700000000", r#"{"a":1}"#), format!("v1={want}"));
    }
}
