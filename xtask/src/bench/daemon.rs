//! The daemon under test: the release build with its defaults, on a port of its own, with a folder of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::exposition::Exposition;
use super::http::Client;
use super::running::{Running, guarded, memory_bytes};

const KEY: &str = "benchmark-only-0123456789";
/// Longest wait until everything sent was received; the counters are read once a second.
const CAUGHT_UP_DEADLINE: Duration = Duration::from_secs(15);

/// A running daemon; killed when dropped, its folder removed.
pub(crate) struct Daemon {
    pub(super) running: Running,
    pub(crate) client: Client,
    address: SocketAddr,
    data_dir: PathBuf,
}

/// The daemon's own count of events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Events {
    pub(super) execs: f64,
    pub(super) exits: f64,
    pub(super) received: f64,
    pub(super) sent: f64,
    pub(super) lost: f64,
    pub(super) lost_grave: f64,
}

impl Daemon {
    /// With its data and its log in `dir`, and with these arguments beside its defaults.
    pub(crate) fn start(program: &Path, dir: &Path, args: &[String]) -> Result<Self> {
        let data_dir = dir.join("data");
        std::fs::create_dir_all(&data_dir)?;
        let mut command = guarded(program);
        command.args(["run", "--listen", "127.0.0.1:0", "--key", KEY, "--no-llm", "--data-dir"]);
        command
            .arg(&data_dir)
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let log = dir.join("daemon.log");
        command.stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut running = Running(command.spawn()?);
        let stdout = running.0.stdout.take().context("stdout is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address =
            line.trim().strip_prefix("ai-debugger is ready: http://").and_then(|it| it.split('/').next());
        let address =
            address.with_context(|| format!("the daemon did not become ready; see {}", log.display()))?;
        let address = address.parse()?;
        let client = Client::connect(address, KEY)?;
        let mut daemon = Self { running, client, address, data_dir };
        let status = daemon.client.json("/api/v1/status")?;
        ensure!(
            status["hooks"]["sched_process_exit"]["attached"] == true,
            "no kernel events: {}",
            status["hooks"]
        );
        Ok(daemon)
    }

    /// One more connection to it.
    pub(crate) fn connect(&self) -> Result<Client> {
        Client::connect(self.address, KEY)
    }

    /// Whether it runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.running.0.try_wait(), Ok(None))
    }

    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }

    pub(super) fn metrics(&mut self) -> Result<Exposition> {
        let (status, text) = self.client.get("/metrics")?;
        ensure!(status == 200, "/metrics: {status}");
        Ok(Exposition(text))
    }

    pub(super) fn events(&mut self) -> Result<Events> {
        Ok(Events::of(&self.metrics()?))
    }

    /// Waits until as many events were received as were sent; what there is now. An inequality that stays is
    /// a result, not an error.
    pub(super) fn caught_up(&mut self) -> Result<Events> {
        let began = Instant::now();
        loop {
            // Longer than the interval at which the daemon reads the kernel's counters.
            std::thread::sleep(Duration::from_millis(1200));
            let events = self.events()?;
            if (events.sent - events.received).abs() < 0.5 || began.elapsed() > CAUGHT_UP_DEADLINE {
                return Ok(events);
            }
        }
    }

    pub(super) fn rss_bytes(&self) -> Result<u64> {
        memory_bytes(self.pid(), "status", "VmRSS")
    }

    pub(super) fn peak_rss_bytes(&self) -> Result<u64> {
        memory_bytes(self.pid(), "status", "VmHWM")
    }

    /// The share of memory that is its own: pages mapped twice, as a ring's are, count once.
    pub(super) fn pss_bytes(&self) -> Result<u64> {
        memory_bytes(self.pid(), "smaps_rollup", "Pss")
    }

    /// How many of these processes it shows with this argument and how they ended.
    pub(super) fn remembered(&mut self, pids: &[u32], mark: &str) -> Result<usize> {
        let mut count = 0;
        for pid in pids {
            let (status, body) = self.client.get(&format!("/api/v1/processes/{pid}"))?;
            let process: Value = if status == 200 { serde_json::from_str(&body)? } else { json!(null) };
            count += usize::from(process["argv"][1] == mark && process["exit"]["cause"].is_object());
        }
        Ok(count)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.running.0.kill().ok();
        self.running.0.wait().ok();
        std::fs::remove_dir_all(&self.data_dir).ok();
    }
}

impl Events {
    fn of(metrics: &Exposition) -> Self {
        let events = |labels: &[&str]| metrics.sum("ai_debugger_events_total", labels);
        Self {
            execs: events(&["kind=\"exec\""]),
            exits: events(&["kind=\"exit\""]),
            received: events(&[]),
            sent: metrics.sum("ai_debugger_events_sent_total", &[]),
            lost: metrics.sum("ai_debugger_events_lost_total", &[]),
            lost_grave: metrics.sum("ai_debugger_events_lost_total", &["ring=\"grave\""]),
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            execs: self.execs - before.execs,
            exits: self.exits - before.exits,
            received: self.received - before.received,
            sent: self.sent - before.sent,
            lost: self.lost - before.lost,
            lost_grave: self.lost_grave - before.lost_grave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_metrics() {
        let of = |execs: u32, exits: u32, lost: u32| {
            Events::of(&Exposition(format!(
                "ai_debugger_events_total{{kind=\"exec\",ring=\"common\"}} {execs}\n\
                 ai_debugger_events_total{{kind=\"exit\",ring=\"common\"}} {exits}\n\
                 ai_debugger_events_total{{kind=\"exit\",ring=\"grave\"}} 1\n\
                 ai_debugger_events_sent_total{{kind=\"exit\",ring=\"common\"}} 9\n\
                 ai_debugger_events_lost_total{{ring=\"grave\",kind=\"exit\",reason=\"ring_full\"}} {lost}\n"
            )))
        };
        let since = of(5, 7, 2).since(of(1, 2, 0));
        let want = Events { execs: 4.0, exits: 5.0, received: 9.0, sent: 0.0, lost: 2.0, lost_grave: 2.0 };
        assert_eq!(since, want);
    }
}
