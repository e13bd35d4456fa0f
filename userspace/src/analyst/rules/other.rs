//! The families whose rules are short: one cause that fits most often, what else would fit, where to look.

use super::commands::{cgroup_memory, free, logs, quote, step, supervisor};
use super::{Opinion, hypothesis, who};
use crate::model::{CaseFile, Confidence, Finding, IncidentKind, NextStep};

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let (cause, otherwise, confidence) = words(finding.kind);
    let mut next_steps = steps(file, finding.kind);
    next_steps.push(supervisor(file).unwrap_or_else(|| logs(file)));
    Opinion {
        cause: format!("{} {cause}", who(file)),
        confidence,
        sources: &[],
        hypotheses: vec![hypothesis(file, finding, &["kernel:", "proc:"], otherwise)],
        next_steps,
    }
}

/// What comes after the process's name, what else would fit, and how sure the first is.
fn words(kind: IncidentKind) -> (&'static str, &'static str, Confidence) {
    match kind {
        IncidentKind::ForkStorm => (
            "starts processes faster than the host can bear: a script that calls itself, a retry without a pause, or \
             a fork bomb.",
            "A build or a batch job that is meant to be like this, with too much at once",
            Confidence::Medium,
        ),
        IncidentKind::MemoryGrowth => (
            "grows steadily and gives nothing back, as a leak does: objects that are kept and never used again.",
            "A cache that is still filling, and will level off",
            Confidence::Medium,
        ),
        IncidentKind::ThreadExplosion => (
            "has nearly as many threads as it may: it starts one for each task, and the tasks do not end, most often \
             because they all wait for the same thing.",
            "The limit (pids.max, TasksMax) is too small for the load",
            Confidence::Medium,
        ),
        IncidentKind::SuspiciousExec => (
            "runs a program from a place where installed programs do not live. Unless it is known, treat the host as \
             broken into until it is explained.",
            "A build, an installer or a self-extracting tool that unpacks itself there",
            Confidence::Low,
        ),
        IncidentKind::OomKill
        | IncidentKind::Crash
        | IncidentKind::AbnormalExit
        | IncidentKind::CrashLoop
        | IncidentKind::ZombiePileup
        | IncidentKind::HungTask
        | IncidentKind::CpuSpin
        | IncidentKind::MemoryPressure
        | IncidentKind::FdExhaustion => (
            "shows signs of a fault; the facts say which.",
            "A passing disturbance of the host",
            Confidence::Low,
        ),
    }
}

fn steps(file: &CaseFile, kind: IncidentKind) -> Vec<NextStep> {
    let pid = file.process.pid;
    match kind {
        IncidentKind::ForkStorm => vec![
            step("Its family tree", format!("pstree -p {pid} | head -40")),
            step("Who starts the most processes", "ps -eo ppid= | sort | uniq -c | sort -rn | head"),
            step("To stop it without killing it yet", format!("kill -STOP {pid}")),
        ],
        IncidentKind::MemoryGrowth => vec![
            step(
                "What its memory is: heap, mapped files, shared memory",
                format!("cat /proc/{pid}/smaps_rollup"),
            ),
            cgroup_memory(file),
            step("How much the host has left", free()),
        ],
        IncidentKind::ThreadExplosion => vec![
            step(
                "Its threads by name and by what they wait for",
                format!("ps -L -p {pid} -o comm=,wchan:32= | sort | uniq -c | sort -rn | head -20"),
            ),
            step(
                "Its limits",
                format!("grep -E 'processes' /proc/{pid}/limits; cat /proc/sys/kernel/threads-max"),
            ),
        ],
        IncidentKind::SuspiciousExec => {
            let exe = file.process.exe.as_deref().map_or_else(|| format!("/proc/{pid}/exe"), quote);
            vec![
                step(
                    "What the program is (as it runs, even if deleted)",
                    format!("sha256sum /proc/{pid}/exe; ls -l -- {exe}"),
                ),
                step("Who started it", format!("pstree -sp {pid}; loginctl --no-pager list-sessions")),
                step("Whom it talks to", format!("ss -tunap | grep 'pid={pid},'")),
            ]
        }
        _ => vec![logs(file)],
    }
}
