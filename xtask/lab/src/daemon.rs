//! A daemon under test: on a port of its own, with a folder of its own and nothing of this machine's configuration;
//! started, asked, killed.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::http::Client;
use crate::metrics::Metrics;
use crate::model::Incident;
use crate::running::{Running, memory_bytes};

/// The key every one of them has.
pub(crate) const KEY: &str = "lab-only-0123456789";

/// One that runs; killed with SIGKILL when dropped.
pub(crate) struct Daemon {
    pub(crate) client: Client,
    pub(crate) running: Running,
    /// Why no kernel events reach it; absent: they do.
    pub(crate) no_events: Option<String>,
}

/// One answer of `/api/v1/incidents`.
#[derive(Deserialize)]
pub(crate) struct Page {
    pub(crate) incidents: Vec<Incident>,
    pub(crate) next_cursor: Option<String>,
}

/// Takes this machine's settings from a command of the daemon's.
pub(crate) fn bare(mut command: Command) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command
}

impl Daemon {
    /// Starts what `command` begins, a [`bare`] one, with its data and its log in `dir`, and waits until it is ready.
    pub(crate) fn start<S: AsRef<OsStr>>(mut command: Command, dir: &Path, flags: &[S]) -> Result<Self> {
        let (data, log) = (dir.join("data"), dir.join("daemon.log"));
        fs::create_dir_all(&data)?;
        command.args(["run", "--listen", "127.0.0.1:0", "--key", KEY, "--data-dir"]).arg(&data).args(flags);
        let errors = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut running = Running(command.stdout(Stdio::piped()).stderr(errors).spawn()?);
        let mut line = String::new();
        BufReader::new(running.0.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ai-debugger is ready: http://");
        let address = address.and_then(|it| it.split('/').next()?.parse().ok());
        let address =
            address.with_context(|| format!("the daemon did not become ready; see {}", log.display()))?;
        let client = Client::new(address).with_key(KEY);
        let status: Value = client.json("/api/v1/status")?;
        let hook = &status["hooks"]["sched_process_exit"];
        let reason = hook["reason"].as_str().unwrap_or("not attached");
        let no_events = (hook["attached"] != true).then(|| format!("no kernel events here: {reason}"));
        Ok(Self { client, running, no_events })
    }

    /// The same; an error where it sees no kernel events.
    pub(crate) fn start_seeing<S: AsRef<OsStr>>(command: Command, dir: &Path, flags: &[S]) -> Result<Self> {
        let daemon = Self::start(command, dir, flags)?;
        ensure!(daemon.no_events.is_none(), "{}", daemon.no_events.unwrap_or_default());
        Ok(daemon)
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.running.0.try_wait(), Ok(None))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.client.address()
    }

    pub(crate) fn metrics(&self) -> Result<Metrics> {
        Metrics::parse(&self.client.text("/metrics", "text/plain")?)
    }

    pub(crate) fn newest(&self, limit: usize) -> Result<Vec<Incident>> {
        Ok(self.client.json::<Page>(&format!("/api/v1/incidents?limit={limit}"))?.incidents)
    }

    /// All of them, newest first.
    pub(crate) fn incidents(&self) -> Result<Vec<Incident>> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: Page = self.client.json(&format!("/api/v1/incidents?limit=1000{cursor}"))?;
            all.extend(page.incidents);
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// How many live processes it knows, as it says it.
    pub(crate) fn live_processes(&self) -> Result<Value> {
        Ok(self.client.json::<Value>("/api/v1/status")?["processes"]["live"].clone())
    }

    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        memory_bytes(self.pid(), "status", "VmRSS")
    }

    pub(crate) fn peak_rss_bytes(&self) -> Result<u64> {
        memory_bytes(self.pid(), "status", "VmHWM")
    }

    /// The share of memory that is its own: pages mapped twice, as a ring's are, count once.
    pub(crate) fn pss_bytes(&self) -> Result<u64> {
        memory_bytes(self.pid(), "smaps_rollup", "Pss")
    }
}
