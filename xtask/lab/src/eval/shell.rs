//! Makes a case happen: its script in a folder and a cgroup of its own, what it tells, its end.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use xtask::process;

use super::case::{Case, Role};
use super::incident::{Sightings, now_s};
use super::score::{Outcome, score};
use super::windows::{SCAN_INTERVAL, Windows};
use crate::cgroup::{Cgroup, Cgroups};

const STEP: Duration = Duration::from_millis(20);
/// How long an incident may take before its fault is a missed one: far above the bar, so that one that is late is
/// told as late.
const PATIENCE_S: f64 = 8.0;
/// How long after a fault was found, and after a near miss is over, something false may still be raised.
const LINGER_S: f64 = 1.5;
const SETTLE_S: f64 = 2.0 * SCAN_INTERVAL.as_secs_f64() + 0.5;

/// The status by which a script says that this machine can't do it: as automake's tests do.
const NOT_HERE: i32 = 77;

pub(super) struct EvalStage<'a> {
    pub(super) dir: PathBuf,
    pub(super) programs: PathBuf,
    /// A folder in a world-writable place.
    pub(super) loose: PathBuf,
    pub(super) cgroups: Cgroups,
    pub(super) sightings: &'a Sightings,
}

impl EvalStage<'_> {
    /// Makes it happen, and waits for what the daemon makes of it.
    pub(super) fn play(&self, case: &Case) -> Outcome {
        let dir = self.dir.join("cases").join(case.slug());
        let mut outcome = Outcome {
            started_s: now_s(),
            cgroup: self.cgroups.path(&case.slug()),
            dir: dir.display().to_string(),
            ..Outcome::default()
        };
        if let Err(error) = self.try_play(case, &dir, &mut outcome) {
            outcome.ended_s = now_s();
            outcome.broken = Some(format!("{error:#}"));
        }
        outcome
    }

    fn try_play(&self, case: &Case, dir: &Path, outcome: &mut Outcome) -> Result<()> {
        fs::create_dir_all(dir)?;
        let cgroup = self.cgroups.case(&case.slug(), case.memory_mib, case.pids)?;
        let told = AlarmListener::listen(&dir.join("events"))?;
        let mut child = self.start(case, dir, &cgroup)?;
        let waited = if case.is_fault() {
            self.await_alarm(case, &mut child, &told, outcome)
        } else {
            await_end(case, &mut child, outcome)
        };
        told.fill(case, outcome);
        outcome.ended_s = now_s();
        // The script is ours to wait for, the rest is init's; both only after they were told to end.
        let ended = cgroup.end();
        child.kill().ok();
        child.wait()?;
        told.end()?;
        waited.and(ended)
    }

    fn start(&self, case: &Case, dir: &Path, cgroup: &Cgroup) -> Result<Child> {
        let script = dir.join("case.sh");
        fs::write(&script, format!("{}{}\n", include_str!("prelude.sh"), case.run))?;
        let log = File::create(dir.join("log"))?;
        let python = Path::new("/usr/bin/python3");
        let found = if process::is_program(python) {
            Some(python.to_owned())
        } else {
            process::find_in_path("python3")
        };
        // Who started this in the background ignores Ctrl-C, or SIGHUP, and so would every case.
        let usual = ["--default-signal", "/bin/sh"];
        let env = Command::new("env").args(&usual[..1]).arg("true").stderr(Stdio::null()).status();
        let mut command = if env.is_ok_and(|status| status.success()) {
            let mut command = Command::new("env");
            command.args(usual);
            command
        } else {
            Command::new("/bin/sh")
        };
        command.arg(script).args(&cgroup.dirs).current_dir(dir).env_clear();
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        for (name, otherwise) in [
            ("CARGO", "cargo".into()),
            ("CARGO_HOME", home.join(".cargo")),
            ("RUSTUP_HOME", home.join(".rustup")),
        ] {
            command.env(name, std::env::var_os(name).map_or(otherwise, PathBuf::from));
        }
        command
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", dir)
            .env("LC_ALL", "C.UTF-8")
            .env("EVENTS", dir.join("events"))
            .env("PROGRAMS", &self.programs)
            .env("PYTHON", found.unwrap_or_default())
            .env("LOOSE", &self.loose)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for this program, which ends the cases in order.
            .process_group(0);
        command.spawn().context("cannot start /bin/sh")
    }

    /// Until the fault was found, or has been missed.
    fn await_alarm(
        &self,
        case: &Case,
        child: &mut Child,
        told: &AlarmListener,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut found_s = None;
        loop {
            std::thread::sleep(STEP);
            if child.try_wait()?.is_some_and(|status| status.code() == Some(NOT_HERE)) {
                outcome.not_here = true;
                return Ok(());
            }
            let now = now_s();
            told.fill(case, outcome);
            outcome.ended_s = now;
            if found_s.is_none() && score(case, outcome, &self.sightings.all()).delay_s.is_some() {
                found_s = Some(now);
            }
            let deadline = match (found_s, outcome.real_s) {
                (Some(at), Some(_)) => at + LINGER_S,
                (_, Some(real_s)) => real_s + PATIENCE_S,
                _ => outcome.started_s + seconds(case.within_s),
            };
            if now > deadline {
                ensure!(outcome.real_s.is_some(), "it was no fault within {} s", case.within_s);
                return Ok(());
            }
        }
    }
}

/// Until it has run, and a little longer.
fn await_end(case: &Case, child: &mut Child, outcome: &mut Outcome) -> Result<()> {
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        ensure!(
            now_s() < outcome.started_s + seconds(case.within_s),
            "it still runs after {} s",
            case.within_s
        );
        std::thread::sleep(STEP);
    };
    if case.role != Role::Idle {
        std::thread::sleep(Duration::from_secs_f64(SETTLE_S));
    }
    outcome.not_here = status.code() == Some(NOT_HERE);
    if !status.success() && !outcome.not_here {
        outcome.broken = Some(format!("its script failed: {status}"));
    }
    Ok(())
}

fn seconds(count: u64) -> f64 {
    Duration::from_secs(count).as_secs_f64()
}

/// What a case tells by way of its pipe.
struct AlarmListener {
    lines: Arc<Mutex<VecDeque<(f64, String)>>>,
    pipe: File,
    reader: JoinHandle<()>,
}

/// Ends the reader; no case tells it.
const END: &str = "end of the case";

impl AlarmListener {
    fn listen(path: &Path) -> Result<Self> {
        fs::remove_file(path).ok();
        process::output(Command::new("mkfifo").arg(path))?;
        // Open for writing, too: else it would end with its first writer.
        let pipe = File::options().read(true).write(true).open(path)?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (theirs, input) = (Arc::clone(&lines), BufReader::new(pipe.try_clone()?));
        let reader = std::thread::spawn(move || {
            for line in input.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if line == END {
                    return;
                }
                theirs.lock().unwrap_or_else(PoisonError::into_inner).push_back((now_s(), line));
            }
        });
        Ok(Self { lines, pipe, reader })
    }

    fn fill(&self, case: &Case, outcome: &mut Outcome) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
        let (culprits, crossed) = read(&lines);
        outcome.culprits = culprits;
        outcome.real_s = crossed.get(case.nth - 1).map(|at| at + Windows::held(case.held).as_secs_f64());
    }

    fn end(mut self) -> Result<()> {
        writeln!(self.pipe, "{END}")?;
        self.reader.join().ok();
        Ok(())
    }
}

/// The culprits, and when the fault was real: by the program's clock where it looked, else when its line came.
fn read(lines: &[(f64, &str)]) -> (Vec<u32>, Vec<f64>) {
    let told = |line: &str, word: &str| Some(line.strip_prefix(word)?.trim().to_owned());
    let culprits = lines.iter().filter_map(|(_, line)| told(line, "culprit")?.parse().ok());
    let crossed = lines.iter().filter_map(|(at, line)| Some(told(line, "crossed")?.parse().unwrap_or(*at)));
    (culprits.collect(), crossed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let lines = [
            (1.0, "culprit 12"),
            (2.0, "crossed 1.5"),
            (3.0, "crossed"),
            (3.0, "culprit x"),
            (4.0, "something else"),
            (5.0, "culprit 13"),
        ];
        assert_eq!(read(&lines), (vec![12, 13], vec![1.5, 3.0]));
    }

    #[test]
    fn the_pipe_outlives_its_writers() {
        let dir = std::env::temp_dir().join(format!("eval-told-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let told = AlarmListener::listen(&dir.join("events")).unwrap();
        for line in ["culprit 5\n", "crossed 2.0\n", "crossed 3.0\n"] {
            fs::write(dir.join("events"), line).unwrap();
        }
        let case = Case::new(Role::Noise, "n", "", "").nth(2);
        let mut outcome = Outcome::default();
        while outcome.real_s.is_none() {
            told.fill(&case, &mut outcome);
        }
        assert_eq!((outcome.culprits, outcome.real_s), (vec![5], Some(3.0)));
        told.end().unwrap();
        fs::remove_dir_all(dir).unwrap();
    }
}
