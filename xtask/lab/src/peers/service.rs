//! A service on loopback that the daemon talks to: keeps what it was sent and when, and answers as it is told. It ends
//! with this program.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Error, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Largest body: far more than any prompt or message.
const BODY_MAX: usize = 4 << 20;

/// All services run on it; the rest of the lab waits for programs and has threads for that.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("the system gives threads"));

#[derive(Clone, Debug)]
pub(crate) struct PeerRequest {
    pub(crate) at_ms: i64,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// When its answer was given; absent: it was not.
    pub(crate) answered_ms: Option<i64>,
}

/// What is done with one.
#[derive(Clone, Debug)]
pub(crate) enum ServedReply {
    Answer {
        status: u16,
        header: Option<(&'static str, &'static str)>,
        body: String,
        after: Duration,
    },
    /// Nothing, until the other side gives up.
    Hang,
    /// The connection is closed.
    Drop,
}

impl ServedReply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Answer { status: 200, header: None, body: body.into(), after: Duration::ZERO }
    }
}

type Answers = Arc<dyn Fn(&PeerRequest) -> ServedReply + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<PeerRequest>>>,
}

impl Service {
    pub(crate) fn start(
        answers: impl Fn(&PeerRequest) -> ServedReply + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let service = Self { address: listener.local_addr()?, seen: Arc::default() };
        let (answers, accepting): (Answers, _) = (Arc::new(answers), service.clone());
        RUNTIME.spawn(async move {
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(accepting.clone().serve(stream, Arc::clone(&answers)));
                }
            }
        });
        Ok(service)
    }

    /// All it was sent so far.
    pub(crate) fn seen(&self) -> Vec<PeerRequest> {
        self.lock().clone()
    }

    /// Where it is, with this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PeerRequest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(self, stream: TcpStream, answers: Answers) {
        stream.set_nodelay(true).ok();
        let answer = service_fn(|request| self.answer(request, &answers));
        // A connection that breaks is the daemon's doing, and no error.
        http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await.ok();
    }

    async fn answer(&self, request: Request<Incoming>, answers: &Answers) -> Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_MAX).collect().await.map_err(Error::from_boxed)?.to_bytes();
        let seen = PeerRequest {
            at_ms: now_ms(),
            path: head.uri.to_string(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            answered_ms: None,
        };
        let reply = answers(&seen);
        let number = {
            let mut all = self.lock();
            all.push(seen);
            all.len() - 1
        };
        match reply {
            ServedReply::Drop => bail!("told to hang up"),
            ServedReply::Hang => std::future::pending().await,
            ServedReply::Answer { status, header, body, after } => {
                tokio::time::sleep(after).await;
                let mime = if body.starts_with('{') { "application/json" } else { "text/plain" };
                let mut response = Response::builder().status(status).header(CONTENT_TYPE, mime);
                if let Some((name, value)) = header {
                    response = response.header(name, value);
                }
                if let Some(seen) = self.lock().get_mut(number) {
                    seen.answered_ms = Some(now_ms());
                }
                Ok(response.body(Full::from(body))?)
            }
        }
    }
}

/// Milliseconds since 1970, as the daemon's own times are.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_it_was_sent_and_answers_as_it_is_told() {
        let service = Service::start(|seen| match seen.body.as_str() {
            "drop" => ServedReply::Drop,
            "hang" => ServedReply::Hang,
            _ => ServedReply::Answer {
                status: 429,
                header: Some(("retry-after", "2")),
                body: "no".into(),
                after: Duration::ZERO,
            },
        })
        .unwrap();
        let ask = |body: &str| {
            let agent = ureq::Agent::config_builder().http_status_as_error(false);
            let agent = agent.timeout_global(Some(Duration::from_millis(500))).build().new_agent();
            agent.post(service.url("/a?b=c")).send(body)
        };
        let mut answer = ask("é").unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"] == "2"), (429, true));
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "no");
        assert!(!matches!(ask("drop"), Ok(_) | Err(ureq::Error::Timeout(_))));
        assert!(matches!(ask("hang"), Err(ureq::Error::Timeout(_))));
        let seen = service.seen();
        assert_eq!(seen.iter().map(|it| it.body.as_str()).collect::<Vec<_>>(), ["é", "drop", "hang"]);
        assert_eq!(seen.iter().filter(|it| it.answered_ms.is_some()).count(), 1);
        assert!(seen.iter().all(|it| it.path == "/a?b=c"));
    }
}
