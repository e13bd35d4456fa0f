//! Measures the daemon, and other monitors under the same load, on this machine, now; puts each figure beside
//! the bar it has to reach. No figure is printed that this run has not measured.

mod alerts;
mod events;
mod http;
mod idle;
mod incidents;
mod kernel;
mod latency;
pub(crate) mod load;
mod memory;
mod monitors;
mod stop;
mod storm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;
use xtask::process::RootAccess;

use crate::daemon::{Daemon, bare};
use crate::environment::{environment, load_average};
use crate::report::{self, Findings};
use crate::running::{self, guarded};
use crate::workspace::{RunDir, build_release, empty_dir};
use load::{Background, Load};

#[derive(Args)]
pub(crate) struct BenchOptions {
    /// What to measure; everything where nothing is named.
    parts: Vec<BenchPart>,
    /// How often each monitor is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A tenth of the load, one round: to see that it works, not for figures.
    #[arg(long)]
    quick: bool,
    /// Takes the daemon and its examples from this folder instead of building them for release.
    #[arg(long, value_name = "DIR")]
    built: Option<PathBuf>,
    /// Of the alerts' bars only these; all of them where none is named.
    #[arg(long, value_name = "BARS")]
    only: Vec<alerts::Bars>,
    /// Writes every measurement there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl BenchOptions {
    fn size(&self) -> String {
        if self.quick {
            "quick: a tenth of the load, one round".to_owned()
        } else {
            format!("{} rounds", self.rounds)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BenchPart {
    /// Spawn storms: CPU, events, memory and slowdown, beside other monitors.
    Storm,
    /// What an event costs in the kernel.
    Kernel,
    /// From the kernel's time stamp to the process table and to the incident.
    Latency,
    /// The daemon stopped under a storm.
    Stop,
    /// Memory after many processes and with many.
    Memory,
    /// Memory and CPU with nothing going on.
    Idle,
    /// Requests a second, beside a bare handler and the seed's way of serving; memory under many clients.
    Http,
    /// 10,000 different incidents at once: who is told when, and what they cost stored. Fails when a bar is missed.
    Incidents,
    /// Alerts: once, in time and right, whatever happens to model, Slack and daemon. Fails when a bar is missed.
    Alerts,
}

/// What every part works with.
struct Bench {
    load: Load,
    dir: PathBuf,
    /// Held while it is used.
    _claimed: RunDir,
    daemon: PathBuf,
    consumer: PathBuf,
    /// The example that runs what is below the kernel.
    bars: PathBuf,
    /// The example with the client of the HTTP part and the servers it compares with.
    web: PathBuf,
    cores: usize,
    rounds: usize,
    quick: bool,
}

pub(crate) fn bench(options: &BenchOptions) -> Result<ExitCode> {
    if !matches!(RootAccess::find(), RootAccess::Already) {
        bail!("the kernel shows its events to root only: run `cargo xtask bench` as root");
    }
    let began = Instant::now();
    let bench = Bench::prepare(options)?;
    let mut environment = environment(&options.size())?;
    let mut findings = Findings::default();
    let mut missed = Vec::new();
    for part in BenchPart::value_variants() {
        if !options.parts.is_empty() && !options.parts.contains(part) {
            continue;
        }
        eprintln!("bench: {part:?}, {} s after the start", began.elapsed().as_secs());
        let found = match part {
            BenchPart::Storm => storm::measure(&bench),
            BenchPart::Kernel => kernel::measure(&bench),
            BenchPart::Latency => latency::measure(&bench),
            BenchPart::Stop => stop::measure(&bench),
            BenchPart::Memory => memory::measure(&bench),
            BenchPart::Idle => idle::measure(&bench),
            BenchPart::Http => http::measure(&bench),
            BenchPart::Incidents => incidents::measure(&bench),
            BenchPart::Alerts => alerts::measure(&bench, &options.only),
        };
        let found = found.with_context(|| format!("{part:?}"))?;
        // Counts of what must not happen. The others are figures of this machine, now: reported, not judged.
        if matches!(part, BenchPart::Alerts | BenchPart::Incidents) {
            missed.extend(found.figures.iter().filter(|it| !it.is_met()).map(|it| it.name.clone()));
        }
        findings.add(found);
    }
    environment.push(format!("load average at the end: {}", load_average()?));
    report::show(&environment, &findings, options.json.as_deref())?;
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("bench: not met: {}", missed.join("; "));
    Ok(ExitCode::FAILURE)
}

impl Bench {
    fn prepare(options: &BenchOptions) -> Result<Self> {
        let built = match &options.built {
            Some(built) => built.canonicalize().with_context(|| format!("{}", built.display()))?,
            None => {
                build_release(&["--bins", "--example", "bench", "--example", "bars", "--example", "http"])?
                    .join("release")
            }
        };
        let claimed = RunDir::claim(&built.with_file_name("bench"))?;
        let dir = claimed.path.clone();
        Ok(Self {
            load: Load::build(&dir)?,
            daemon: built.join("ai-debugger"),
            consumer: built.join("examples/bench"),
            bars: built.join("examples/bars"),
            web: built.join("examples/http"),
            dir,
            _claimed: claimed,
            cores: available_parallelism()?.get(),
            rounds: if options.quick { 1 } else { options.rounds.max(1) },
            quick: options.quick,
        })
    }

    /// A tenth of it where only a look is asked for.
    const fn scaled(&self, count: u64) -> u64 {
        if self.quick { count / 10 } else { count }
    }

    /// With its defaults, no model and nothing from an earlier one.
    fn start_daemon(&self) -> Result<Daemon> {
        empty_dir(&self.dir.join("data"))?;
        Daemon::start_seeing(bare(guarded(&self.daemon)), &self.dir, &["--no-llm"])
    }

    /// The library's ring reader with nothing behind it, counting processes that have this argument.
    fn start_consumer(&self, mark: &str) -> Result<Background> {
        self.start_example(&["events", mark])
    }

    /// The kernel counts run times of BPF programs until this ends.
    fn start_statistics(&self) -> Result<Background> {
        self.start_example(&["run-time-statistics"])
    }

    fn start_example(&self, args: &[&str]) -> Result<Background> {
        let mut command = Command::new(&self.consumer);
        let mut example = Background::start(command.args(args))?;
        let line = example.line()?;
        anyhow::ensure!(line == "ready\n", "it said {line:?}");
        Ok(example)
    }

    fn start_peer(&self, peer: &monitors::OtherMonitor, program: &Path) -> Result<running::Running> {
        running::Running::start(&mut peer.command(program), &self.peer_output())
    }

    fn peer_output(&self) -> PathBuf {
        self.dir.join("peer.out")
    }
}

/// Numbers as JSON, for the data of a part.
fn values(numbers: &[f64]) -> Value {
    numbers.iter().copied().map(Value::from).collect()
}

const MIB: f64 = 1024.0 * 1024.0;

/// Counts and bytes stay far below 2^52, up to where an f64 is exact.
#[expect(clippy::cast_precision_loss, reason = "see above")]
const fn float(count: u64) -> f64 {
    count as f64
}
