//! A family of processes that fills the room for tasks, or forks without end: stop it first, then look why.

use super::facts::ForkFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::kinds::shared::limits::task_limits;
use crate::kinds::shared::trend::SOURCE;
use crate::model::{Confidence, NextStep};
use crate::programs::{Roles, roles_of};

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let pid = file.process.pid;
    // What a shell was told to run matters.
    let is_shell = roles_of(&file.process.name).contains(Roles::SHELL);
    let facts = || file.cited(finding).filter_map(|fact| fact.data.as_forks());
    let orphans = facts().find_map(|fact| match fact {
        ForkFact::OrphanedGroup { group } => Some(*group),
        _ => None,
    });
    let refused = facts().any(|fact| matches!(fact, ForkFact::ForksRefused { .. }));
    let (what, confidence) = match (is_shell, orphans.is_some()) {
        (true, true) => (
            "is one of many shells that start each other and exit, like a fork bomb: a function or a script \
             that calls itself in the background",
            if refused { Confidence::High } else { Confidence::Medium },
        ),
        (true, false) => (
            "is a shell whose script starts processes faster than they end: a loop with & and no wait, or a script that \
             calls itself",
            Confidence::Medium,
        ),
        (false, _) => (
            "starts processes without waiting for them to end: a retry without a pause, a job for every \
             request, or a program that starts itself",
            Confidence::Medium,
        ),
    };
    let consequence = if refused {
        "The limit is reached: nothing else under it can start a process, not even a shell to repair it"
    } else {
        "Once the limit is reached, nothing under it can start a process"
    };
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["proc:stat", SOURCE],
            "A batch job that is intended to do this, with too much at once: then it ends by itself",
        ),
        hypothesis(
            file,
            finding,
            &["cgroup:pids", "proc:sys"],
            format!("The limit is too low for what {} is intended to run", name(file)),
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

/// Stopped processes fork no more, and can be looked at; killed one by one they would be replaced.
fn stop(pid: u32, group: Option<u32>) -> NextStep {
    match group {
        Some(group) => step(
            "To pause all of them at once and examine them; -KILL instead of -STOP ends them",
            format!("kill -STOP -- -{group}"),
        ),
        None => step(
            "To pause it without killing it: it starts no more processes; then its children, parents first",
            format!("kill -STOP {pid} && pkill -STOP -P {pid}"),
        ),
    }
}

fn family(pid: u32, group: Option<u32>) -> NextStep {
    let why = "What they are: the most frequent command lines";
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

#[cfg(test)]
mod tests;
