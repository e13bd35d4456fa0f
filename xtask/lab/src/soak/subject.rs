//! The daemon that is watched: in a cgroup of its own with little memory and CPU, with receivers that fail and recover,
//! started anew when it ends by itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::bench::load::Load;
use crate::cgroup::Cgroup;
use crate::daemon::{Daemon, bare};
use crate::metrics::Metrics;
use crate::peers::{PeerRequest, Receivers, Reception, ServedReply, now_ms};
use crate::running::{memory_bytes, status_number, within};

/// As the unit's `MemoryMax` and `CPUQuota`.
pub(super) const MEMORY_MIB: u64 = 64;
pub(super) const CPU_PERCENT: u64 = 10;
/// Each mood of the receivers, in turn; every other one is good.
const MOOD_MS: i64 = 20_000;
/// How long the last events may take to be recorded.
const SETTLE: Duration = Duration::from_secs(20);

pub(super) struct Subject<'a> {
    pub(super) daemon: Daemon,
    program: &'a Path,
    dir: PathBuf,
    cgroup: &'a Cgroup,
    receivers: Receivers,
    /// How often it ended by itself.
    pub(super) restarts: u64,
    /// What those before this one counted.
    before: Counts,
}

/// What the daemon counts, from the start of the soak on.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) urgent_lost: f64,
    pub(super) common_lost: f64,
    pub(super) crashes: f64,
    pub(super) oom_kills: f64,
    pub(super) given_up: f64,
    pub(super) sent: f64,
    pub(super) retried: f64,
}

/// What it uses now.
pub(super) struct Usage {
    pub(super) rss_bytes: u64,
    pub(super) pss_bytes: u64,
    pub(super) anonymous_bytes: u64,
    pub(super) cgroup_bytes: u64,
    pub(super) threads: u64,
    pub(super) descriptors: usize,
    pub(super) disk_bytes: u64,
    pub(super) cpu_ns: u64,
}

impl<'a> Subject<'a> {
    pub(super) fn start(program: &'a Path, dir: &Path, cgroup: &'a Cgroup) -> Result<Self> {
        let receivers = Receivers::in_mood(false, |_: &PeerRequest| mood())?;
        let daemon = start(program, dir, cgroup, &receivers)?;
        let dir = dir.to_owned();
        Ok(Self { daemon, program, dir, cgroup, receivers, restarts: 0, before: Counts::default() })
    }

    /// Starts it anew if it has ended; whether it had.
    pub(super) fn revive(&mut self, last: &Counts) -> Result<bool> {
        if self.daemon.is_running() {
            return Ok(false);
        }
        self.restarts += 1;
        self.before = *last;
        eprintln!("soak: the daemon ended by itself; see {}", self.dir.join("daemon.log").display());
        self.daemon = start(self.program, &self.dir, self.cgroup, &self.receivers)?;
        Ok(true)
    }

    pub(super) fn counts(&self) -> Result<Counts> {
        let now = Counts::of(&self.daemon.metrics()?);
        Ok(self.before.plus(&now))
    }

    pub(super) fn usage(&self, load: &Load) -> Result<Usage> {
        let pid = self.daemon.pid();
        Ok(Usage {
            rss_bytes: self.daemon.rss_bytes()?,
            pss_bytes: self.daemon.pss_bytes()?,
            anonymous_bytes: memory_bytes(pid, "status", "RssAnon")?,
            cgroup_bytes: self.cgroup.memory_bytes()?,
            threads: status_number(pid, "Threads")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            disk_bytes: folder_bytes(&self.dir.join("data"))?,
            cpu_ns: load.cpu_ns(pid)?,
        })
    }

    /// Waits until what was seen last is counted.
    pub(super) fn settle(&self, is_all: impl Fn(&Counts) -> bool) -> Result<Counts> {
        let began = Instant::now();
        loop {
            let counts = self.counts()?;
            if is_all(&counts) || began.elapsed() > SETTLE {
                return Ok(counts);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Whom incidents name, once it is all of these or nothing more comes: the counts are of the whole host, on which
    /// others may crash, too.
    pub(super) fn told(&self, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        let began = Instant::now();
        loop {
            let told = self.daemon.incidents()?.into_iter().map(|it| it.process.name).collect();
            if wanted.is_subset(&told) || began.elapsed() > SETTLE {
                return Ok(told);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Counts {
    fn of(metrics: &Metrics) -> Self {
        let lost = |ring| metrics.sum("ai_debugger_events_lost_total", &[("ring", ring)]);
        let seen = |kind| metrics.sum("ai_debugger_events_total", &[("kind", kind)]);
        let alerts = |outcome| metrics.sum("ai_debugger_alerts_total", &[("outcome", outcome)]);
        Self {
            urgent_lost: lost("grave") + lost("crash"),
            common_lost: lost("common"),
            crashes: seen("crash"),
            oom_kills: seen("oom_kill"),
            given_up: alerts("failed"),
            sent: alerts("sent"),
            retried: alerts("retried"),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            urgent_lost: self.urgent_lost + other.urgent_lost,
            common_lost: self.common_lost + other.common_lost,
            crashes: self.crashes + other.crashes,
            oom_kills: self.oom_kills + other.oom_kills,
            given_up: self.given_up + other.given_up,
            sent: self.sent + other.sent,
            retried: self.retried + other.retried,
        }
    }
}

fn start(program: &Path, dir: &Path, cgroup: &Cgroup, receivers: &Receivers) -> Result<Daemon> {
    let script = format!(
        "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; {} exec \"$@\"",
        cgroup.enter()
    );
    let mut command = bare(within(&script, [program]));
    receivers.configure(&mut command);
    Daemon::start_seeing(command, dir, &["--no-llm"])
}

/// All receivers have the same one, by the clock.
fn mood() -> Reception {
    let fails = |status, header| {
        let body = "not now".to_owned();
        Reception::Fails(ServedReply::Answer { status, header, body, after: Duration::ZERO })
    };
    match now_ms() / MOOD_MS % 10 {
        1 => fails(503, None),
        3 => fails(429, Some(("retry-after", "3"))),
        5 => Reception::Fails(ServedReply::Drop),
        7 => Reception::Fails(ServedReply::Hang),
        9 => Reception::Takes { after: Duration::from_secs(2) },
        _ => Reception::Takes { after: Duration::ZERO },
    }
}

fn folder_bytes(dir: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        // A file that is gone by now takes no room.
        let Ok(it) = entry?.metadata() else { continue };
        sum += if it.is_file() { it.len() } else { 0 };
    }
    Ok(sum)
}
