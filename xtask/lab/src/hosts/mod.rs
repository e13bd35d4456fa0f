//! Judges the daemon on a real host: boots a Debian with systemd, cgroup v2 and podman in qemu, installs the daemon there
//! as `deploy/README.md` says, lets units and containers end in every way they can, and compares what was said of each
//! with what has to be said. systemd never runs on this machine itself.

mod case;
mod image;
mod report;
mod results;
mod score;
mod share;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Args;
use xtask::process::{self, RootAccess};

use crate::emulator::{self, Machine, tail};
use crate::environment::environment;
use crate::report::{conclude, is_asked_for};
use crate::workspace::{RunDir, build_static};
use case::{Case, Way};
use image::{HostImage, HostKernel};
use report::Judged;
use results::Results;
use share::{Share, build_programs};

const MEMORY_MIB: u32 = 2048;
/// What a boot, the daemon's start and the end of a host may take at the most, and each case.
const BOOT_S: u64 = 1500;
const CASE_S: u64 = 120;

#[derive(Args)]
pub(crate) struct HostsOptions {
    /// Parts of cases' names; all cases where nothing is named.
    names: Vec<String>,
    /// Ways of running the daemon, one host each; all of them where none is named, with --quick only `unit`.
    #[arg(long, value_delimiter = ',')]
    way: Vec<Way>,
    /// The cases that tell most, as the unit alone: within a quarter of an hour.
    #[arg(long)]
    quick: bool,
    /// The host's kernel.
    #[arg(long, value_enum, default_value_t)]
    kernel: HostKernel,
    /// Judges the static daemon of this folder instead of building one for debugging.
    #[arg(long, value_name = "DIR")]
    built: Option<PathBuf>,
    /// Judges again what the last run of these cases left, without a boot.
    #[arg(long)]
    again: bool,
    /// Writes every case and incident there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Names the cases and ends.
    #[arg(long)]
    list: bool,
}

pub(crate) fn hosts(options: &HostsOptions) -> Result<ExitCode> {
    let cases: Vec<Case> = case::all()?.into_iter().filter(|case| options.names_case(case)).collect();
    if options.list {
        for case in &cases {
            println!("{:32} {}", case.name, case.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(!cases.is_empty(), "no case is called that; `--list` has them");
    let environment = environment(if options.quick { "quick" } else { "in full" })?;
    let run = process::repository().join("target/hosts/run");
    let judged =
        if options.again { judge_again(options, &run, &cases)? } else { play(options, &run, &cases)? };
    let findings = report::findings(&judged);
    conclude(&environment, &findings, options.json.as_deref())
}

impl HostsOptions {
    fn names_case(&self, case: &Case) -> bool {
        is_asked_for(&case.name, &self.names) && (case.quick || !self.quick)
    }

    fn ways(&self) -> Vec<Way> {
        match (self.way.is_empty(), self.quick) {
            (false, _) => Way::ALL.into_iter().filter(|way| self.way.contains(way)).collect(),
            (true, true) => vec![Way::Unit],
            (true, false) => Way::ALL.to_vec(),
        }
    }
}

/// One host after another: they would share this machine's cores.
fn play(options: &HostsOptions, run: &Path, cases: &[Case]) -> Result<Vec<Judged>> {
    emulator::find("--hosts")?;
    if !matches!(RootAccess::find(), RootAccess::Already) {
        bail!("a host's files belong to its root: run `cargo xtask hosts` as root");
    }
    let image = HostImage::prepare(options.kernel)?;
    let daemon = match &options.built {
        Some(dir) => dir.join("ai-debugger"),
        None => build_static()?,
    };
    ensure!(daemon.is_file(), "there is no {}", daemon.display());
    let run = RunDir::claim(run)?;
    let programs = build_programs(&run.path)?;
    let mut judged = vec![];
    for way in options.ways() {
        let share = Share::of(&run.path, way, cases);
        share.fill(way, &daemon, &programs)?;
        boot(way, &image, &share, &run.path)?;
        judged.push(Judged::new(way, Results::read(&share.out(), share.cases)?));
    }
    Ok(judged)
}

fn judge_again(options: &HostsOptions, run: &Path, cases: &[Case]) -> Result<Vec<Judged>> {
    let judge = |way| {
        let share = Share::of(run, way, cases);
        Ok(Judged::new(way, Results::read(&share.out(), share.cases)?))
    };
    options.ways().into_iter().map(judge).collect()
}

/// One host, until it powers off. A host that hangs is judged by what it left.
fn boot(way: Way, image: &HostImage, share: &Share, run: &Path) -> Result<()> {
    let log = run.join(format!("{way}.console"));
    eprintln!("hosts: boots a host with the daemon as {way}, console in {}", log.display());
    let devices = [
        // What is written is gone at the end: every host begins as it was made.
        "-drive".to_owned(),
        format!("file={},if=virtio,format=raw,snapshot=on", image.disk.display()),
        "-virtfs".to_owned(),
        format!("local,path={},mount_tag=lab,security_model=none", share.dir.display()),
    ];
    let cases = u64::try_from(share.cases.len()).unwrap_or(u64::MAX);
    let machine = Machine {
        kernel: &image.kernel,
        initrd: &image.initrd,
        memory_mib: MEMORY_MIB,
        append: "root=/dev/vda rw panic=30",
        devices: &devices,
        deadline: Duration::from_secs(BOOT_S + CASE_S * cases),
    };
    let began = Instant::now();
    let ended = machine.run(&log);
    eprintln!("hosts: {way}: {:.0} s", began.elapsed().as_secs_f64());
    if let Err(error) = ended {
        let console = fs::read(&log).unwrap_or_default();
        eprintln!(
            "hosts: {way}: {error:#}; the console's end:\n{}",
            tail(&String::from_utf8_lossy(&console))
        );
    }
    Ok(())
}
