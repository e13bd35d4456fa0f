//! The services around the daemon: those that the tests play (a model, Slack) and Debian's Alertmanager.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{fetch, tools};
use crate::bench::running::Running;

/// Time for a service to become ready, on a busy machine.
const READY: Duration = Duration::from_secs(20);

/// A command whose process the kernel ends with this program.
pub(super) fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// As [`bound`], for a program of Debian's that was unpacked and not installed: Alertmanager reads its templates from
/// /usr/share, which is the package's own in a mount namespace of its own.
fn at_home(program: &Path) -> Command {
    if !program.starts_with(tools::root()) {
        return bound(program);
    }
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$1\" /usr/share && shift && exec \"$@\"";
    command.args(["--mount", "setpriv", "--pdeathsig", "KILL", "sh", "-c", script, "sh"]);
    command.arg(tools::debian().join("usr/share")).arg(program);
    command
}

/// The services that the tests play, in the example `oracles`.
pub(super) struct Played {
    child: Running,
    output: BufReader<ChildStdout>,
    /// Where they are, as it prints it.
    pub(super) urls: Value,
}

/// What they were sent.
#[derive(Deserialize)]
pub(super) struct Sent {
    /// The questions to the model that only the product asks.
    pub(super) questions: Vec<Value>,
    /// The messages to Slack.
    pub(super) messages: Vec<Value>,
}

impl Played {
    pub(super) fn start(example: &Path) -> Result<Self> {
        let mut command = bound(example);
        let mut child = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut output = BufReader::new(child.0.stdout.take().context("stdout is a pipe")?);
        let urls = line(&mut output).context("the tests' services did not start")?;
        Ok(Self { child, output, urls })
    }

    /// The address of one.
    pub(super) fn url(&self, name: &str) -> Result<&str> {
        self.urls[name].as_str().with_context(|| format!("no {name} in {}", self.urls))
    }

    /// Ends them.
    pub(super) fn end(mut self) -> Result<Sent> {
        drop(self.child.0.stdin.take());
        line(&mut self.output).context("the tests' services do not say what they were sent")
    }
}

fn line<T: DeserializeOwned>(output: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Debian's Alertmanager, which tells nobody.
pub(super) struct Alertmanager {
    pub(super) address: SocketAddr,
    _child: Running,
}

impl Alertmanager {
    pub(super) fn start(program: &Path, dir: &Path) -> Result<Self> {
        let dir = dir.join("alertmanager");
        fs::create_dir_all(&dir)?;
        let config = dir.join("config.yml");
        fs::write(&config, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")?;
        // It does not say which port it got, so it is given one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = dir.join("log");
        let mut command = at_home(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", dir.join("data").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--cluster.listen-address=");
        let child: Child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log)?).spawn()?;
        let it = Self { address, _child: Running(child) };
        fetch::wait_for("answer of Alertmanager", READY, || fetch::text(address, "/-/ready", "").ok())
            .with_context(|| format!("see {}", log.display()))?;
        Ok(it)
    }
}
