//! What the commands here and those of the lab share: starting programs, digests, what set-up installs for the oracles,
//! and how a command ends that could not do its work.

pub mod digest;
pub mod oracle_tools;
pub mod process;

use std::process::ExitCode;

/// Says why, and the status to end with.
pub fn failed(error: &anyhow::Error) -> ExitCode {
    // Not as `main` would print it: with RUST_BACKTRACE set, the reason drowns in frames.
    eprintln!("xtask: {error:#}");
    ExitCode::FAILURE
}
