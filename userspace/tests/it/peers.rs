//! The peers of the daemon, played on loopback: a model and Slack, each keeping what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::daemon::SOON;

/// How the model answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// With a verdict that cites F1.
    Answers,
    /// With this status and an error body.
    Refuses(u16),
    /// With 200 and something that is no answer.
    Garbage,
    /// Accepts the connection and never answers.
    Hangs,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Clone)]
struct Peer {
    seen: Arc<Mutex<Vec<Request>>>,
    mood: Mood,
    about: String,
}

/// A peer that runs until the test ends.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// The requests whose body mentions `word`.
    pub(crate) fn mentioning(&self, word: &str) -> Vec<Request> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|it| it.body.to_string().contains(word)).cloned().collect()
    }

    /// Waits until a request mentions `word`.
    pub(crate) async fn wait_for(&self, word: &str) -> Request {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(request) = self.mentioning(word).into_iter().next() {
                return request;
            }
            assert!(Instant::now() < deadline, "no request mentioned {word} within {SOON:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A model in this mood for who asks about this process. Questions about others' faults, which the daemon sees too, it
/// answers well: they must neither keep it busy nor make the daemon give it up.
pub(crate) async fn model(mood: Mood, about: &str) -> Running {
    let model = json!({"id": "openai/gpt-oss-120b", "object": "model", "created": 1_700_000_000, "owned_by": "OpenAI"});
    let models = json!({"object": "list", "data": [model]});
    let router = Router::new()
        .route("/openai/v1/models", get(move || async move { axum::Json(models) }))
        .route("/openai/v1/chat/completions", post(complete));
    serve(router, mood, about, "127.0.0.1:0".parse().unwrap()).await
}

/// Slack's webhook, at any free address or at a given one.
pub(crate) async fn slack(address: Option<SocketAddr>) -> Running {
    let router = Router::new().route("/services/T/B/X", post(take_message));
    serve(router, Mood::Answers, "", address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap())).await
}

async fn serve(router: Router<Peer>, mood: Mood, about: &str, address: SocketAddr) -> Running {
    let seen = Arc::<Mutex<Vec<Request>>>::default();
    let router = router.with_state(Peer { seen: Arc::clone(&seen), mood, about: about.to_owned() });
    let listener = TcpListener::bind(address).await.expect("a loopback address is free");
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Running { address, seen, task }
}

fn keep(peer: &Peer, headers: HeaderMap, body: &Bytes) {
    let body = serde_json::from_slice(body).expect("every request body is JSON");
    peer.seen.lock().unwrap().push(Request { headers, body });
}

async fn take_message(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> &'static str {
    keep(&peer, headers, &body);
    "ok"
}

async fn complete(State(peer): State<Peer>, headers: HeaderMap, body: Bytes) -> Response {
    keep(&peer, headers, &body);
    let asked_about = String::from_utf8_lossy(&body).contains(&peer.about);
    match peer.mood {
        _ if !asked_about => axum::Json(completion()).into_response(),
        Mood::Answers => axum::Json(completion()).into_response(),
        Mood::Refuses(status) => {
            let error = json!({"error": {"message": "no", "type": "test"}});
            // Groq says so of a limit: then there is nothing to wait for.
            let later = [(header::RETRY_AFTER, "60")];
            (StatusCode::from_u16(status).unwrap(), later, axum::Json(error)).into_response()
        }
        Mood::Garbage => {
            axum::Json(json!({"choices": [{"message": {"content": "I think that"}}]})).into_response()
        }
        Mood::Hangs => std::future::pending().await,
    }
}

/// A whole answer as the API documents it, with a verdict that names itself.
fn completion() -> Value {
    let verdict = json!({
        "summary": "THE-MODEL-SPEAKS: the process needed more than it was given.",
        "probable_cause": "Its working set outgrew the limit of its cgroup.",
        "confidence": "high",
        "evidence": ["F1"],
        "hypotheses": [{"cause": "A leak", "evidence": ["F1"]}],
        "next_steps": [{"why": "see the limit", "command": "cat /proc/self/cgroup"}],
    });
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": "openai/gpt-oss-120b",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": verdict.to_string()}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        "x_groq": {"id": "req_1"},
    })
}
