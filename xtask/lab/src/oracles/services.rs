//! The services that the oracles look at beside the daemon: the models that the tests play, and Debian's Alertmanager.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use xtask::oracle_tools;

use crate::http::{Client, wait_for};
use crate::peers::{Mood, base_url};
use crate::running::{Running, bound, within};

/// Time for a service to become ready, on a busy machine.
const READY: Duration = Duration::from_secs(20);

/// As [`bound`], for a program of Debian's that was unpacked and not installed: Alertmanager reads its templates from
/// /usr/share, which is the package's own in a mount namespace of its own.
fn at_home(program: &Path) -> Command {
    if !program.starts_with(oracle_tools::root()) {
        return bound(program);
    }
    let share = oracle_tools::debian().join("usr/share");
    within("mount --bind \"$1\" /usr/share && shift && exec \"$@\"", [&share, program])
}

/// The models that the tests play, in the example `oracles`, and end with it; and the lab's own.
pub(super) struct Played {
    _child: Running,
    /// Where they are, by what is asked of them.
    pub(super) urls: Value,
}

impl Played {
    pub(super) fn start(example: &Path) -> Result<Self> {
        let mut command = bound(example);
        let mut child = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let mut urls: Value = serde_json::from_str(&line).context("the tests' models did not start")?;
        // Apart from the one that the product asks: what that one is sent comes from nobody else.
        let ours = base_url(&Mood::Answers.start()?);
        for asked in ["answers", "models"] {
            urls[asked]["lab's model"] = ours.clone().into();
        }
        Ok(Self { _child: child, urls })
    }
}

/// Debian's Alertmanager, which tells nobody.
pub(super) struct Alertmanager {
    pub(super) client: Client,
    pub(super) url: String,
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
        let child = Running(command.stdout(Stdio::null()).stderr(fs::File::create(&log)?).spawn()?);
        let client = Client::new(address);
        wait_for("answer of Alertmanager", READY, || client.text("/-/ready", "*/*").ok())
            .with_context(|| format!("see {}", log.display()))?;
        Ok(Self { client, url: format!("http://{address}"), _child: child })
    }
}
