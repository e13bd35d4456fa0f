//! The client of Groq, or of anything that speaks the same chat-completions API. One question, one deadline: within
//! it some patience with a busy server, after it nothing.

mod answer;
mod clean;
mod command;
mod failure;
mod models;
mod reply;
mod request;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::prompt::prompt;
use crate::config::LlmConfig;
use crate::metrics::{LimitLabel, Metrics, OutcomeLabel};
use crate::model::{CaseFile, NextStep, Verdict};
use crate::outbound;

pub(super) use failure::Failure;
pub(super) use models::Standing;
use request::Request;

/// Questions at the same time; more wait for half of their deadline.
const MAX_CONCURRENT: usize = 2;
/// Tries after the first.
const MAX_RETRIES: usize = 4;
/// Before the second try; it doubles from there, and jitter adds up to as much again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The client.
pub(super) struct Groq {
    http: reqwest::Client,
    base_url: String,
    model: String,
    authorization: Option<HeaderValue>,
    deadline: Duration,
    permits: Semaphore,
    metrics: Arc<Metrics>,
}

impl Groq {
    pub(super) fn new(config: &LlmConfig, metrics: Arc<Metrics>) -> Result<Self> {
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let url = reqwest::Url::parse(&base_url);
        let http = url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        ensure!(http, "the model's base URL must look like https://api.groq.com/openai/v1");
        Ok(Self {
            http: outbound::client(config.deadline)?,
            base_url,
            model: config.model.clone(),
            authorization: authorization(config.api_key.expose_secret())?,
            deadline: config.deadline,
            permits: Semaphore::new(MAX_CONCURRENT),
            metrics,
        })
    }

    /// How long a question may take, retries included.
    pub(super) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The model's verdict, with the rules' steps where it gives none of its own.
    pub(super) async fn ask(&self, file: &CaseFile, rules_steps: &[NextStep]) -> Result<Verdict, Failure> {
        let begun = Instant::now();
        let deadline = begun + self.deadline;
        // What is left after half of the time would hardly do for an answer.
        let turn = begun + self.deadline / 2;
        let Ok(Ok(_permit)) = timeout_at(turn, self.permits.acquire()).await else {
            self.turned_away("model_concurrency", 1);
            return Err(self.counted(Failure::Busy));
        };
        let prompt = prompt(file);
        self.turned_away("prompt_tokens", prompt.left_out);
        let request = Request::new(&self.model, &prompt);
        let answer = timeout_at(deadline, self.ask_patiently(&request, deadline, file, rules_steps)).await;
        self.metrics.model_seconds.observe(begun.elapsed().as_secs_f64());
        answer.unwrap_or_else(|_| Err(self.counted(Failure::Timeout)))
    }

    async fn ask_patiently(
        &self,
        request: &Request<'_>,
        deadline: Instant,
        file: &CaseFile,
        rules_steps: &[NextStep],
    ) -> Result<Verdict, Failure> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_times(MAX_RETRIES)
            .with_jitter();
        let once = || async {
            let answer = self.ask_once(request, file, rules_steps).await;
            match &answer {
                Ok(_) => self.count("ok"),
                // Counted where the deadline is, which may end a try from outside as well.
                Err(Failure::Timeout) => {}
                Err(failure) => self.count(failure.outcome()),
            }
            answer
        };
        let answer = once
            .retry(backoff)
            .sleep(sleep)
            .when(Failure::is_transient)
            .adjust(|failure, pause| {
                let pause = pause?.max(failure.retry_after().unwrap_or_default());
                // A pause that outlives the deadline is no use: the rules' verdict goes out now instead.
                (pause < deadline.saturating_duration_since(Instant::now())).then_some(pause)
            })
            .notify(|failure, pause| tracing::debug!(%failure, ?pause, "the model is asked again"))
            .await;
        if matches!(answer, Err(Failure::Timeout)) {
            return Err(self.counted(Failure::Timeout));
        }
        answer
    }

    async fn ask_once(
        &self,
        request: &Request<'_>,
        file: &CaseFile,
        rules_steps: &[NextStep],
    ) -> Result<Verdict, Failure> {
        let post = self.http.post(format!("{}/chat/completions", self.base_url)).json(request);
        let response = self.send(post).await?;
        let body = reply::read(response, reply::MAX_REPLY_BYTES).await?;
        answer::verdict(&reply::content(&body)?, file, &self.model, rules_steps)
    }

    /// The response, if its status is a success.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let request = match &self.authorization {
            Some(key) => request.header(AUTHORIZATION, key),
            None => request,
        };
        let response = request.send().await.map_err(Failure::from)?;
        let status = response.status();
        if status == reqwest::StatusCode::OK {
            return Ok(response);
        }
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok()).map(str::to_owned);
        let body = reply::read(response, reply::MAX_REPLY_BYTES).await.unwrap_or_default();
        Err(Failure::from_status(status.as_u16(), retry_after.as_deref(), &body))
    }

    fn counted(&self, failure: Failure) -> Failure {
        self.count(failure.outcome());
        failure
    }

    fn count(&self, outcome: &'static str) {
        self.metrics.model_requests.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    fn turned_away(&self, limit: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.metrics.turned_away.get_or_create(&LimitLabel { limit }).inc_by(count);
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // The client's own timeout is the whole deadline; that of connecting is shorter and worth another try.
        let failure =
            if error.is_timeout() && !error.is_connect() { Self::Timeout } else { Self::Connection };
        tracing::info!(error = format!("{:#}", anyhow::Error::new(error)), "the model's service: {failure}");
        failure
    }
}

/// The header; none where the server wants no key, as on this very host.
fn authorization(key: &str) -> Result<Option<HeaderValue>> {
    let key = key.trim();
    if key.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .ok()
        .context("GROQ_API_KEY holds characters that no key has; was something else pasted?")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;
