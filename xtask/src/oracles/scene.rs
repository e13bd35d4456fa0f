//! What the oracles look at: a running daemon, a program of ours that crashes under it, and what both left at the
//! services around them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::fetch;
use super::services::{Alertmanager, Played, bound};
use crate::bench::running::Running;
use crate::process;

const KEY: &str = "oracles-only-0123456789";
/// The daemon's variable that names an Alertmanager.
pub(super) const ALERTMANAGER: &str = "AI_DEBUGGER_ALERTMANAGER_URL";
/// A model that decodes by a schema, and one that is only asked for JSON.
const MODELS: [&str; 2] = ["openai/gpt-oss-120b", "llama3.2:3b"];
/// Time for the daemon to alert: it waits for the model, and sends one message a second for the whole host.
const ALERTED: Duration = Duration::from_secs(45);

const PROGRAM: &str = "\
#include <unistd.h>
int main(int argc, char **argv) {
    volatile int *nothing = 0;
    (void)argv;
    return argc > 1 ? pause() : *nothing;
}
";

/// A running daemon and one incident that it alerted of; killed when dropped.
pub(super) struct Scene {
    address: SocketAddr,
    _daemon: Running,
    /// The crash, as `/api/v1/incidents/{id}` has it; or why this machine allows none.
    pub(super) incident: Result<Value, String>,
}

/// The crashing program, the daemon's program and where both run.
pub(super) struct Stage<'a> {
    pub(super) dir: &'a Path,
    pub(super) daemon: &'a Path,
    pub(super) played: &'a Played,
    fault: PathBuf,
    name: String,
}

impl<'a> Stage<'a> {
    pub(super) fn build(dir: &'a Path, daemon: &'a Path, played: &'a Played) -> Result<Self> {
        // A process' name has room for 15 bytes.
        let name = format!("orc{}", std::process::id());
        let (source, fault) = (dir.join("crash.c"), dir.join(&name));
        fs::write(&source, PROGRAM)?;
        process::output(Command::new("cc").arg("-o").arg(&fault).arg(&source))?;
        Ok(Self { dir, daemon, played, fault, name })
    }

    /// The daemon's program with the model at hand, and nothing of this machine's configuration.
    fn command(&self) -> Result<Command> {
        let config = self.dir.join("empty.toml");
        fs::write(&config, "")?;
        let mut command = bound(self.daemon);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("AI_DEBUGGER_CONFIG", config).env("GROQ_API_KEY", "gsk_oracles_only");
        command.env("AI_DEBUGGER_LLM_BASE_URL", self.played.url("asked")?).stdin(Stdio::null());
        Ok(command)
    }

    /// `analyze` of a child of ours asks the model: once each by a schema and for JSON.
    pub(super) fn analyze(&self) -> Result<()> {
        let sleeper = Running(bound(&self.fault).arg("wait").stdin(Stdio::null()).spawn()?);
        for model in MODELS {
            let mut analyze = self.command()?;
            analyze.arg("analyze").arg(sleeper.pid().to_string()).env("AI_DEBUGGER_LLM_MODEL", model);
            let said = process::output(&mut analyze)?;
            ensure!(said.contains("THE-MODEL-SPEAKS"), "`analyze` did not take the model's answer:\n{said}");
        }
        Ok(())
    }

    /// Whether the daemon has this setting.
    pub(super) fn knows(&self, variable: &str) -> Result<bool> {
        Ok(process::output(Command::new(self.daemon).args(["run", "--help"]))?.contains(variable))
    }

    /// Starts the daemon, crashes the program, waits until everybody was told.
    pub(super) fn play(&self, alertmanager: Option<&Alertmanager>) -> Result<Scene> {
        let mut command = self.command()?;
        command
            .args(["run", "--listen", "127.0.0.1:0", "--key", KEY, "--data-dir"])
            .arg(self.dir.join("data"));
        command.env("AI_DEBUGGER_SCAN_INTERVAL", "1s").env("SLACK_WEBHOOK_URL", self.played.url("slack")?);
        if let Some(it) = alertmanager {
            command.env(ALERTMANAGER, format!("http://{}", it.address));
        }
        let log = self.dir.join("daemon.log");
        let mut daemon = Running(command.stdout(Stdio::piped()).stderr(fs::File::create(&log)?).spawn()?);
        let mut line = String::new();
        BufReader::new(daemon.0.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let address = line.strip_prefix("ai-debugger is ready: http://").and_then(|it| it.split('/').next());
        let address =
            address.with_context(|| format!("the daemon is not ready; see {}", log.display()))?.parse()?;
        let mut scene = Scene { address, _daemon: daemon, incident: Err(String::new()) };
        let status = scene.json("/api/v1/status")?;
        let hook = &status["hooks"]["sched_process_exit"];
        scene.incident = if hook["attached"] == true {
            Ok(self.crash(&scene).with_context(|| format!("see {}", log.display()))?)
        } else {
            Err(format!("no kernel events here: {}", hook["reason"].as_str().unwrap_or("not attached")))
        };
        Ok(scene)
    }

    fn crash(&self, scene: &Scene) -> Result<Value> {
        // The core file, where the system makes one of it, goes beside the program.
        let mut crash = Command::new(&self.fault);
        crash.current_dir(self.dir).stdin(Stdio::null()).status()?;
        fetch::wait_for("alert of a crash", ALERTED, || {
            let list = scene.json("/api/v1/incidents?limit=500").ok()?;
            let ours = list["incidents"].as_array()?.iter().find(|it| it["process"]["name"] == *self.name)?;
            let incident = scene.json(&format!("/api/v1/incidents/{}", ours["id"].as_str()?)).ok()?;
            let alerts = incident["alerts"].as_array()?;
            let told = alerts.iter().any(|it| it["status"] == "sent");
            (told && alerts.iter().all(|it| it["status"] != "pending")).then_some(incident)
        })
    }
}

impl Scene {
    /// What the daemon answers.
    pub(super) fn text(&self, path: &str, accept: &str) -> Result<String> {
        fetch::text(self.address, path, &format!("Authorization: Bearer {KEY}\r\nAccept: {accept}\r\n"))
    }

    fn json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.text(path, "application/json")?)?)
    }
}
