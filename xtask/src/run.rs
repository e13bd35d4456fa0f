//! Builds the daemon and becomes it, as root where that is possible.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::process::{self, RootAccess};

/// The variables that sudo must let through: the daemon's own and its services'.
const PASSED_ON: [&str; 5] = ["AI_DEBUGGER_", "GROQ_", "SLACK_", "RUST_LOG", "NO_COLOR"];

pub(crate) fn run(args: &[OsString]) -> Result<ExitCode> {
    process::run(process::cargo().args(["build", "--release", "--package", "ai-debugger"]))?;
    let program = process::target_dir().join("release/ai-debugger");

    let mut command = match RootAccess::find() {
        RootAccess::Already => Command::new(&program),
        RootAccess::Sudo { path, .. } => {
            eprintln!("runs through sudo: loading eBPF programs takes root");
            let mut command = Command::new(path);
            command.args(preserved(std::env::vars_os().map(|(name, _)| name))).arg("--").arg(&program);
            command
        }
        RootAccess::No => {
            eprintln!(
                "runs without root, because there is no sudo or nobody to type its password: degraded to what \
                 /proc shows, with no kernel events and little of other users' processes"
            );
            Command::new(&program)
        }
    };
    // exec, so that signals and the terminal are the daemon's.
    let error = command.arg("run").args(args).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

fn preserved(names: impl Iterator<Item = OsString>) -> Option<OsString> {
    let mut names: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| PASSED_ON.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    names.sort();
    (!names.is_empty()).then(|| format!("--preserve-env={}", names.join(",")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_daemons_variables_go_through_sudo() {
        let check = |names: &[&str], expected: Option<&str>| {
            let names = names.iter().map(OsString::from);
            assert_eq!(preserved(names), expected.map(OsString::from));
        };
        check(&[], None);
        check(&["HOME", "LD_PRELOAD", "MY_GROQ_API_KEY"], None);
        check(
            &["SLACK_WEBHOOK_URL", "PATH", "GROQ_API_KEY", "AI_DEBUGGER_LISTEN"],
            Some("--preserve-env=AI_DEBUGGER_LISTEN,GROQ_API_KEY,SLACK_WEBHOOK_URL"),
        );
    }
}
