//! The families whose rules are short: one cause that fits most often, what else would fit, where to look.

use super::commands::{logs, quote, step, supervisor};
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
        IncidentKind::AbnormalExit => (
            "ended in a way its supervisor does not expect of it. It decided to end itself, or was told to, and its \
             last lines of log usually say why.",
            "Somebody or something stopped it on purpose: a deployment, a timeout, an operator",
            Confidence::Low,
        ),
        IncidentKind::HungTask => (
            "waits inside the kernel and cannot be interrupted, not even by SIGKILL. Most often a disk, or a file \
             server that no longer answers, is behind it.",
            "A fault in a driver or file system; the kernel's log would have a stack",
            Confidence::Medium,
        ),
        IncidentKind::CpuSpin => (
            "keeps a core busy and gets nothing done that can be seen: an endless loop, or a retry without a pause.",
            "It computes, and that is its work",
            Confidence::Low,
        ),
        IncidentKind::SuspiciousExec => (
            "runs a program from a place where installed programs do not live. Unless it is known, treat the host as \
             broken into until it is explained.",
            "A build, an installer or a self-extracting tool that unpacks itself there",
            Confidence::Low,
        ),
        IncidentKind::OomKill
        | IncidentKind::Crash
        | IncidentKind::CrashLoop
        | IncidentKind::ZombiePileup
        | IncidentKind::MemoryPressure
        | IncidentKind::FdExhaustion
        | IncidentKind::ForkStorm
        | IncidentKind::MemoryGrowth
        | IncidentKind::ThreadExplosion => (
            "shows signs of a fault; the facts say which.",
            "A passing disturbance of the host",
            Confidence::Low,
        ),
    }
}

fn steps(file: &CaseFile, kind: IncidentKind) -> Vec<NextStep> {
    let pid = file.process.pid;
    match kind {
        IncidentKind::AbnormalExit => {
            vec![logs(file), step("Whether it left a core", format!("coredumpctl info --no-pager {pid}"))]
        }
        IncidentKind::HungTask => vec![
            step(
                "Where in the kernel it waits",
                format!("cat /proc/{pid}/wchan; echo; cat /proc/{pid}/stack"),
            ),
            step("Everything that waits like that", "ps -eo pid,stat,wchan:32,etime,comm | awk '$2 ~ /^D/'"),
            step(
                "Disks and mounts the kernel complains of",
                "journalctl -k --no-pager -n 200 | grep -iE 'blocked|i/o error|nfs'",
            ),
        ],
        IncidentKind::CpuSpin => vec![
            step("Which of its threads is busy", format!("top -H -b -n 1 -p {pid} | head -20")),
            step(
                "What it runs",
                format!("perf top -p {pid} || gdb -p {pid} -batch -ex 'thread apply all bt'"),
            ),
            step("Which system calls it makes, if any", format!("timeout 5 strace -c -f -p {pid}")),
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
