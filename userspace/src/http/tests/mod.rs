//! The endpoints over a real socket, spoken to in raw bytes: a client library would tidy up what we send.

mod api;
mod doors;
mod flood;
mod limits;
mod proc_files;
mod seed;
mod sessions;
mod ways;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::analyze::{self, AnalyzeService};
use super::answers::Answers;
use super::error::Error;
use super::{Access, Bound, Core, Reached, routes, server};
use crate::analyst::Analyst;
use crate::config::{
    AlertRules, Config, DetectLimits, LifeRules, Listen, LlmConfig, LlmLimits, Receivers, SlackConfig,
};
use crate::health::Health;
use crate::host::Host;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::fixture::recorded;
use crate::metrics::Metrics;
use crate::model::{
    Completeness, Confidence, IncidentKind, NextStep, ProcessInfo, ProcessView, Severity, Verdict, VerdictBy,
};
use crate::monitor::Handle;

const KEY: &str = "the-key";

/// A server on a port of its own, without store and analyst: `/analyze` has a verdict from a can.
struct Server {
    address: SocketAddr,
    access: Arc<Access>,
    metrics: Arc<Metrics>,
    health: Health,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// What a test may choose.
struct HttpSetup {
    config: Config,
    processes: Vec<ProcessView>,
    files: Vec<CaseFile>,
    more: Router,
}

impl HttpSetup {
    fn new(proc_root: impl AsRef<Path>) -> Self {
        let config = Config {
            listen: Listen::Tcp(([127, 0, 0, 1], 0).into()),
            tls: None,
            key: KEY.into(),
            key_file: None,
            data_dir: "/nonexistent".into(),
            allowed_hosts: vec!["debug.example.com".into()],
            proc_root: proc_root.as_ref().into(),
            cgroup_root: "/nonexistent".into(),
            scan_interval: Duration::from_secs(10),
            show_environ: false,
            show_secrets: false,
            btf_path: "/nonexistent".into(),
            no_llm: false,
            llm: Some(LlmConfig {
                base_url: "http://127.0.0.1:1".into(),
                model: "a/model".into(),
                api_key: "gsk_secret".into(),
                deadline: Duration::from_secs(1),
                limits: LlmLimits::default(),
            }),
            receivers: Receivers {
                slack: Some(SlackConfig::Webhook { url: "https://hooks.example/T/B/secret".into() }),
                ..Receivers::default()
            },
            alerts: AlertRules::default(),
            life: LifeRules::default(),
            detect: DetectLimits::default(),
            programs: Vec::new(),
        };
        Self { config, processes: Vec::new(), files: Vec::new(), more: Router::new() }
    }

    async fn start(self) -> Server {
        let host = Host {
            name: "web-1".into(),
            boot_id: "boot".into(),
            kernel: "6.18".into(),
            ticks_per_second: 100,
            page_size: 4096,
        };
        let (metrics, health) = (Metrics::new(), Health::default());
        let monitor = Handle::fake(self.processes, self.files);
        let service = Arc::new(AnalyzeService::new(
            monitor.clone(),
            None,
            Arc::clone(&metrics),
            self.config.show_secrets,
        ));
        let slow = Router::new().route("/analyze", post(analyze)).with_state(service);
        let started = Instant::now();
        let analyst = Analyst::new(self.config.llm.clone(), health.clone(), Arc::clone(&metrics)).unwrap();
        let config = Arc::new(self.config);
        let bound = Bound::at(&config.listen).unwrap();
        let address = match bound.reached().unwrap() {
            Reached::At(address) => address,
            Reached::By(_) => ([0, 0, 0, 0], 0).into(),
        };
        let listener = bound.listener().unwrap();
        let access = Access::new(Arc::clone(&config), Arc::clone(&metrics), health.clone()).unwrap();
        let access = Arc::new(access);
        let tls = access.server_config().unwrap();
        let core = Core::new(
            config,
            Arc::clone(&access),
            Arc::new(Answers::new(Arc::clone(&metrics))),
            host,
            monitor,
            analyst,
            Arc::clone(&metrics),
            health.clone(),
            started,
        );
        let places = Arc::clone(&core.places);
        let routes = routes::all(&Arc::new(core), self.more, slow);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            server::run(routes, listener, tls, places, shutdown)
        });
        Server { address, access, metrics, health, shutdown, task }
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends the bytes and reads what comes until the server closes.
    async fn raw(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// One request with the key; `head` is more header lines, each with its line break.
    async fn send(&self, method: &str, target: &str, head: &str, body: &str) -> Answer {
        let length = body.len();
        self.raw(format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\
             Connection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
        ))
        .await
    }

    async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, "", "").await
    }

    /// One request with these header lines and nothing of ours.
    async fn bare(&self, line: &str, head: &str) -> Answer {
        self.raw(format!("{line} HTTP/1.1\r\nConnection: close\r\n{head}\r\n")).await
    }
}

async fn analyze(
    State(service): State<Arc<AnalyzeService>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<analyze::AnalyzeReply>, Error> {
    service.answer(&body?, async |_: &CaseFile| verdict()).await
}

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut bytes = Vec::new();
        // A server that closes with bytes unread resets the connection: what came before counts.
        drop(stream.read_to_end(&mut bytes).await);
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").expect("an answer with a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next();
        assert!(values.next().is_none(), "one {name}: {}", self.head);
        value
    }

    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The reason of a refusal, which every refusal has.
    fn error(&self) -> String {
        assert!(self.status >= 400, "{self:?}");
        let json = self.json();
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        json["error"].as_str().unwrap().to_owned()
    }

    fn pretty(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::to_string_pretty(&self.json()).unwrap()
    }
}

/// A process file system with process 42, and what may go wrong with one.
fn fixture() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let process = root.path().join("42");
    fs::create_dir(&process).unwrap();
    let stat = format!("42 (a) b) S 1 {}4242 0 0\n", "0 ".repeat(17));
    let large = vec![b'm'; 4 * 1024 * 1024 + 1];
    for (name, body) in [
        ("stat", stat.as_bytes()),
        ("status", b"Name:\tnginx\nUmask:\t0022\nPid:\t42\nUid:\t0\t0\t0\t0\nVmRSS:\t    1204 kB\n"),
        ("cmdline", b"nginx\0-g\0caf\xe9\0"),
        ("environ", b"HOME=/root\0TOKEN=hunter2\0"),
        ("mem", b"secret memory"),
        ("maps", &large),
        ("wchan", b""),
    ] {
        fs::write(process.join(name), body).unwrap();
    }
    fs::create_dir(process.join("fd")).unwrap();
    fs::create_dir(process.join("limits")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", process.join("comm")).unwrap();
    std::os::unix::fs::symlink("42", root.path().join("7")).unwrap();
    for name in ["100", "9", "self", "sys", "012345678901"] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    fs::write(root.path().join("version"), "Linux").unwrap();
    root
}

fn info(pid: u32, start_ticks: u64, name: &str) -> ProcessInfo {
    ProcessInfo {
        pid,
        start_ticks,
        ppid: 1,
        name: name.into(),
        exe: Some(format!("/usr/bin/{name}")),
        argv: vec![name.into(), "--Port=80".into()],
        uid: Some(33),
        cgroup: None,
        container_id: None,
        unit: None,
        pod_uid: None,
        container: None,
    }
}

fn view(pid: u32, start_ticks: u64, name: &str, cpu_percent: Option<f64>, rss_bytes: u64) -> ProcessView {
    ProcessView {
        info: info(pid, start_ticks, name),
        cpu_percent,
        rss_bytes,
        threads: 2,
        fds: Some(5),
        forks: None,
        state: 'S',
        age_s: 60,
        exit: None,
    }
}

fn case_file(pid: u32, name: &str, findings: Vec<Finding>) -> CaseFile {
    CaseFile {
        process: info(pid, 1, name),
        observed_at: jiff::Timestamp::UNIX_EPOCH,
        findings,
        facts: Vec::new(),
        evidence: Vec::new(),
        completeness: Completeness::default(),
    }
}

fn finding() -> Finding {
    Finding {
        kind: IncidentKind::CpuSpin,
        severity: Severity::Warning,
        summary: Some(recorded("a full core for 10 minutes")),
        facts: vec!["F1".into()],
    }
}

fn verdict() -> Verdict {
    Verdict {
        by: VerdictBy::Rules,
        model: None,
        summary: "it spins\u{1b}[2J".into(),
        probable_cause: "a busy loop".into(),
        confidence: Confidence::Low,
        evidence: vec!["F1".into()],
        hypotheses: Vec::new(),
        next_steps: vec![NextStep { why: "where it is".into(), command: "cat /proc/42/stack".into() }],
        raised_to: None,
        note: None,
    }
}
