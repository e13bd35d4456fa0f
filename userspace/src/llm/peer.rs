//! For the tests: an HTTP server on loopback that answers as Groq does, or as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const MODEL: &str = "openai/gpt-oss-120b";

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Reply {
    Status(u16, &'static str, String),
    RateLimited(Option<&'static str>),
    Hang,
    /// With what this makes of the request's body.
    Obeys(fn(&Value) -> Value),
    /// As [`Reply::Status`], with these headers.
    Telling(Vec<(&'static str, &'static str)>, Box<Self>),
}

/// One request that came.
#[derive(Clone)]
pub(crate) struct ModelRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A scripted service; the last reply is repeated.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) url: String,
    script: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<ModelRequest>>>,
}

impl Peer {
    pub(crate) async fn new(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/openai/v1", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let peer = Self { url, script, seen: Arc::default() };
        let app = Router::new().fallback(serve).with_state(peer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        peer
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(crate) fn first(&self) -> ModelRequest {
        self.seen.lock().unwrap()[0].clone()
    }
}

async fn serve(State(peer): State<Peer>, request: Request<Body>) -> Response {
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let seen = ModelRequest { method, path: uri.path().to_owned(), headers, body };
    peer.seen.lock().unwrap().push(seen);
    let reply = {
        let mut script = peer.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() }
    };
    respond(reply, &peer).await
}

async fn respond(reply: Reply, peer: &Peer) -> Response {
    match reply {
        Reply::Obeys(answer) => {
            let body = peer.seen.lock().unwrap().last().unwrap().body.clone();
            let answer = answer(&serde_json::from_slice(&body).unwrap());
            Box::pin(respond(completion(&answer.to_string()), peer)).await
        }
        Reply::Telling(headers, reply) => {
            let mut response = Box::pin(respond(*reply, peer)).await;
            response.headers_mut().extend(
                headers.into_iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))),
            );
            response
        }
        Reply::Status(status, mime, body) => {
            (StatusCode::from_u16(status).unwrap(), [("content-type", mime)], body).into_response()
        }
        Reply::RateLimited(None) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Reply::RateLimited(Some(after)) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", after)]).into_response()
        }
        Reply::Hang => std::future::pending().await,
    }
}

/// A chat completion as Groq sends it.
pub(crate) fn completion(content: &str) -> Reply {
    let body = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, "reasoning": "…"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "x_groq": {"id": "req_1"},
    });
    Reply::Status(200, "application/json", body.to_string())
}
