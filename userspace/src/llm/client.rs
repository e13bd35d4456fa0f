//! The client: one question, one deadline; within it some patience with a busy server, after it nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use backon::{ExponentialBuilder, Retryable as _};
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};

use super::allowance::{Allowance, Spent};
use super::answer::{self, Grounds};
use super::breaker::{Breaker, BreakerStatus};
use super::failure::Failure;
use super::prompt::{MAX_COMPLETION_TOKENS, Prompt};
use super::reply;
use super::request::Request;
use super::usage::Usage;
use crate::config::{LlmConfig, LlmLimits};
use crate::metrics::{LimitLabel, Metrics, OutcomeLabel};
use crate::model::Verdict;
use crate::outbound;

/// Questions at the same time; more wait for half of their deadline.
const MAX_CONCURRENT: usize = 2;
/// Tries after the first.
const MAX_RETRIES: usize = 4;
/// Before the second try; it doubles from there, and jitter adds up to as much again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Tokens kept free beside prompt and answer: for the chat's own frame, and for the estimate's error.
const PROMPT_MARGIN: u32 = 600;

pub(crate) struct Client {
    http: reqwest::Client,
    base_url: String,
    model: String,
    authorization: Option<HeaderValue>,
    deadline: Duration,
    permits: Semaphore,
    allowance: Allowance,
    breaker: Breaker,
    metrics: Arc<Metrics>,
}

impl Client {
    pub(crate) fn new(config: &LlmConfig, metrics: Arc<Metrics>) -> Result<Self> {
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
            allowance: Allowance::new(&config.model, config.limits.clone(), Arc::clone(&metrics)),
            breaker: Breaker::new(Arc::clone(&metrics)),
            metrics,
        })
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// How long a question may take, retries included.
    pub(crate) const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Keeps today's spending in this folder. Blocks.
    pub(crate) fn keep_usage(&self, dir: &Path) -> Result<()> {
        self.allowance.keep_in(dir)
    }

    /// Tokens of the longest prompt: with the answer's room it must fit into a minute's.
    pub(crate) fn prompt_tokens(&self) -> usize {
        let limits = self.allowance.limits();
        let room = limits.tokens_per_minute.saturating_sub(MAX_COMPLETION_TOKENS + PROMPT_MARGIN);
        usize::try_from(limits.prompt_tokens.min(room)).unwrap_or(usize::MAX)
    }

    /// The body of the request with this prompt.
    pub(crate) fn request(&self, prompt: &Prompt) -> Value {
        // Numbers, lists and strings always have a JSON form.
        serde_json::to_value(Request::new(&self.model, prompt)).unwrap_or_default()
    }

    /// The budgets that requests are taken from.
    pub(crate) const fn limits(&self) -> &LlmLimits {
        self.allowance.limits()
    }

    /// What was spent today; the money, in billionths of a dollar, is `None` where the price is not known.
    pub(crate) fn spent(&self) -> (Spent, Option<u64>) {
        self.allowance.spent()
    }

    /// Whether it is left alone.
    pub(crate) fn breaker(&self) -> BreakerStatus {
        self.breaker.status()
    }

    /// The model's verdict. The prompt, of at most so many tokens, is made when its turn has come.
    pub(crate) async fn ask(
        &self,
        prompt: impl FnOnce(usize) -> Prompt,
        grounds: &Grounds<'_>,
    ) -> Result<Verdict, Failure> {
        let admission = self.breaker.admit().map_err(|(left, failures)| {
            self.turned_away("model_breaker", 1);
            let until =
                SignedDuration::try_from(left).ok().and_then(|it| Timestamp::now().checked_add(it).ok());
            self.counted(Failure::LeftAlone { failures, until: until.unwrap_or(Timestamp::MAX) })
        })?;
        let answer = self.ask_in_time(prompt, grounds).await;
        match &answer {
            Ok(_) => admission.succeeded(),
            Err(failure) if failure.is_sickness() => {
                if let Some(pause) = admission.failed() {
                    tracing::warn!(%failure, "the model failed repeatedly; it is not asked for {pause:?}");
                }
            }
            Err(_) => {}
        }
        answer
    }

    async fn ask_in_time(
        &self,
        prompt: impl FnOnce(usize) -> Prompt,
        grounds: &Grounds<'_>,
    ) -> Result<Verdict, Failure> {
        let begun = Instant::now();
        let deadline = begun + self.deadline;
        // What is left after half of the time would hardly do for an answer.
        let turn = begun + self.deadline / 2;
        let Ok(Ok(_permit)) = timeout_at(turn, self.permits.acquire()).await else {
            self.turned_away("model_concurrency", 1);
            return Err(self.counted(Failure::Busy));
        };
        let prompt = prompt(self.prompt_tokens());
        self.turned_away("prompt_tokens", prompt.left_out);
        let request = Request::new(&self.model, &prompt);
        let answer = timeout_at(deadline, self.ask_patiently(&request, deadline, grounds)).await;
        self.metrics.model_seconds.observe(begun.elapsed().as_secs_f64());
        answer.unwrap_or_else(|_| Err(self.counted(Failure::Timeout)))
    }

    async fn ask_patiently(
        &self,
        request: &Request<'_>,
        deadline: Instant,
        grounds: &Grounds<'_>,
    ) -> Result<Verdict, Failure> {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_times(MAX_RETRIES)
            .with_jitter();
        let once = || async {
            let answer = self.ask_once(request, grounds).await;
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
            .notify(|failure, pause| tracing::debug!(%failure, ?pause, "retrying the model"))
            .await;
        if matches!(answer, Err(Failure::Timeout)) {
            return Err(self.counted(Failure::Timeout));
        }
        answer
    }

    async fn ask_once(&self, request: &Request<'_>, grounds: &Grounds<'_>) -> Result<Verdict, Failure> {
        let taken =
            self.allowance.take(request.prompt_tokens(), MAX_COMPLETION_TOKENS).map_err(|exhausted| {
                self.turned_away("model_budget", 1);
                Failure::Exhausted(exhausted)
            })?;
        let answered = self.exchange(request).await;
        let usage = match &answered {
            Ok(body) => reply::usage(body),
            Err(failure) => (!failure.may_cost()).then_some(Usage::NONE),
        };
        self.allowance.settle(&taken, usage);
        answer::verdict(&reply::content(&answered?)?, grounds, &self.model)
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Vec<u8>, Failure> {
        let post = self.http.post(format!("{}/chat/completions", self.base_url)).json(request);
        let response = self.send(post).await.inspect_err(|failure| {
            if let Failure::Status { status: 429, retry_after: Some(wait), .. } = failure {
                self.allowance.wait(*wait);
            }
        })?;
        reply::read(response, reply::MAX_REPLY_BYTES).await
    }

    /// What stands at this path of the service.
    pub(super) async fn get(&self, path: &str) -> Result<reqwest::Response, Failure> {
        self.send(self.http.get(format!("{}/{path}", self.base_url))).await
    }

    /// The response, if its status is a success.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let request = match &self.authorization {
            Some(key) => request.header(AUTHORIZATION, key),
            None => request,
        };
        let response = request.send().await.map_err(Failure::from)?;
        self.allowance.hear(response.headers());
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

/// The header; none where the server wants no key, as on this very host.
fn authorization(key: &str) -> Result<Option<HeaderValue>> {
    let key = key.trim();
    if key.is_empty() {
        return Ok(None);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
        .ok()
        .context("GROQ_API_KEY contains characters that no key has; was something else pasted?")?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_no_debug_output() {
        let header = authorization(" gsk_secret\n").unwrap().unwrap();
        assert_eq!(header, "Bearer gsk_secret");
        assert!(!format!("{header:?}").contains("gsk_"));
        assert_eq!(authorization(" ").unwrap(), None);
    }
}
