//! A store, a worker, and a Slack of our own on loopback that answers by a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::super::{Pace, SLACK, Sinks, run};
use crate::config::{Receivers, SlackConfig};
use crate::health::Health;
use crate::kinds::case::Case;
use crate::kinds::sample::{case, verdict};
use crate::metrics::Metrics;
use crate::model::{AlertDelivery, AlertStatus, Severity};
use crate::store::sample::open_counting;
use crate::store::{AlertPlan, Store};

/// For what must come, on a machine that has other work.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// One answer of the script; when it is at its end, `ok`.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Status(u16, &'static str),
    RetryAfter(&'static str),
    Hang,
}

#[derive(Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: mpsc::UnboundedSender<(Instant, Value)>,
}

async fn answer(State(script): State<Script>, body: Bytes) -> Response {
    let body = serde_json::from_slice(&body).unwrap();
    script.seen.send((Instant::now(), body)).unwrap();
    let reply = script.replies.lock().unwrap().pop_front();
    match reply {
        None => "ok".into_response(),
        Some(Reply::Status(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Reply::RetryAfter(value)) => {
            (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, value)], "rate_limited").into_response()
        }
        Some(Reply::Hang) => std::future::pending().await,
    }
}

pub(super) fn slack(url: String) -> Receivers {
    let url = SecretString::from(url);
    Receivers { slack: Some(SlackConfig::Webhook { url }), ..Receivers::default() }
}

pub(super) fn quick() -> Pace {
    Pace {
        between: Duration::ZERO,
        first_retry: Duration::from_millis(2),
        longest_retry: Duration::from_millis(8),
        timeout: PATIENCE,
        ..Pace::default()
    }
}

/// A store, a worker and a Slack.
pub(super) struct Rig {
    pub(super) dir: TempDir,
    address: SocketAddr,
    pub(super) store: Store,
    pub(super) health: Health,
    pub(super) metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    script: Script,
    seen: mpsc::UnboundedReceiver<(Instant, Value)>,
}

impl Rig {
    /// With an address that refuses connections until [`Rig::serve`].
    pub(super) async fn new(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tx, seen) = mpsc::unbounded_channel();
        let dir = tempfile::tempdir().unwrap();
        let metrics = Metrics::new();
        Self {
            address: listener.local_addr().unwrap(),
            store: open_counting(dir.path(), &metrics),
            dir,
            health: Health::default(),
            metrics,
            shutdown: CancellationToken::new(),
            script: Script { replies: Arc::new(Mutex::new(replies.iter().copied().collect())), seen: tx },
            seen,
        }
    }

    pub(super) async fn serve(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let app = Router::new().fallback(answer).with_state(self.script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn sinks(&self, pace: Pace) -> Sinks {
        let url = format!("{}/services/T000/B000/SECRET", self.url());
        Sinks::with_pace(slack(url), pace).unwrap()
    }

    pub(super) fn work(&self, sinks: Sinks) -> JoinHandle<()> {
        let (store, metrics) = (self.store.clone(), Arc::clone(&self.metrics));
        tokio::spawn(run(store, sinks, metrics, self.health.clone(), self.shutdown.clone()))
    }

    pub(super) async fn record(&self, name: &str) -> String {
        let plan = AlertPlan { sinks: vec![SLACK], ..AlertPlan::default() };
        self.store.record(case(name), verdict(name), plan).await.unwrap().id
    }

    pub(super) async fn record_as(&self, name: &str, severity: Severity) {
        let plan = AlertPlan { sinks: vec![SLACK], ..AlertPlan::default() };
        let case = Case { severity, ..case(name) };
        self.store.record(case, verdict(name), plan).await.unwrap();
    }

    pub(super) async fn request(&mut self) -> (Instant, Value) {
        timeout(PATIENCE, self.seen.recv()).await.expect("a request in time").unwrap()
    }

    /// Ends the worker, which writes down the answer it has, and looks at the one alert of `id`.
    pub(super) async fn end(&mut self, worker: JoinHandle<()>, id: &str) -> AlertDelivery {
        let mut alerts = self.ended(worker, id).await;
        assert_eq!(alerts.len(), 1);
        let alert = alerts.remove(0);
        let waits = self.store.next_due("slack").await.unwrap().is_some();
        assert_eq!(waits, alert.status == AlertStatus::Pending);
        alert
    }

    /// As [`Rig::end`], with any number of alerts.
    pub(super) async fn ended(&mut self, worker: JoinHandle<()>, id: &str) -> Vec<AlertDelivery> {
        self.shutdown.cancel();
        worker.await.unwrap();
        assert!(self.seen.try_recv().is_err(), "one request too many");
        self.store.get(id).await.unwrap().unwrap().alerts
    }

    pub(super) fn counted(&self, outcome: &str, times: u32) -> bool {
        let line = format!(r#"alerts_total{{sink="slack",outcome="{outcome}"}} {times}"#);
        self.metrics.render().lines().any(|it| it.ends_with(&line))
    }
}
