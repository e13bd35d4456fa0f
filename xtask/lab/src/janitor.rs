//! Cleans up when this program is gone, however it went.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::cgroup;

/// A process in a process group of its own, so that Ctrl-C does not reach it, that waits for the end of its stdin.
pub(crate) struct Janitor(Child);

impl Janitor {
    /// The command has a `--janitor RUN` that calls [`clean_up_after`].
    pub(crate) fn hire(command_name: &str, run: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([command_name, "--janitor", run]).process_group(0).stdin(Stdio::piped());
        Ok(Self(command.spawn().context("cannot start what cleans up")?))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

/// Waits until who hired it is gone; then ends what is left in the cgroups of this name, and removes them.
pub(crate) fn clean_up_after(run: &str) -> Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    cgroup::sweep(run)
}
