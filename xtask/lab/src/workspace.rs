//! What is built and put under `target/` for a run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use xtask::process;

/// Builds what is named of the daemon's package for release; the folder of what was built.
pub(crate) fn build_release(what: &[&str]) -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "--package", "ai-debugger"]).args(what))?;
    Ok(process::target_dir())
}

/// Compiles a program in C.
pub(crate) fn compile(source: &str, program: &Path, flags: &[&str]) -> Result<()> {
    let file = program.with_extension("c");
    fs::write(&file, source)?;
    process::output(Command::new("cc").args(flags).arg("-o").arg(program).arg(&file))
        .with_context(|| format!("cannot compile {}", file.display()))
        .map(drop)
}

/// The folder, without what a run that was broken off has left in it.
pub(crate) fn empty_dir(dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir)?;
    Ok(dir.to_owned())
}
