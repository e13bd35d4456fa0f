//! What is built and put under `target/` for a run.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xtask::process;

const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds what is named of the daemon's package for release; the folder of what was built.
pub(crate) fn build_release(what: &[&str]) -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "--package", "ai-debugger"]).args(what))?;
    Ok(process::target_dir())
}

/// Builds the daemon as one static binary, for guests. Not optimized: emulated, it starts in seconds of CPU time, and the
/// other build takes far longer.
pub(crate) fn build_static() -> Result<PathBuf> {
    let target_dir = process::repository().join("target/static");
    process::run(
        process::cargo()
            .args(["build", "--locked", "--package", "ai-debugger"])
            // With a target named, build scripts and macros are not made static.
            .args(["--target", STATIC_TARGET, "--target-dir"])
            .arg(&target_dir)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_STRIP", "symbols"),
    )?;
    Ok(target_dir.join(STATIC_TARGET).join("debug/ai-debugger"))
}

/// Compiles a program in C.
pub(crate) fn compile(source: &str, program: &Path, flags: &[&str]) -> Result<()> {
    let file = program.with_extension("c");
    fs::write(&file, source)?;
    process::output(Command::new("cc").args(flags).arg("-o").arg(program).arg(&file))
        .with_context(|| format!("cannot compile {}", file.display()))
        .map(drop)
}

/// The folder of one run, empty, and nobody else's until the run is over.
pub(crate) struct RunDir {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// An error where another run is using it: what that has in it would be gone.
    pub(crate) fn claim(dir: &Path) -> Result<Self> {
        let lock = dir.with_extension("lock");
        if let Some(above) = dir.parent() {
            fs::create_dir_all(above)?;
        }
        let file = File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another run is using {}: wait for its end", dir.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", lock.display()));
            }
        }
        Ok(Self { path: empty_dir(dir)?.canonicalize()?, _lock: file })
    }
}

/// The folder, without what a run that was broken off has left in it.
pub(crate) fn empty_dir(dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir)?;
    Ok(dir.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_runs_and_what_it_left_is_gone() {
        let above = tempfile::tempdir().unwrap();
        let dir = above.path().join("target/run");
        let first = RunDir::claim(&dir).unwrap();
        fs::write(first.path.join("file"), "").unwrap();
        let refused = RunDir::claim(&dir).err().unwrap().to_string();
        assert!(refused.contains("another run is using"), "{refused}");
        assert!(first.path.join("file").exists());
        drop(first);
        let second = RunDir::claim(&dir).unwrap();
        assert!(!second.path.join("file").exists());
    }
}
