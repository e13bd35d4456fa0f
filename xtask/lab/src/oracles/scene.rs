//! What the oracles look at: a running daemon, a program of ours that crashes under it, and what both left at the
//! services around them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use xtask::process;

use super::services::Alertmanager;
use crate::daemon::{Daemon, bare};
use crate::http::wait_for;
use crate::model::{Incident, is_pending, is_sent};
use crate::peers::{self, Mood, SIGNED, Service, base_url};
use crate::running::{Running, bound};
use crate::workspace::compile;

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

/// A running daemon and one incident that it alerted of.
pub(super) struct Scene {
    pub(super) daemon: Daemon,
    /// The crash, as `/api/v1/incidents/{id}` has it; or why this machine allows none.
    pub(super) incident: Result<Incident, String>,
}

/// The crashing program, the daemon's program, where both run, and who is asked and told.
pub(super) struct OracleStage<'a> {
    dir: &'a Path,
    daemon: &'a Path,
    model: Service,
    slack: Service,
    fault: PathBuf,
    name: String,
}

impl<'a> OracleStage<'a> {
    pub(super) fn build(dir: &'a Path, daemon: &'a Path) -> Result<Self> {
        // A process' name has room for 15 bytes.
        let name = format!("orc{}", std::process::id());
        let fault = dir.join(&name);
        compile(PROGRAM, &fault, &[])?;
        Ok(Self { dir, daemon, model: Mood::Answers.start()?, slack: peers::slack()?, fault, name })
    }

    /// The daemon's program with the model at hand.
    fn command(&self) -> Result<Command> {
        let config = self.dir.join("empty.toml");
        fs::write(&config, "")?;
        let mut command = bare(bound(self.daemon));
        command.env("AI_DEBUGGER_CONFIG", config).env("GROQ_API_KEY", "gsk_oracles_only");
        command.env("AI_DEBUGGER_LLM_BASE_URL", base_url(&self.model));
        Ok(command)
    }

    /// `analyze` of a child of ours asks the model: once each by a schema and for JSON.
    pub(super) fn analyze(&self) -> Result<()> {
        let sleeper = Running(bound(&self.fault).arg("wait").spawn()?);
        for model in MODELS {
            let mut analyze = self.command()?;
            analyze.arg("analyze").arg(sleeper.pid().to_string()).env("AI_DEBUGGER_LLM_MODEL", model);
            let said = process::output(&mut analyze)?;
            ensure!(said.contains(SIGNED), "`analyze` did not take the model's answer:\n{said}");
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
        command.env("SLACK_WEBHOOK_URL", self.slack.url("/services/T/B/X"));
        if let Some(it) = alertmanager {
            command.env(ALERTMANAGER, &it.url);
        }
        let daemon = Daemon::start(command, self.dir, &["--scan-interval", "1s"])?;
        let incident = match &daemon.no_events {
            None => Ok(self.crash(&daemon).with_context(|| format!("see {}", self.dir.display()))?),
            Some(why) => Err(why.clone()),
        };
        Ok(Scene { daemon, incident })
    }

    fn crash(&self, daemon: &Daemon) -> Result<Incident> {
        // The core file, where the system makes one of it, goes beside the program.
        let mut crash = Command::new(&self.fault);
        crash.current_dir(self.dir).stdin(Stdio::null()).status()?;
        wait_for("alert of a crash", ALERTED, || {
            let ours = daemon.newest(500).ok()?.into_iter().find(|it| it.process.name == self.name)?;
            let incident: Incident = daemon.client.json(&format!("/api/v1/incidents/{}", ours.id)).ok()?;
            (is_sent(&incident) && !is_pending(&incident)).then_some(incident)
        })
    }

    /// The questions to the model, which only the product asks.
    pub(super) fn questions(&self) -> Result<Vec<Value>> {
        bodies(&self.model)
    }

    /// The messages to Slack.
    pub(super) fn messages(&self) -> Result<Vec<Value>> {
        bodies(&self.slack)
    }
}

/// Everything it was sent; what asks for the list of models has no body.
fn bodies(service: &Service) -> Result<Vec<Value>> {
    let seen = service.seen();
    let bodies = seen.iter().filter(|it| !it.body.is_empty());
    bodies.map(|it| serde_json::from_str(&it.body).context("a body that is no JSON")).collect()
}
