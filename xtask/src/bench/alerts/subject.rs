//! The daemon under test, with a model and a Slack of ours: started, asked, killed, started again on the same data.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::super::http::Client;
use super::super::running::{Running, guarded};
use super::receivers::Receivers;
use super::service::Service;

const KEY: &str = "benchmark-only-0123456789";
const POLL: Duration = Duration::from_millis(100);
/// Incidents in one answer: the API's limit.
const LIST: usize = 1000;

/// One that runs; killed with SIGKILL when dropped.
pub(super) struct Subject {
    pub(super) client: Client,
    _running: Running,
}

/// How to start one.
pub(super) struct Setup<'a> {
    pub(super) program: &'a Path,
    /// Its data and its log are in there.
    pub(super) dir: &'a Path,
    pub(super) model: &'a Service,
    pub(super) receivers: &'a Receivers,
    pub(super) flags: &'a [&'a str],
}

impl Setup<'_> {
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    pub(super) fn start(&self) -> Result<Subject> {
        std::fs::create_dir_all(self.data())?;
        let log: File = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = guarded(self.program);
        command.args(["run", "--listen", "127.0.0.1:0", "--scan-interval", "1s", "--key", KEY, "--data-dir"]);
        command.arg(self.data()).args(self.flags).env_clear();
        command
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GROQ_API_KEY", "gsk_benchmark_only")
            .env("AI_DEBUGGER_LLM_BASE_URL", format!("http://{}/openai/v1", self.model.address))
            .stdout(Stdio::piped())
            .stderr(log);
        self.receivers.configure(&mut command);
        let mut running = Running(command.spawn()?);
        let stdout = running.0.stdout.take().context("stdout is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ai-debugger is ready: http://");
        let address = address.and_then(|it| it.split('/').next()?.parse().ok());
        let address = address
            .with_context(|| format!("the daemon did not become ready; see {}", self.log().display()))?;
        let mut client = Client::connect(address, KEY)?;
        let status = client.json("/api/v1/status")?;
        ensure!(
            status["hooks"]["sched_process_exit"]["attached"] == true,
            "no kernel events: {}",
            status["hooks"]
        );
        Ok(Subject { client, _running: running })
    }
}

impl Subject {
    /// All incidents that are about a process whose name or argv begins so.
    pub(super) fn incidents(&mut self, prefix: &str) -> Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.client.json(&format!("/api/v1/incidents?limit={LIST}{cursor}"))?;
            let incidents = page["incidents"].as_array().cloned().unwrap_or_default();
            all.extend(incidents.into_iter().filter(|it| is_of(it, prefix)));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Asks again until there are as many as wanted and none has an alert to be sent, or until the time is over;
    /// what there is then.
    pub(super) fn settled(&mut self, prefix: &str, wanted: usize, within: Duration) -> Result<Vec<Value>> {
        let began = Instant::now();
        loop {
            let incidents = self.incidents(prefix)?;
            let waits = |it: &Value| alerts(it).any(|alert| alert["status"] == "pending");
            let done = incidents.len() >= wanted && !incidents.iter().any(waits);
            if done || began.elapsed() > within {
                return Ok(incidents);
            }
            std::thread::sleep(POLL);
        }
    }
}

fn is_of(incident: &Value, prefix: &str) -> bool {
    let process = &incident["process"];
    let last = process["exe"].as_str().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
    [process["name"].as_str().unwrap_or_default(), last].iter().any(|it| it.starts_with(prefix))
}

pub(super) fn alerts(incident: &Value) -> impl Iterator<Item = &Value> {
    incident["alerts"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

pub(super) fn id(incident: &Value) -> String {
    incident["id"].as_str().unwrap_or_default().to_owned()
}
