//! The daemon under test, with a model and receivers of ours: started, asked, killed, started again on the same data.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::daemon::{Daemon, bare};
use crate::model::{Incident, is_pending};
use crate::peers::{Receivers, Service, base_url};
use crate::running::guarded;

const POLL: Duration = Duration::from_millis(100);

/// How to start one.
pub(super) struct BenchedDaemon<'a> {
    pub(super) program: &'a Path,
    /// Its data and its log are in there.
    pub(super) dir: &'a Path,
    pub(super) model: &'a Service,
    pub(super) receivers: &'a Receivers,
    pub(super) flags: &'a [&'a str],
}

impl BenchedDaemon<'_> {
    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    pub(super) fn start(&self) -> Result<Daemon> {
        let mut command = bare(guarded(self.program));
        command
            .env("GROQ_API_KEY", "gsk_benchmark_only")
            .env("AI_DEBUGGER_LLM_BASE_URL", base_url(self.model));
        self.receivers.configure(&mut command);
        Daemon::start_seeing(command, self.dir, &[&["--scan-interval", "1s"], self.flags].concat())
    }
}

/// All incidents that are about a process whose name or program begins so.
pub(super) fn incidents(daemon: &Daemon, prefix: &str) -> Result<Vec<Incident>> {
    let mut all = daemon.incidents()?;
    all.retain(|it| {
        let last = it.process.exe.as_deref().and_then(|it| it.rsplit('/').next()).unwrap_or_default();
        [it.process.name.as_str(), last].iter().any(|it| it.starts_with(prefix))
    });
    Ok(all)
}

/// Asks again until there are as many as wanted and none has an alert to be sent, or until the time is over; what there
/// is then.
pub(super) fn settled(
    daemon: &Daemon,
    prefix: &str,
    wanted: usize,
    within: Duration,
) -> Result<Vec<Incident>> {
    let began = Instant::now();
    loop {
        let incidents = incidents(daemon, prefix)?;
        let done = incidents.len() >= wanted && !incidents.iter().any(is_pending);
        if done || began.elapsed() > within {
            return Ok(incidents);
        }
        std::thread::sleep(POLL);
    }
}
