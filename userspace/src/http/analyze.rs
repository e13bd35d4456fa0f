//! `POST /analyze`: one verdict on one live process, now.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Error;
use super::proc::parse_pid;
use crate::analyst::{Analyst, Question};
use crate::kinds::case::CaseFile;
use crate::metrics::{LimitLabel, Metrics};
use crate::model::Verdict;
use crate::monitor::Handle;
use crate::redact::records;
use crate::store::Store;
use crate::text;

/// Verdicts being made at a time; each may be a request to the model.
const MAX_AT_A_TIME: usize = 4;
/// On top of the analyst's deadline: to read the request and examine the process.
pub(super) const EXAMINATION: Duration = Duration::from_secs(10);

/// Who examines, and how many at a time.
pub(super) struct AnalyzeService {
    monitor: Handle,
    /// What was found before the monitor began to watch is there alone; absent in tests that need none.
    store: Option<Store>,
    places: Semaphore,
    metrics: Arc<Metrics>,
    show_secrets: bool,
}

impl AnalyzeService {
    pub(super) fn new(
        monitor: Handle,
        store: Option<Store>,
        metrics: Arc<Metrics>,
        show_secrets: bool,
    ) -> Self {
        Self { monitor, store, places: Semaphore::new(MAX_AT_A_TIME), metrics, show_secrets }
    }

    /// Answers a request with the verdict that `judge` gives.
    pub(super) async fn answer<J>(&self, body: &[u8], judge: J) -> Result<Json<AnalyzeReply>, Error>
    where
        J: AsyncFnOnce(&CaseFile) -> Verdict,
    {
        let asked = AnalyzeRequest::parse(body)?;
        let (file, _place) = self.examine(asked.pid).await?;
        let verdict = judge(&file).await;
        let analysis = analysis(!file.findings.is_empty(), &verdict);
        Ok(Json(AnalyzeReply { pid: asked.as_sent, name: file.process.name, analysis, verdict }))
    }

    /// The case file, and the place it takes until it is answered.
    async fn examine(&self, pid: u32) -> Result<(CaseFile, SemaphorePermit<'_>), Error> {
        let Ok(place) = self.places.try_acquire() else {
            self.metrics.turned_away.get_or_create(&LimitLabel { limit: "http_analyze" }).inc();
            let message = format!("{MAX_AT_A_TIME} processes are already being analysed; try again later");
            return Err(Error::new(StatusCode::TOO_MANY_REQUESTS, message));
        };
        let examined = self.monitor.examine(pid).await;
        let mut file = examined
            .map_err(|error| Error::unavailable(format!("cannot examine the process: {error:#}")))?
            .ok_or_else(|| Error::not_found(format!("there is no process {pid}, or it has just ended")))?;
        if let Some(store) = &self.store {
            let open = store.open_about(file.process.key()).await;
            let open =
                open.map_err(|error| Error::unavailable(format!("cannot read the incidents: {error:#}")))?;
            open.iter().for_each(|incident| file.add_findings_of(incident));
        }
        let file = if self.show_secrets { file } else { records::masked(file) }.dated();
        Ok((file, place))
    }
}

pub(super) fn routes(
    monitor: Handle,
    store: Store,
    analyst: Analyst,
    metrics: Arc<Metrics>,
    show_secrets: bool,
) -> Router {
    let state = (Arc::new(AnalyzeService::new(monitor, Some(store), metrics, show_secrets)), analyst);
    Router::new().route("/analyze", post(analyze)).with_state(state)
}

async fn analyze(
    State((service, analyst)): State<(Arc<AnalyzeService>, Analyst)>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Error> {
    let body = body?;
    let asked = AnalyzeRequest::parse(&body)?;
    if asked.prompt {
        let (file, _place) = service.examine(asked.pid).await?;
        let question = analyst.question(&file);
        return Ok(
            Json(PromptReply { pid: asked.as_sent, name: file.process.name, question }).into_response()
        );
    }
    let answer = service.answer(&body, async |file: &CaseFile| analyst.verdict(file).await).await?;
    Ok(answer.into_response())
}

/// What would go to the model, which is not asked.
#[derive(Debug, Serialize)]
struct PromptReply {
    pid: Value,
    name: String,
    #[serde(flatten)]
    question: Question,
}

#[derive(Debug, Serialize)]
pub(super) struct AnalyzeReply {
    pid: Value,
    name: String,
    analysis: String,
    verdict: Verdict,
}

/// Whom the client asks about; the pid also as it was sent, because clients that send text read text.
#[derive(Debug, PartialEq)]
struct AnalyzeRequest {
    pid: u32,
    as_sent: Value,
    /// Whether only the prompt is wanted.
    prompt: bool,
}

impl AnalyzeRequest {
    fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut body: Value = serde_json::from_slice(body).map_err(|error| {
            Error::bad_request(format!("the body is not JSON: {error}; send {{\"pid\": 123}}"))
        })?;
        let as_sent = body.get_mut("pid").map(Value::take).unwrap_or_default();
        let pid = match &as_sent {
            Value::Number(number) => parse_pid(&number.to_string()),
            Value::String(text) => parse_pid(text),
            _ => None,
        };
        let wanted =
            "the body has no `pid` that is one; send {\"pid\": 123}, a number from 1, of at most 10 digits";
        let pid = pid.ok_or_else(|| Error::new(StatusCode::UNPROCESSABLE_ENTITY, wanted))?;
        Ok(Self { pid, as_sent, prompt: body.get("prompt") == Some(&Value::Bool(true)) })
    }
}

/// For the fuzzer: the body of a request.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(body: &[u8]) {
    if let Ok(asked) = AnalyzeRequest::parse(body) {
        assert!(asked.pid > 0);
    }
}

/// The verdict as text. Its first word is the rules' word: a model that finds nothing can't talk a finding away.
fn analysis(anomaly: bool, verdict: &Verdict) -> String {
    let line = |text: &str| text::printable(text.trim());
    let mut out = format!("{}: {}", if anomaly { "ANOMALY" } else { "OK" }, line(&verdict.summary));
    if !verdict.probable_cause.trim().is_empty() {
        out += &format!("\nCause: {}", line(&verdict.probable_cause));
    }
    for (n, step) in verdict.next_steps.iter().enumerate() {
        out += &format!("\n{}. {}: {}", n + 1, line(&step.why), line(&step.command));
    }
    out
}
