//! `doctor`: what this host can give, a line each, and what to do about the rest. It changes nothing, makes
//! nothing and posts nothing.

mod capabilities;
mod confinement;
mod host;
mod report;
mod roots;
mod services;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use self::report::{Check, Status};
use self::roots::Roots;
use super::output;
use crate::config::{self, Sources};
use crate::coverage::{Delivery, Hook};
use crate::probes;

/// Hooks without which the daemon cannot say what died.
const ESSENTIAL_HOOKS: [Hook; 2] = [Hook::Exec, Hook::Exit];

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
    checks.extend(confinement::checks().await);
    checks.extend(hooks(&attach(draft.config.btf_path.clone()).await?));
    checks.extend(services::checks(&draft).await);
    checks.extend(draft.warnings.iter().map(|warning| Check::warn("configuration", warning.as_str(), "")));
    let text = if json { report::as_json(&checks) } else { report::as_text(&checks) };
    output::print(&text)?;
    Ok(report::main_job_can_run(&checks))
}

/// Loading programs into the kernel blocks, so it has a thread of its own.
async fn attach(btf: PathBuf) -> Result<Vec<(Hook, Delivery)>> {
    tokio::task::spawn_blocking(move || probes::try_attach(&btf))
        .await
        .context("the attempt to attach the hooks was aborted")
}

/// A line for each hook.
fn hooks(states: &[(Hook, Delivery)]) -> Vec<Check> {
    let remedy = "run as root or with CAP_BPF and CAP_PERFMON, on a kernel with BTF";
    if states.is_empty() {
        return vec![Check::fail("hooks", "no hook could be tried", remedy)];
    }
    let any_essential = states.iter().any(|(hook, _)| is_essential(*hook));
    states
        .iter()
        .map(|(hook, delivery)| {
            let reason = delivery.reason().unwrap_or("the kernel did not say why");
            let status = match delivery {
                Delivery::Complete => Status::Ok,
                Delivery::Reduced(_) => Status::Warn,
                // Where none of these was tried, every hook counts.
                Delivery::Absent(_) if is_essential(*hook) || !any_essential => Status::Fail,
                Delivery::Absent(_) => Status::Warn,
            };
            let what = format!("hook {hook}");
            match status {
                Status::Ok => Check::ok(&what, "attached"),
                status => Check::new(status, &what, reason, remedy),
            }
        })
        .collect()
}

fn is_essential(hook: Hook) -> bool {
    ESSENTIAL_HOOKS.contains(&hook)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_hook_fails_where_the_main_job_needs_it() {
        let absent = |why: &str| Delivery::Absent(why.to_owned());
        let reduced = || Delivery::Reduced("in fallback, because: no BTF".to_owned());
        use Delivery::Complete;
        for (states, want) in [
            (vec![], false),
            (vec![(Hook::Exec, Complete), (Hook::Exit, Complete), (Hook::OomVictim, Complete)], true),
            (
                vec![
                    (Hook::Exec, Complete),
                    (Hook::Exit, Complete),
                    (Hook::OomVictim, absent("no such tracepoint")),
                ],
                true,
            ),
            (vec![(Hook::Exec, reduced()), (Hook::Exit, reduced())], true),
            (vec![(Hook::Exec, Complete), (Hook::Exit, absent("EPERM"))], false),
            (vec![(Hook::Fork, absent("EPERM"))], false),
        ] {
            let checks = hooks(&states);
            assert_eq!(report::main_job_can_run(&checks), want, "{checks:?}");
            assert_eq!(checks.len(), states.len().max(1));
        }
    }
}
