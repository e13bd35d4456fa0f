//! What happens on the host while the daemon is watched: processes that come and go, live, crash, leak, fail, and are
//! killed for want of memory. Each kind has a thread of its own and a pace.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use xtask::process;

use super::pace::Pace;
use crate::bench::load::Load;
use crate::cgroup::Cgroup;
use crate::running::bound;

/// Short processes, so many at a time and so often: about a hundred a second, as a busy build makes.
const BATCH: u64 = 50;
const BATCH_EVERY: Duration = Duration::from_millis(500);
/// Processes that live for a while, all at once: each scan sees them.
const LIVING: u64 = 2000;
const LIVING_FOR: Duration = Duration::from_secs(45);
const LIVING_EVERY: Duration = Duration::from_secs(75);
/// One crash in this time, by names that come back: some loop, most do not.
const CRASH_EVERY: Duration = Duration::from_secs(4);
const CRASH_NAMES: u64 = 40;
const OOM_EVERY: Duration = Duration::from_secs(15);
/// What is taken by one that may not: four times its cgroup's limit.
const OOM_MIB: u64 = 64;
pub(super) const OOM_LIMIT_MIB: u64 = OOM_MIB / 4;
const EXIT_EVERY: Duration = Duration::from_secs(5);
const LEAK_EVERY: Duration = Duration::from_secs(60);
const LEAK: [&str; 3] = ["leak", "96", "40"];
const SHELL_EVERY: Duration = Duration::from_secs(1);

/// What happened so far.
#[derive(Default)]
pub(super) struct Made {
    pub(super) processes: AtomicU64,
    pub(super) crashes: AtomicU64,
    pub(super) oom_kills: AtomicU64,
    pub(super) failures: AtomicU64,
    crashed: Mutex<BTreeSet<String>>,
}

impl Made {
    /// The names of the programs that crashed.
    pub(super) fn crashed(&self) -> BTreeSet<String> {
        self.crashed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(super) struct Churn<'a> {
    pub(super) load: Load,
    /// The program that goes wrong.
    pub(super) faults: PathBuf,
    /// Where memory is short.
    pub(super) tight: &'a Cgroup,
    pub(super) pace: &'a Pace,
    pub(super) made: Made,
}

impl Churn<'_> {
    /// What there is to do; each until the end.
    pub(super) const fn kinds<'a>(&self) -> [fn(&Self) -> Result<()>; 7]
    where
        Self: 'a,
    {
        [Self::short, Self::living, Self::crashes, Self::oom_kills, Self::failures, Self::leaks, Self::shells]
    }

    fn short(&self) -> Result<()> {
        self.pace.each(BATCH_EVERY, |_| {
            let storm = self.load.storm(BATCH, 1, "soak")?;
            self.made.processes.fetch_add(storm.made, Ordering::Relaxed);
            Ok(())
        })
    }

    fn living(&self) -> Result<()> {
        self.pace.each(LIVING_EVERY, |_| {
            let (sleepers, made, _) = self.load.sleepers(LIVING)?;
            self.made.processes.fetch_add(made, Ordering::Relaxed);
            self.pace.sleep(LIVING_FOR);
            sleepers.end().map(drop)
        })
    }

    fn crashes(&self) -> Result<()> {
        self.pace.each(CRASH_EVERY, |turn| {
            // Every third one is the same program's.
            let name = if turn % 3 == 0 { 0 } else { turn % CRASH_NAMES };
            let name = format!("soak-{name}");
            self.load.crash(&name)?;
            self.made.crashes.fetch_add(1, Ordering::Relaxed);
            self.made.crashed.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
            Ok(())
        })
    }

    fn oom_kills(&self) -> Result<()> {
        let script = format!("{} exec \"$@\"", self.tight.enter());
        self.pace.each(OOM_EVERY, |_| {
            let mut command = bound("sh".as_ref());
            command.args(["-c", &script, "sh"]).arg(&self.faults).args(["fill", &OOM_MIB.to_string()]);
            let status = command.status().context("cannot start what fills memory")?;
            ensure!(status.signal() == Some(Signal::KILL.as_raw()), "too much memory: {status}");
            self.made.oom_kills.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn failures(&self) -> Result<()> {
        self.pace.each(EXIT_EVERY, |_| {
            let status = Command::new(&self.faults).args(["exit", "3"]).stdin(Stdio::null()).status()?;
            ensure!(status.code() == Some(3), "a failure: {status}");
            self.made.failures.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn leaks(&self) -> Result<()> {
        self.pace.each(LEAK_EVERY, |_| {
            let mut leak = bound(&self.faults).args(LEAK).spawn()?;
            while leak.try_wait()?.is_none() {
                if self.pace.is_over() {
                    leak.kill()?;
                }
                self.pace.sleep(Duration::from_secs(1));
            }
            Ok(())
        })
    }

    /// Real programs with real files behind them.
    fn shells(&self) -> Result<()> {
        self.pace.each(SHELL_EVERY, |_| {
            process::output(Command::new("sh").args(["-c", "ls /etc | sort | head -n 3"]))?;
            self.made.processes.fetch_add(4, Ordering::Relaxed);
            Ok(())
        })
    }
}
