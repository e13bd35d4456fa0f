//! Hands `bench`, `eval`, `hosts`, `oracles`, `soak` and `vm` over to the lab, a crate of its own: whoever only runs or tests the daemon
//! never compiles it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::process;

/// Builds the lab and becomes it, so that signals and the terminal are its own.
pub(crate) fn lab(command: &str, args: &[OsString]) -> Result<ExitCode> {
    let mut cargo = process::cargo();
    let error = cargo.args(["run", "--quiet", "--package", "lab", "--", command]).args(args).exec();
    Err(error).context("cannot start cargo")
}
