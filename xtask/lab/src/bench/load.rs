//! The load: C programs compiled for this run, so that what is measured is the monitor and not the load.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use rustix::process::Signal;
use xtask::process;

use crate::workspace::compile;

/// The program a storm spawns, by the name that monitors show.
pub(crate) const NOOP: &str = "bench-noop";

/// Less CPU than this within [`STEP`] is standing still.
const STILL_NS: u64 = 2_000_000;
const STEP: Duration = Duration::from_millis(500);
/// A monitor that does not come to rest in this time will not.
const SETTLE_DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Load {
    dir: PathBuf,
}

/// What a storm was.
pub(crate) struct Storm {
    pub(crate) seconds: f64,
    pub(crate) made: u64,
    /// Of the last processes, one a line as the program printed them.
    pub(crate) last_pids: Vec<u32>,
}

impl Load {
    pub(crate) fn build(dir: &Path) -> Result<Self> {
        let sources = [
            ("load", include_str!("load.c")),
            (NOOP, include_str!("noop.c")),
            ("crash", include_str!("crash.c")),
        ];
        for (name, source) in sources {
            // Static: a dynamic loader would be most of the life of the processes.
            compile(source, &dir.join(name), &["-O2", "-static"])?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// `count` spawns by so many workers; each process has `mark` as its argument.
    pub(crate) fn storm(&self, count: u64, workers: usize, mark: &str) -> Result<Storm> {
        self.storm_from(&self.dir, count, workers, mark)
    }

    /// The same, of programs in this folder.
    pub(crate) fn storm_from(&self, dir: &Path, count: u64, workers: usize, mark: &str) -> Result<Storm> {
        let text = process::output(&mut self.storm_command(dir, count, workers, mark))?;
        storm(&text)
    }

    /// A folder below /tmp, which is world-writable, with the program that storms spawn.
    pub(crate) fn in_open_folder(&self) -> Result<tempfile::TempDir> {
        let dir = tempfile::Builder::new().prefix("bench").tempdir_in("/tmp")?;
        fs::copy(self.dir.join(NOOP), dir.path().join(NOOP))?;
        Ok(dir)
    }

    /// A storm that lasts until it is ended.
    pub(crate) fn endless_storm(&self, workers: usize, mark: &str) -> Result<Background> {
        Background::start(&mut self.storm_command(&self.dir, 0, workers, mark))
    }

    fn storm_command(&self, dir: &Path, count: u64, workers: usize, mark: &str) -> Command {
        let mut command = Command::new(self.dir.join("load"));
        command.args(["storm", &count.to_string(), &workers.to_string()]).arg(dir.join(NOOP)).arg(mark);
        command
    }

    /// Processes that do nothing until they are ended; how many there are, and why not more.
    pub(crate) fn sleepers(&self, count: u64) -> Result<(Background, u64, String)> {
        let mut background =
            Background::start(Command::new(self.dir.join("load")).args(["sleepers", &count.to_string()]))?;
        let line = background.line()?;
        let (made, why) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        Ok((background, made.parse().context("not a count of sleepers")?, why.to_owned()))
    }

    /// CPU time of a process so far, in nanoseconds.
    pub(crate) fn cpu_ns(&self, pid: u32) -> Result<u64> {
        let text = process::output(Command::new(self.dir.join("load")).args(["cpu", &pid.to_string()]))?;
        text.trim().parse().context("not a count of nanoseconds")
    }

    /// Waits until a process stands still: has done what it had to do; its CPU time then, in nanoseconds.
    pub(crate) fn settle(&self, pid: u32) -> Result<u64> {
        let began = Instant::now();
        let mut before = self.cpu_ns(pid)?;
        loop {
            std::thread::sleep(STEP);
            let now = self.cpu_ns(pid).context("it ended by itself")?;
            if now - before < STILL_NS {
                return Ok(now);
            }
            ensure!(
                began.elapsed() < SETTLE_DEADLINE,
                "it did not come to rest within {} s",
                SETTLE_DEADLINE.as_secs()
            );
            before = now;
        }
    }

    /// Starts a program of this name that ends by SIGSEGV, and waits for its end; when it was started.
    pub(crate) fn crash(&self, name: &str) -> Result<Instant> {
        let program = self.dir.join(name);
        // A name of its own makes each an incident of its own; a link takes no time.
        fs::hard_link(self.dir.join("crash"), &program)?;
        let began = Instant::now();
        let status = Command::new(&program).status();
        fs::remove_file(&program)?;
        ensure!(status?.signal() == Some(Signal::SEGV.as_raw()), "the crash did not crash");
        Ok(began)
    }
}

/// A load in the background; ends with its stdin, so never later than this program.
pub(crate) struct Background {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Background {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("stdout is a pipe")?;
        Ok(Self { child, stdout: BufReader::new(stdout) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line it prints.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        ensure!(!line.is_empty(), "it ended before its time");
        Ok(line)
    }

    /// Ends it; the rest of what it printed.
    pub(crate) fn end(mut self) -> Result<String> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it failed: {status}");
        Ok(text)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// What a storm printed: nanoseconds, spawned, failed; then pids.
pub(crate) fn storm(text: &str) -> Result<Storm> {
    let (first, rest) = text.split_once('\n').context("the storm said nothing")?;
    let numbers: Vec<u64> = first.split(' ').map_while(|it| it.parse().ok()).collect();
    let [ns, made, failed] = numbers[..] else { anyhow::bail!("not a storm's result: {first}") };
    ensure!(failed == 0, "{failed} spawns failed");
    let seconds = Duration::from_nanos(ns).as_secs_f64();
    Ok(Storm { seconds, made, last_pids: rest.lines().filter_map(|line| line.parse().ok()).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storms_result() {
        let it = storm("1500000000 20000 0\n12\n13\n").unwrap();
        assert!((it.seconds - 1.5).abs() < 1e-9);
        assert_eq!((it.made, it.last_pids), (20_000, vec![12, 13]));
        for bad in ["", "1 2\n", "x 2 0\n", "1 2 3\n"] {
            assert!(storm(bad).is_err(), "{bad:?}");
        }
    }
}
