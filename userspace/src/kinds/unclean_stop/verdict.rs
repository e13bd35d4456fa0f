//! How this daemon ended, and what to do that it does not again.

use super::facts::{HowEnded, StopFact};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::Opinion;
use crate::kinds::opinion::commands::step;
use crate::model::Confidence;

/// The verdict.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let how = file.cited(finding).find_map(|fact| match fact.data.as_unclean_stop() {
        Some(StopFact::MonitorEnded { how, .. }) => Some(*how),
        _ => None,
    });
    let (cause, confidence) = match how.unwrap_or(HowEnded::Unknown) {
        HowEnded::WithTheHost => (
            "The host lost its power, hung or was reset: a shutdown in order would have stopped the monitor first.",
            Confidence::Medium,
        ),
        HowEnded::OomKilled => (
            "The monitor reached the memory limit of its service, or the host ran out of memory.",
            Confidence::High,
        ),
        HowEnded::Faulted => ("The monitor has a bug: the kernel reported the fault.", Confidence::High),
        HowEnded::ByItself => (
            "One of the monitor's stages stopped, and its log says why; it ended to be started anew.",
            Confidence::High,
        ),
        HowEnded::Unknown => (
            "Somebody sent SIGKILL, a supervisor lost its patience, or the monitor aborted; nothing says which.",
            Confidence::Low,
        ),
    };
    let mut next_steps = vec![
        step(
            "What it said last, and what its supervisor says",
            "journalctl -u ai-debugger -b --no-pager -n 100",
        ),
        step(
            "What the kernel says",
            format!("journalctl -k --no-pager | grep -F '{}' | tail", file.process.pid),
        ),
    ];
    if how == Some(HowEnded::WithTheHost) {
        next_steps.insert(0, step("The end of the boot before", "journalctl -b -1 --no-pager -n 100"));
    }
    Opinion {
        cause: cause.to_owned(),
        confidence,
        sources: &["monitor:"],
        hypotheses: Vec::new(),
        next_steps,
    }
}
