//! A family of processes that fills the room for tasks, or forks without end: stop it first, then look why.

use super::commands::{step, supervisor};
use super::thread_explosion::task_limits;
use super::{Opinion, hypothesis, name, who};
use crate::model::{CaseFile, Confidence, Finding, NextStep};
use crate::programs::{Roles, roles_of};

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let pid = file.process.pid;
    let has = |source: &str| file.facts.iter().any(|fact| fact.source == source);
    // What a shell was told to run matters.
    let is_shell = roles_of(&file.process.name).contains(Roles::SHELL);
    let orphans = orphaned_group(file);
    let refused = has("cgroup:pids.events");
    let (what, confidence) = match (is_shell, orphans.is_some()) {
        (true, true) => (
            "is one of many shells that start each other and end, as a fork bomb's do: a function or a script that calls \
             itself in the background",
            if refused { Confidence::High } else { Confidence::Medium },
        ),
        (true, false) => (
            "is a shell whose script starts processes faster than they end: a loop with & and no wait, or a script that \
             calls itself",
            Confidence::Medium,
        ),
        (false, _) => (
            "starts processes and does not wait for them to end: a retry without a pause, a job for every request, or \
             one that starts itself",
            Confidence::Medium,
        ),
    };
    let consequence = if refused {
        "The limit is reached: nothing else under it can start a process, a shell to repair it included"
    } else {
        "When the limit is reached, nothing under it can start a process any more"
    };
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["proc:stat", "scan:history"],
            "A batch job that is meant to be like this, with too much at once: then it ends by itself",
        ),
        hypothesis(
            file,
            finding,
            &["cgroup:pids", "proc:sys"],
            format!("The limit is too small for what {} is meant to run", name(file)),
        ),
    ];
    let mut next_steps = vec![stop(pid, orphans), family(pid, orphans), task_limits(file)];
    next_steps.extend(supervisor(file));
    Opinion {
        cause: format!("{} {what}. {consequence}.", who(file)),
        confidence,
        sources: &["cgroup:pids", "proc:sys"],
        hypotheses,
        next_steps,
    }
}

/// The process group whose leader has ended, by the fact that says so.
fn orphaned_group(file: &CaseFile) -> Option<u32> {
    let texts = file.facts.iter().filter(|fact| fact.source == "proc:stat");
    texts
        .filter_map(|fact| fact.text().strip_prefix("they are process group "))
        .find_map(|rest| rest.split(',').next()?.parse().ok())
}

/// Stopped processes fork no more, and can be looked at; killed one by one they would be replaced.
fn stop(pid: u32, group: Option<u32>) -> NextStep {
    match group {
        Some(group) => step(
            "To stop all of them at once, and look; -KILL in place of -STOP ends them",
            format!("kill -STOP -- -{group}"),
        ),
        None => step(
            "To stop it without killing it yet: it starts no more; then its children, parents first",
            format!("kill -STOP {pid} && pkill -STOP -P {pid}"),
        ),
    }
}

fn family(pid: u32, group: Option<u32>) -> NextStep {
    let why = "Who they are: the most frequent command lines";
    match group {
        Some(group) => {
            step(why, format!("ps -eo pgid=,args= | awk '$1 == {group}' | sort | uniq -c | sort -rn | head"))
        }
        None => step(
            why,
            format!(
                "ps --ppid {pid} -o args= | sort | uniq -c | sort -rn | head; pstree -sp {pid} | head -5"
            ),
        ),
    }
}
