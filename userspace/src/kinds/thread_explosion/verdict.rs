//! Threads that do not end, or a limit that is too small for them.

use super::facts::ThreadFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::kinds::shared::limits::task_limits;
use crate::kinds::shared::trend;
use crate::model::Confidence;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let pid = file.process.pid;
    let grows = trend::says_growth(file, finding);
    let count = file.cited(finding).find_map(|fact| match fact.data.as_threads() {
        Some(ThreadFact::ThreadCount { threads }) => Some(format!(" ({threads} now)")),
        _ => None,
    });
    let count = count.unwrap_or_default();
    let consequence =
        "At the limit pthread_create() and fork() fail with EAGAIN (\"Resource temporarily unavailable\")";
    let (cause, confidence) = if grows {
        (
            format!(
                "{} starts threads that do not end{count}: one for each task or connection, and they wait, \
                 most often all for the same lock, server or pool. {consequence}.",
                who(file)
            ),
            Confidence::Medium,
        )
    } else {
        (
            format!(
                "{} has nearly as many threads as its limit allows{count}, and their number has not grown \
                 while watched: either it is intended to be this large, and the limit is too low, or they piled up earlier. {consequence}.",
                who(file)
            ),
            Confidence::Low,
        )
    };
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["cgroup:pids", "proc:limits", "proc:sys"],
            "The limit (pids.max, TasksMax, RLIMIT_NPROC) is too low for the load",
        ),
        hypothesis(
            file,
            finding,
            &[trend::SOURCE, "proc:stat"],
            format!(
                "What {} waits for has become slow: then threads pile up without a fault in the program",
                name(file)
            ),
        ),
    ];
    let mut next_steps = vec![
        step(
            "Its threads by name and by what they wait for",
            format!("ps -L -p {pid} -o comm=,wchan:32= | sort | uniq -c | sort -rn | head -20"),
        ),
        step(
            "Where they wait in the program's own code",
            format!("timeout 20 jstack {pid} || gdb -p {pid} -batch -ex 'thread apply all bt 8' | head -200"),
        ),
        task_limits(file),
    ];
    next_steps.push(supervisor(file).unwrap_or_else(|| logs(file)));
    Opinion { cause, confidence, sources: &["cgroup:pids", "proc:sys"], hypotheses, next_steps }
}

#[cfg(test)]
mod tests;
