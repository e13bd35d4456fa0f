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
