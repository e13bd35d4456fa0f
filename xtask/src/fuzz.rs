//! Runs the fuzzer's targets (`xtask/fuzz`, in cargo-fuzz's layout), one after the other. What they find new is kept below
//! target/; the corpus in the repository is small, and the tests replay it.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::process;

/// One input that takes longer is a finding.
const INPUT_TIMEOUT_S: u32 = 10;
/// As is one that takes more memory.
const MEMORY_MIB: u32 = 2048;

#[derive(Args)]
pub(crate) struct FuzzOptions {
    /// Of the targets only these; all of them where none is named.
    targets: Vec<String>,
    /// How long each runs.
    #[arg(long, default_value_t = 120)]
    seconds: u32,
}

pub(crate) fn fuzz(options: &FuzzOptions) -> Result<ExitCode> {
    let folder = process::repository().join("xtask/fuzz");
    let all = targets(&folder)?;
    for name in &options.targets {
        ensure!(all.contains(name), "there is no target {name}; there are {}", all.join(", "));
    }
    let wanted = |name: &&String| options.targets.is_empty() || options.targets.contains(name);
    let mut failed = Vec::new();
    let toolchain = toolchain()?;
    for name in all.iter().filter(wanted) {
        if process::run(&mut command(toolchain, &folder, name, options.seconds)?).is_err() {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        println!("fuzz: nothing found");
        return Ok(ExitCode::SUCCESS);
    }
    println!("fuzz: FOUND SOMETHING: {}; the inputs are in target/fuzz/artifacts", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Installs cargo-fuzz and a nightly toolchain.
pub(crate) fn install() -> Result<()> {
    if !has_cargo_fuzz() {
        process::run(process::cargo().args(["install", "--locked", "cargo-fuzz"]))?;
    }
    if !has_nightly() {
        let rustup = process::find_in_path("rustup")
            .context("the fuzzer's sanitizers need a nightly compiler: install rustup (https://rustup.rs)")?;
        process::run(Command::new(rustup).args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    println!("setup: `cargo xtask fuzz` has what it needs");
    Ok(())
}

fn toolchain() -> Result<&'static str> {
    ensure!(has_cargo_fuzz(), "cargo-fuzz is not installed: run `cargo xtask setup --fuzz`");
    ensure!(
        has_nightly(),
        "there is no nightly compiler, which the fuzzer needs: run `cargo xtask setup --fuzz`"
    );
    Ok("nightly")
}

fn has_cargo_fuzz() -> bool {
    process::succeeds(process::cargo().args(["fuzz", "--version"]))
}

fn has_nightly() -> bool {
    process::succeeds(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]))
}

fn command(toolchain: &str, folder: &Path, name: &str, seconds: u32) -> Result<Command> {
    let target = process::target_dir().join("fuzz");
    let (found, artifacts) = (target.join("corpus").join(name), target.join("artifacts").join(name));
    for dir in [&found, &artifacts] {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let mut command = Command::new("rustup");
    // What cargo has set for this program is of another toolchain.
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    command.current_dir(process::repository());
    command.args(["run", toolchain, "cargo", "fuzz", "run", "--fuzz-dir"]).arg(folder);
    command.arg("--target-dir").arg(target.join("build")).arg(name);
    // The first is where new inputs go.
    command.arg(found).arg(folder.join("corpus").join(name)).arg("--");
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-timeout={INPUT_TIMEOUT_S}")).arg(format!("-rss_limit_mb={MEMORY_MIB}"));
    command.arg("-print_final_stats=1").arg(format!("-artifact_prefix={}/", artifacts.display()));
    Ok(command)
}

fn targets(folder: &Path) -> Result<Vec<String>> {
    let programs = folder.join("fuzz_targets");
    let entries = fs::read_dir(&programs).with_context(|| format!("cannot read {}", programs.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.path().file_stem().and_then(|it| it.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}
