//! Cgroups for the cases, and for a daemon with limits, on v1 and v2: what a case does it does in one of its own, with
//! limits that keep a fork bomb or a leak from the rest of the machine, and with a way to end all of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use xtask::process;

const MOUNT: &str = "/sys/fs/cgroup";
/// The v1 controllers whose hierarchies a case gets a cgroup in.
const V1: [&str; 3] = ["memory", "pids", "freezer"];
/// The one that a share of the CPUs needs besides.
const CPU: &str = "cpu";
/// The kernel's own default of how often a share is handed out.
const CPU_PERIOD_US: u64 = 100_000;
/// How long processes may take to end by themselves.
const GRACE: Duration = Duration::from_secs(2);
/// How long the kernel may take to bury what was killed.
const BURIAL: Duration = Duration::from_secs(10);

/// The cgroup that all cases of one run are in: its folders, one for each hierarchy.
pub(crate) struct Cgroups {
    name: String,
    dirs: Vec<PathBuf>,
    unified: bool,
}

pub(crate) struct Cgroup {
    pub(crate) dirs: Vec<PathBuf>,
}

impl Cgroups {
    pub(crate) fn create(name: &str) -> Result<Self> {
        Self::with(name, &V1, "+memory +pids")
    }

    /// The same, with shares of the CPUs.
    pub(crate) fn with_cpu(name: &str) -> Result<Self> {
        Self::with(name, &[V1.as_slice(), &[CPU]].concat(), "+memory +pids +cpu")
    }

    fn with(name: &str, v1: &[&str], v2: &str) -> Result<Self> {
        let dirs = find(name, v1);
        let unified = is_unified();
        ensure!(!dirs.is_empty(), "no cgroup hierarchy with a memory controller is mounted at {MOUNT}");
        for dir in &dirs {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        if unified {
            for dir in [Path::new(MOUNT), &dirs[0]] {
                fs::write(dir.join("cgroup.subtree_control"), v2)
                    .with_context(|| format!("cannot hand on {v2} in {}", dir.display()))?;
            }
        }
        Ok(Self { name: name.to_owned(), dirs, unified })
    }

    /// A case's cgroup as the daemon tells it.
    pub(crate) fn path(&self, slug: &str) -> String {
        format!("/{}/{slug}", self.name)
    }

    /// A cgroup for one case.
    pub(crate) fn case(&self, slug: &str, memory_mib: Option<u64>, pids: Option<u64>) -> Result<Cgroup> {
        let dirs: Vec<PathBuf> = self.dirs.iter().map(|dir| dir.join(slug)).collect();
        for dir in &dirs {
            fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        }
        let cgroup = Cgroup { dirs };
        if let Some(bytes) = memory_mib.map(|mib| mib << 20) {
            let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
            cgroup.limit(file, bytes)?;
            // Without the rest of the machine's swap; a kernel without swap accounting has no such file.
            if self.unified {
                cgroup.limit("memory.swap.max", 0).ok();
            }
        }
        if let Some(count) = pids {
            cgroup.limit("pids.max", count)?;
        }
        Ok(cgroup)
    }
}

impl Cgroup {
    fn limit(&self, file: &str, value: u64) -> Result<()> {
        let path = self.file(file).with_context(|| format!("no hierarchy has {file}"))?;
        fs::write(&path, value.to_string()).with_context(|| format!("cannot write {}", path.display()))
    }

    /// At most so many per cent of one core.
    pub(crate) fn limit_cpu(&self, percent: u64) -> Result<()> {
        let quota = CPU_PERIOD_US * percent / 100;
        let Some(path) = self.file("cpu.max") else {
            self.limit("cpu.cfs_period_us", CPU_PERIOD_US)?;
            return self.limit("cpu.cfs_quota_us", quota);
        };
        fs::write(&path, format!("{quota} {CPU_PERIOD_US}"))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Bytes in use by all that is in it, page cache and the kernel's own included.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        let path = self.file("memory.current").or_else(|| self.file("memory.usage_in_bytes"));
        let path = path.context("no hierarchy tells the memory in use")?;
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.trim().parse().with_context(|| format!("{} is no number", path.display()))
    }

    /// In words of the shell: enters it.
    pub(crate) fn enter(&self) -> String {
        let into = |dir: &PathBuf| format!("echo $$ >{}/cgroup.procs && ", dir.display());
        self.dirs.iter().map(into).collect()
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        self.dirs.iter().map(|dir| dir.join(name)).find(|path| path.exists())
    }

    /// Ends everything in it, gently first, and removes it.
    pub(crate) fn end(&self) -> Result<()> {
        end(&self.dirs)
    }
}

/// Ends and removes whatever a run of this name has left: for when it could not do so itself.
pub(crate) fn sweep(name: &str) -> Result<()> {
    end(&find(name, &[V1.as_slice(), &[CPU]].concat()))
}

fn is_unified() -> bool {
    Path::new(MOUNT).join("cgroup.controllers").exists()
}

fn find(name: &str, v1: &[&str]) -> Vec<PathBuf> {
    let mount = Path::new(MOUNT);
    if is_unified() {
        return vec![mount.join(name)];
    }
    v1.iter()
        .map(|controller| mount.join(controller))
        .filter(|it| it.is_dir())
        .map(|it| it.join(name))
        .collect()
}

fn end(dirs: &[PathBuf]) -> Result<()> {
    let mut below = Vec::new();
    for dir in dirs {
        collect(dir, &mut below);
    }
    for dir in &below {
        // Nothing new; and what is frozen can't end.
        fs::write(dir.join("pids.max"), "0").ok();
        fs::write(dir.join("freezer.state"), "THAWED").ok();
        fs::write(dir.join("cgroup.freeze"), "0").ok();
    }
    thaw_filesystems(&members(&below));
    signal_until_empty(&below, Signal::TERM, GRACE);
    signal_until_empty(&below, Signal::KILL, BURIAL);
    let began = Instant::now();
    // Deepest first.
    for dir in below.iter().rev() {
        while let Err(error) = fs::remove_dir(dir) {
            if error.kind() == io::ErrorKind::NotFound {
                break;
            }
            ensure!(began.elapsed() < BURIAL, "{} can't be removed: {error}", dir.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    Ok(())
}

/// The folder and those in it, the outer ones first.
fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    if !dir.is_dir() {
        return;
    }
    found.push(dir.to_owned());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|it| it.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

fn members(dirs: &[PathBuf]) -> Vec<i32> {
    let read = |dir: &PathBuf| fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> = dirs
        .iter()
        .flat_map(|dir| read(dir).lines().filter_map(|it| it.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    // 0 is a process outside this pid namespace, and to kill(2) this whole process group.
    pids.retain(|pid| *pid > 1);
    pids
}

fn signal_until_empty(dirs: &[PathBuf], signal: Signal, patience: Duration) {
    let began = Instant::now();
    let mut told = Vec::new();
    loop {
        let pids = members(dirs);
        if pids.is_empty() || began.elapsed() > patience {
            return;
        }
        for pid in pids {
            // Asked once, forced until it is gone.
            if signal == Signal::KILL || !told.contains(&pid) {
                Pid::from_raw(pid).and_then(|pid| kill_process(pid, signal).ok());
                told.push(pid);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A case may have frozen a file system in a mount namespace of its own: what waits for it can't be killed.
fn thaw_filesystems(pids: &[i32]) {
    let target = process::repository().join("target");
    for pid in pids {
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        for point in points.filter(|point| Path::new(point).starts_with(&target)) {
            process::succeeds(
                Command::new("fsfreeze").arg("--unfreeze").arg(format!("/proc/{pid}/root{point}")),
            );
        }
    }
}
