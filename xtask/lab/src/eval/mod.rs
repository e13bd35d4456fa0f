//! Judges the daemon: makes a labelled corpus of real faults happen beside the release build on this kernel, with
//! their near misses and with the noise of a busy machine, and counts what was found, what was missed and what
//! was raised for nothing.

mod case;
mod corpus;
mod incident;
mod report;
mod score;
mod shell;
mod windows;

use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use xtask::process::{self, RootAccess};

use crate::cgroup::Cgroups;
use crate::daemon::{Daemon, bare};
use crate::environment::{environment, load_average};
use crate::janitor::{self, Janitor};
use crate::report::{Findings, conclude, is_asked_for};
use crate::running::guarded;
use crate::workspace::{RunDir, build_release, compile};
use case::{Case, Role};
use incident::{Sightings, now_s};
use report::{Played, Results, Skipped};
use score::{Outcome, score};
use shell::EvalStage;
use windows::Windows;

/// Cases that happen at the same time, of those that need not be alone.
const LANES: usize = 3;
/// What the idle of a full run takes.
const IDLE_MINUTES: u64 = 10;

#[derive(Args)]
pub(crate) struct EvalOptions {
    /// Kinds, or parts of cases' names; everything where nothing is named.
    names: Vec<String>,
    /// The shortest case or two of each kind, and no idle: less than four minutes.
    #[arg(long)]
    quick: bool,
    /// So many minutes of idle at the end; 10 in a full run, none where cases are named or with --quick.
    #[arg(long, value_name = "MINUTES")]
    idle: Option<u64>,
    /// Writes every case and incident there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Judges this daemon instead of building one.
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Names the cases and ends.
    #[arg(long)]
    list: bool,
    /// Waits for the end of stdin, then ends what the run of this name has left.
    #[arg(long, hide = true, value_name = "RUN")]
    janitor: Option<String>,
}

pub(crate) fn eval(options: &EvalOptions) -> Result<ExitCode> {
    if let Some(run) = &options.janitor {
        return clean_up_after(run);
    }
    let cases: Vec<Case> = corpus::all().filter(|case| options.names_case(case)).collect();
    if options.list {
        for case in &cases {
            println!("{:36} {}", case.name, case.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(!cases.is_empty() || options.idle.is_some(), "no case is called that; `--list` has them");
    if !matches!(RootAccess::find(), RootAccess::Already) {
        bail!("the kernel shows its events, and lends cgroups, to root only: run `cargo xtask eval` as root");
    }
    let mut environment = environment(if options.quick { "quick" } else { "in full" })?;
    let findings = run(options, cases)?;
    environment.push(format!("load average at the end: {}", load_average()?));
    conclude(&environment, &findings, options.json.as_deref())
}

impl EvalOptions {
    fn names_case(&self, case: &Case) -> bool {
        is_asked_for(case.name, &self.names) && (case.quick || !self.quick)
    }

    fn idle_minutes(&self) -> u64 {
        let full = self.names.is_empty() && !self.quick;
        self.idle.unwrap_or(if full { IDLE_MINUTES } else { 0 })
    }
}

fn run(options: &EvalOptions, cases: Vec<Case>) -> Result<Findings> {
    let (program, target) = match &options.daemon {
        Some(program) => (program.canonicalize()?, process::target_dir()),
        None => {
            let target = build_release(&["--bins"])?;
            (target.join("release/ai-debugger"), target)
        }
    };
    let claimed = RunDir::claim(&target.join("eval"))?;
    let dir = claimed.path.clone();
    let name = format!("ai-debugger-eval-{}", std::process::id());
    let _janitor = Janitor::hire("eval", &name)?;
    let help = process::output(Command::new(&program).args(["run", "--help"]))?;
    let windows = Windows::of_help(&help);
    let sightings = Sightings::default();
    let stage = EvalStage {
        programs: build_programs(&dir)?,
        loose: loose_dir(&name)?,
        cgroups: Cgroups::create(&name)?,
        sightings: &sightings,
        dir: dir.clone(),
    };
    let flags = [vec!["--no-llm".to_owned()], windows.arguments()].concat();
    let mut daemon = Daemon::start_seeing(bare(guarded(&program)), &dir, &flags)?;
    let stop = AtomicBool::new(false);
    let (outcomes, mut skipped, watched) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| sightings.watch(&daemon, &stop));
        let (mut outcomes, skipped) = play(&stage, cases);
        if options.idle_minutes() > 0 {
            outcomes.push(idle(options.idle_minutes()));
        }
        stop.store(true, Ordering::Relaxed);
        (outcomes, skipped, watcher.join())
    });
    watched.map_err(|_| anyhow::anyhow!("reading incidents failed"))??;
    ensure!(daemon.is_running(), "the daemon ended by itself; see {}", dir.join("daemon.log").display());
    let seen = sightings.all();
    let (not_here, outcomes): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, it)| it.not_here);
    let why = || "this machine can't do it; the case's log says why".to_owned();
    skipped.extend(not_here.into_iter().map(|(case, _)| Skipped { case, why: why() }));
    let played = outcomes.into_iter().map(|(case, outcome)| {
        let score = score(&case, &outcome, &seen);
        Played { case, outcome, score }
    });
    let played: Vec<Played> = played.collect();
    Ok(report::findings(&Results { played: &played, skipped: &skipped, windows: &windows, seen: &seen }))
}

/// All cases: in lanes those that may have company, then the others.
fn play(stage: &EvalStage<'_>, cases: Vec<Case>) -> (Vec<(Case, Outcome)>, Vec<Skipped>) {
    let missing = |case: &Case| case.needs.iter().find(|name| process::find_in_path(name).is_none());
    let (cases, skipped): (Vec<Case>, Vec<Case>) = cases.into_iter().partition(|it| missing(it).is_none());
    let why = |case: Case| {
        let why = missing(&case).map_or_else(String::new, |name| {
            format!("{name} is not installed; `cargo xtask setup --eval` brings it")
        });
        eprintln!("eval: {}: skipped: {why}", case.name);
        Skipped { case, why }
    };
    let skipped = skipped.into_iter().map(why).collect();
    let total = cases.len();
    let (alone, together): (VecDeque<Case>, VecDeque<Case>) = cases.into_iter().partition(|case| case.alone);
    let outcomes = Mutex::new(Vec::new());
    for (cases, lanes) in [(Mutex::new(together), LANES), (Mutex::new(alone), 1)] {
        std::thread::scope(|scope| {
            for _ in 0..lanes {
                scope.spawn(|| {
                    while let Some(case) = pop(&cases) {
                        let outcome = stage.play(&case);
                        let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        outcomes.push((case, outcome));
                        tell(stage, &outcomes, total);
                    }
                });
            }
        });
    }
    (outcomes.into_inner().unwrap_or_else(PoisonError::into_inner), skipped)
}

fn pop(cases: &Mutex<VecDeque<Case>>) -> Option<Case> {
    cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// How the last one went.
fn tell(stage: &EvalStage<'_>, outcomes: &[(Case, Outcome)], total: usize) {
    let Some((case, outcome)) = outcomes.last() else { return };
    let score = score(case, outcome, &stage.sightings.all());
    let alarms = score.false_alarms.len() + score.wrong_process.len();
    let how = match (&outcome.broken, case.is_fault(), score.delay_s) {
        _ if outcome.not_here => "not possible here".to_owned(),
        (Some(why), ..) => format!("BROKEN: {why}"),
        (None, true, Some(delay_s)) => format!("found after {delay_s:.2} s"),
        (None, true, None) => "MISSED".to_owned(),
        (None, false, _) => "over".to_owned(),
    };
    let falsely = if alarms > 0 { format!(", {alarms} FALSE") } else { String::new() };
    let seconds = outcome.ended_s - outcome.started_s;
    eprintln!("eval: {:3} of {total}: {}: {how}{falsely} ({seconds:.1} s)", outcomes.len(), case.name);
}

fn idle(minutes: u64) -> (Case, Outcome) {
    eprintln!("eval: idle for {minutes} minutes");
    let started_s = now_s();
    std::thread::sleep(Duration::from_secs(60 * minutes));
    let case = Case::new(Role::Idle, "noise/idle", "nothing at all", "");
    (case, Outcome { started_s, ended_s: now_s(), ..Outcome::default() })
}

/// Compiles and writes the corpus's programs; their folder.
fn build_programs(dir: &Path) -> Result<PathBuf> {
    let programs = dir.join("programs");
    fs::create_dir_all(&programs)?;
    fs::write(programs.join("fault.py"), include_str!("programs/fault.py"))?;
    fs::write(programs.join("container.sh"), include_str!("programs/container.sh"))?;
    for (name, flags) in [
        ("fault", &["-O1", "-g", "-fno-omit-frame-pointer", "-static"][..]),
        ("stripped", &["-O2", "-fomit-frame-pointer", "-s"]),
    ] {
        // Its faults are on purpose.
        let flags = [flags, &["-w", "-pthread"]].concat();
        compile(include_str!("programs/fault.c"), &programs.join(name), &flags)?;
    }
    Ok(programs)
}

/// Where anybody may write: a case of its own puts its program there.
fn loose_dir(name: &str) -> Result<PathBuf> {
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777))?;
    Ok(dir)
}

fn clean_up_after(run: &str) -> Result<ExitCode> {
    janitor::clean_up_after(run)?;
    fs::remove_dir_all(std::env::temp_dir().join(run)).ok();
    Ok(ExitCode::SUCCESS)
}
