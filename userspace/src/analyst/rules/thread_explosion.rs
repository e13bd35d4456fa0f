//! Threads that do not end, or a limit that is too small for them.

use super::commands::{logs, quote, step, supervisor};
use super::frozen::Frozen;
use super::{Opinion, hypothesis, name, who};
use crate::model::{CaseFile, Confidence, Finding, NextStep};

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let pid = file.process.pid;
    let grows = file.facts.iter().any(|fact| fact.source == "scan:history");
    let count = Frozen(file).status_number("Threads").map_or_else(String::new, |n| format!(" ({n} now)"));
    let consequence =
        "At the limit pthread_create() and fork() fail with EAGAIN (\"Resource temporarily unavailable\")";
    let (cause, confidence) = if grows {
        (
            format!(
                "{} starts threads that do not end{count}: one for each task or connection, and the tasks wait, most \
                 often all for the same lock, server or pool. {consequence}.",
                who(file)
            ),
            Confidence::Medium,
        )
    } else {
        (
            format!(
                "{} has nearly as many threads as its limit allows{count}, and their number was not seen to grow: \
                 either it is meant to be so large, and the limit is too small, or they piled up before. {consequence}.",
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
            "The limit (pids.max, TasksMax, RLIMIT_NPROC) is too small for the load",
        ),
        hypothesis(
            file,
            finding,
            &["scan:history", "proc:stat"],
            format!(
                "What {} waits for has become slow: then threads pile up without any fault of its own",
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
            "Where they wait in its own code",
            format!("timeout 20 jstack {pid} || gdb -p {pid} -batch -ex 'thread apply all bt 8' | head -200"),
        ),
        task_limits(file),
    ];
    next_steps.push(supervisor(file).unwrap_or_else(|| logs(file)));
    Opinion { cause, confidence, sources: &["cgroup:pids", "proc:sys"], hypotheses, next_steps }
}

/// The limits on tasks that bind this process: its cgroup's on either version, its user's, the host's.
pub(super) fn task_limits(file: &CaseFile) -> NextStep {
    let pid = file.process.pid;
    let cgroup = file.process.cgroup.as_deref().unwrap_or("").trim_end_matches('/');
    let cgroup = if cgroup.is_empty() { String::new() } else { quote(cgroup) };
    let v2 = if Frozen(file).is_cgroup_v2() == Some(false) {
        // The pids controller has a hierarchy, and paths, of its own there.
        format!(
            "grep -sH '' /sys/fs/cgroup/pids\"$(sed -n 's/^[0-9]*:pids://p' /proc/{pid}/cgroup)\"/pids.{{max,current,events}}"
        )
    } else {
        format!("grep -sH '' /sys/fs/cgroup{cgroup}/pids.{{max,current,events}}")
    };
    step(
        "Its limits on tasks: the cgroup's, the user's, the host's",
        format!("{v2}; grep processes /proc/{pid}/limits; cat /proc/sys/kernel/{{threads-max,pid_max}}"),
    )
}
