//! `doctor`: what this host can give, a line each, and what to do about the rest. It changes nothing, makes
//! nothing and posts nothing.

mod capabilities;
mod host;
mod report;
mod services;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use self::report::{Check, Status};
use super::output;
use crate::config::{self, Sources};
use crate::health::HookState;
use crate::probes;

/// Hooks without which the daemon cannot say what died.
const ESSENTIAL_HOOKS: [&str; 2] = ["sched_process_exec", "sched_process_exit"];

/// Where the kernel shows itself; elsewhere in tests.
struct Roots {
    proc: PathBuf,
    sys: PathBuf,
    cgroup: PathBuf,
}

/// Checks and prints; whether the main job can run.
pub(super) async fn doctor(sources: &Sources, json: bool) -> Result<bool> {
    let draft = config::load(sources)?;
    let roots = Roots {
        proc: draft.config.proc_root.clone(),
        sys: PathBuf::from("/sys"),
        cgroup: draft.config.cgroup_root.clone(),
    };
    let mut checks = host::checks(&roots);
    checks.extend(capabilities::checks(&roots));
    checks.extend(hooks(&attach(draft.config.btf_path.clone()).await?));
    checks.extend(services::checks(&draft).await);
    checks.extend(draft.warnings.iter().map(|warning| Check::warn("configuration", warning.as_str(), "")));
    let text = if json { report::as_json(&checks) } else { report::as_text(&checks) };
    output::print(&text)?;
    Ok(report::main_job_can_run(&checks))
}

/// Loading programs into the kernel blocks, so it has a thread of its own.
async fn attach(btf: PathBuf) -> Result<Vec<(String, HookState)>> {
    tokio::task::spawn_blocking(move || probes::try_attach(&btf))
        .await
        .context("trying the hooks was broken off")
}

/// A line for each hook.
fn hooks(states: &[(String, HookState)]) -> Vec<Check> {
    let remedy = "run as root or with CAP_BPF and CAP_PERFMON, on a kernel with BTF";
    if states.is_empty() {
        return vec![Check::fail("hooks", "none could be tried", remedy)];
    }
    let any_essential = states.iter().any(|(name, _)| is_essential(name));
    states
        .iter()
        .map(|(name, state)| {
            let reason = state.reason.as_deref().unwrap_or("the kernel did not say why");
            let status = match state.attached {
                true if state.reason.is_some() => Status::Warn,
                true => Status::Ok,
                // Where no name is known, every hook counts.
                false if is_essential(name) || !any_essential => Status::Fail,
                false => Status::Warn,
            };
            let what = format!("hook {name}");
            match status {
                Status::Ok => Check::ok(&what, "attached"),
                status => Check::new(status, &what, reason, remedy),
            }
        })
        .collect()
}

fn is_essential(name: &str) -> bool {
    ESSENTIAL_HOOKS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_hook_fails_where_the_main_job_needs_it() {
        let state = |name: &str, reason: Option<&str>| {
            (name.to_owned(), HookState { attached: reason.is_none(), reason: reason.map(str::to_owned) })
        };
        let fallback = |name: &str| {
            (
                name.to_owned(),
                HookState { attached: true, reason: Some("in fallback, because: no BTF".into()) },
            )
        };
        let exec = "sched_process_exec";
        let exit = "sched_process_exit";
        for (states, want) in [
            (vec![], false),
            (vec![state(exec, None), state(exit, None), state("mark_victim", None)], true),
            (
                vec![state(exec, None), state(exit, None), state("mark_victim", Some("no such tracepoint"))],
                true,
            ),
            (vec![fallback(exec), fallback(exit)], true),
            (vec![state(exec, None), state(exit, Some("EPERM"))], false),
            (vec![state("renamed", Some("EPERM"))], false),
        ] {
            let checks = hooks(&states);
            assert_eq!(report::main_job_can_run(&checks), want, "{checks:?}");
            assert_eq!(checks.len(), states.len().max(1));
        }
    }
}
