//! One request to a receiver of alerts, and what its answer means for the alert.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};

use crate::text::{printable, truncate};

/// Bytes read of an answer: more than any that is understood has.
const ANSWER_BYTES: usize = 16 << 10;
/// Characters of a reason that are kept.
const REASON: usize = 200;

/// Bytes that tell a page.
const PAGE_START: usize = 14;

/// What became of one alert's delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PostResult {
    /// The receiver has it; what it calls it, where later messages can refer to it.
    Delivered { receipt: Option<String> },
    /// Not now: to be tried again, after the time the receiver asked for.
    Later { error: String, retry_after: Option<Duration>, may_have_arrived: bool },
    /// Never like this; what the operator can do, where it is not about this one message.
    Refused { error: String, remedy: Option<&'static str> },
}

/// An answer that came.
#[derive(Debug)]
pub(super) struct PostReply {
    pub(super) status: StatusCode,
    /// What the receiver asked for, in seconds; the other form, a date, is treated as none given.
    pub(super) retry_after: Option<Duration>,
    /// Whether its type says that it is a page.
    pub(super) html: bool,
    /// The body, or its beginning.
    pub(super) body: String,
}

impl PostReply {
    /// What the answer means for the alert. `is_delivered`: what the receiver's contract says of one that has it;
    /// `remedy`: what helps where it is refused.
    pub(super) fn judge(
        &self,
        who: &str,
        is_delivered: fn(&Self) -> bool,
        remedy: fn(StatusCode) -> Option<&'static str>,
    ) -> PostResult {
        if is_delivered(self) {
            return PostResult::Delivered { receipt: None };
        }
        if self.status.is_success() {
            // Somebody else answered, such as a proxy that wants a login: nobody was told.
            return self.later(self.not_its_own(who));
        }
        let error = self.error(who);
        if self.is_passing() {
            self.later(error)
        } else {
            PostResult::Refused { error, remedy: remedy(self.status) }
        }
    }

    /// A success that `who` does not answer with.
    pub(super) fn not_its_own(&self, who: &str) -> String {
        let status = self.status.as_u16();
        reason(&format!(
            "{who} answered {status}, but not as it does (is it a proxy that answers?): {}",
            self.body
        ))
    }

    /// Whether it is a page for people.
    pub(super) fn is_page(&self) -> bool {
        let start = self.body.get(..PAGE_START).unwrap_or(&self.body).to_ascii_lowercase();
        self.html || start.starts_with("<!doctype html") || start.starts_with("<html")
    }

    /// Why `who` does not have it.
    pub(super) fn error(&self, who: &str) -> String {
        reason(&format!("{who} answered {}: {}", self.status.as_u16(), self.body))
    }

    pub(super) fn later(&self, error: String) -> PostResult {
        PostResult::Later { error, retry_after: self.retry_after, may_have_arrived: false }
    }

    /// Whether the same request may do better later.
    pub(super) fn is_passing(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            || self.status == StatusCode::REQUEST_TIMEOUT
            || self.status.is_server_error()
    }
}

/// Sends it to a receiver that has it when `is_delivered` says so.
pub(super) async fn deliver(
    who: &str,
    request: RequestBuilder,
    is_delivered: fn(&PostReply) -> bool,
    remedy: fn(StatusCode) -> Option<&'static str>,
) -> PostResult {
    send(who, request).await.map_or_else(|answer| answer, |reply| reply.judge(who, is_delivered, remedy))
}

/// Sends it; `Err` where no answer came.
pub(super) async fn send(who: &str, request: RequestBuilder) -> Result<PostReply, PostResult> {
    match request.send().await {
        Ok(response) => Ok(PostReply {
            status: response.status(),
            retry_after: retry_after(&response),
            html: is_html(&response),
            body: body_start(response).await,
        }),
        Err(err) => {
            // Without a connection nothing was sent; after it there is no telling.
            let may_have_arrived = !err.is_connect();
            let error = if err.is_timeout() {
                format!("{who} did not answer in time")
            } else {
                // reqwest's errors show the URL, which may be a secret, unless told not to.
                format!("{who} can't be reached: {:#}", anyhow::Error::from(err.without_url()))
            };
            Err(PostResult::Later { error: reason(&error), retry_after: None, may_have_arrived })
        }
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn is_html(response: &Response) -> bool {
    let mime = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    mime.trim_start().to_ascii_lowercase().starts_with("text/html")
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

/// One short, printable line.
pub(super) fn reason(text: &str) -> String {
    truncate(printable(text).trim_end_matches([':', ' ']), REASON)
}
