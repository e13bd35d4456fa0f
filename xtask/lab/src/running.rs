//! A process of ours that runs: started so that it ends with this program, measured from outside, ended in order.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a signal may take before the next, harder one.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process of ours; killed when dropped, and by the kernel should this program die first.
pub(crate) struct Running(pub(crate) Child);

/// A command whose process the kernel ends with this program.
pub(crate) fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).stdin(Stdio::null());
    command
}

/// As [`bound`], and with tracefs, in a mount namespace of its own.
pub(crate) fn guarded(program: &Path) -> Command {
    within(
        "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing; exec \"$@\"",
        [program],
    )
}

/// As [`bound`], in a mount namespace of its own, where this script begins it with these arguments.
pub(crate) fn within<const N: usize>(script: &str, args: [&Path; N]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "setpriv", "--pdeathsig", "KILL", "sh", "-c", script, "sh"]).args(args);
    command.stdin(Stdio::null());
    command
}

impl Running {
    /// Starts it with its output in a file.
    pub(crate) fn start(command: &mut Command, output: &Path) -> Result<Self> {
        let file = File::create(output)?;
        let errors = File::create(output.with_extension("err"))?;
        Ok(Self(command.stdout(file).stderr(errors).spawn()?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.0);
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", pid.as_raw_nonzero()))
    }

    /// Ends it as a person at a terminal would, harder if it takes that for nothing.
    pub(crate) fn end(mut self) -> Result<()> {
        for signal in [Signal::INT, Signal::TERM] {
            self.signal(signal)?;
            let began = Instant::now();
            while began.elapsed() < PATIENCE {
                if self.0.try_wait()?.is_some() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        bail!("it ends neither on SIGINT nor on SIGTERM")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A value of /proc/PID/status or smaps_rollup, which have it in kB, in bytes.
pub(crate) fn memory_bytes(pid: u32, file: &str, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    kilobytes(&text, field).with_context(|| format!("{file} has no {field}"))
}

/// A number of /proc/PID/status without a unit.
pub(crate) fn status_number(pid: u32, field: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.with_context(|| format!("status has no {field}"))?;
    value.trim().parse().with_context(|| format!("{field} is no number"))
}

fn kilobytes(text: &str, field: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|it| it * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_status() {
        let text = "Name:\tx\nVmHWM:\t   84628 kB\nVmRSSX:\t1 kB\nThreads:\t3\n";
        for (field, want) in [("VmHWM", Some(84_628 * 1024)), ("VmRSS", None), ("Threads", None)] {
            assert_eq!(kilobytes(text, field), want, "{field}");
        }
    }
}
