//! Real faults, made by children of this program: a crash, an OOM kill, a program that poses as a kernel thread,
//! descriptors that run out.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use super::super::Bench;
use crate::workspace::compile;

/// What the OOM kill's cgroup may hold.
const ROOM_BYTES: u64 = 16 << 20;
/// Where anybody may write.
const LOOSE: &str = "/dev/shm";

/// Compiled for this run.
pub(super) struct Faults {
    crash: PathBuf,
    faults: PathBuf,
    dir: PathBuf,
}

/// One that goes on; ended when dropped.
pub(super) struct Going {
    child: Child,
    remove: Vec<PathBuf>,
}

impl Going {
    /// Has it crash, where that is what it waits for.
    pub(super) fn crash(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        for path in &self.remove {
            // A cgroup is a folder, a program a file.
            fs::remove_dir(path).or_else(|_| fs::remove_file(path)).ok();
        }
    }
}

impl Faults {
    pub(super) fn build(bench: &Bench) -> Result<Self> {
        let dir = bench.dir.join("faults");
        fs::create_dir_all(&dir)?;
        let faults = dir.join("faults");
        compile(include_str!("faults.c"), &faults, &["-O1", "-static"])?;
        Ok(Self { crash: bench.dir.join("crash"), faults, dir })
    }

    /// The crashing program under this name, in this folder below the run's own.
    pub(super) fn crashing(&self, name: &str, below: &str) -> Result<PathBuf> {
        let dir = self.dir.join(below);
        fs::create_dir_all(&dir)?;
        link(&self.crash, &dir.join(name))
    }

    /// One that crashes at once.
    pub(super) fn crash(&self, name: &str) -> Result<()> {
        let program = self.crashing(name, "")?;
        quiet(&mut Command::new(&program)).status()?;
        fs::remove_file(program)?;
        Ok(())
    }

    pub(super) fn fds(&self, name: &str) -> Result<Going> {
        let program = link(&self.faults, &self.dir.join(name))?;
        Ok(Going { child: quiet(Command::new(&program).arg("fds")).spawn()?, remove: vec![program] })
    }

    /// One that crashes when it is told to: after a while of work that is more severe than at once.
    pub(super) fn waiting(&self, name: &str) -> Result<Going> {
        let program = link(&self.faults, &self.dir.join(name))?;
        let mut command = Command::new(&program);
        let child = quiet(command.arg("wait")).stdin(Stdio::piped()).spawn()?;
        Ok(Going { child, remove: vec![program] })
    }

    /// In a cgroup that has less memory than it takes.
    pub(super) fn oom(&self, name: &str) -> Result<Going> {
        let program = link(&self.faults, &self.dir.join(name))?;
        let (cgroup, limit) = cgroup(name);
        fs::create_dir_all(&cgroup)?;
        let file = cgroup.join(limit);
        fs::write(&file, ROOM_BYTES.to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
        // A kernel without swap accounting has no such file.
        fs::write(cgroup.join("memory.swap.max"), "0").ok();
        let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&cgroup).arg(&program).arg("eat");
        Ok(Going { child: quiet(&mut command).spawn()?, remove: vec![cgroup, program] })
    }

    /// From where anybody may write, under a name of the kernel's own threads: two signs at once.
    pub(super) fn posing(&self, name: &str) -> Result<Going> {
        let program = Path::new(LOOSE).join(format!(".{name}"));
        fs::copy("/bin/sleep", &program)?;
        let mut command = Command::new(&program);
        let child = quiet(command.arg0("[kworker/7:1]").arg("4")).spawn()?;
        Ok(Going { child, remove: vec![program] })
    }
}

/// The memory controller's folder of that name, and what its limit is called.
fn cgroup(name: &str) -> (PathBuf, &'static str) {
    let mount = Path::new("/sys/fs/cgroup");
    if mount.join("cgroup.controllers").exists() {
        (mount.join(name), "memory.max")
    } else {
        (mount.join("memory").join(name), "memory.limit_in_bytes")
    }
}

fn link(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::remove_file(to).ok();
    fs::hard_link(from, to).with_context(|| format!("cannot link {}", to.display()))?;
    Ok(to.to_owned())
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
