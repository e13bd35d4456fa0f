//! OOM kill: the kernel's OOM killer chose this process, in a memory cgroup or on the host.
//!
//! To an operator: the work it did is lost, and the memory it was refused will be wanted again. The kernel's own
//! report says whose limit it was and who had the memory: the victim is whom the kernel's score chose, often not the
//! one that grew.
//! Proof: `signal->oom_mm` was set when it died of SIGKILL. Near miss: a plain `kill -9`, which leaves
//! `oom_mm` empty, whatever the cgroup's memory looks like; a process that ended by itself just as it was chosen; the
//! report's largest task is only the largest: that it grew is said where a scan of /proc had measured it before.

pub mod facts;
#[cfg(test)]
mod golden;
pub mod report;
pub mod reports;
#[cfg(test)]
mod tests;
mod told;
pub mod verdict;
pub mod watch;
pub mod words;

use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::{Nature, Room, Tie, at_once};
use crate::kinds::shared::ending::{Ended, OomTrigger, chosen_by_oom_killer};
use crate::model::{ExitCause, IncidentKind, ProcessInfo, Severity};
use facts::OomFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "OOM kill",
    nature: Nature::HappensOnce,
    of_cgroup: false,
    of_unit: None,
    explains: &[
        (IncidentKind::AbnormalExit, Tie::Grouped),
        (IncidentKind::CrashLoop, Tie::Grouped),
        (IncidentKind::Crash, Tie::Linked),
        (IncidentKind::UnitFailed, Tie::Grouped),
    ],
    patience: at_once,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: verdict::tests::sample,
};

const SIGKILL: u8 = 9;

/// A finding about an end that the OOM killer brought.
pub fn detect(ended: &Ended<'_>) -> Option<Draft> {
    if !ended.exit.oom_killed || ended.exit.cause != ExitCause::Signal(SIGKILL) {
        return None;
    }
    let mut facts = vec![chosen_by_oom_killer()];
    facts.extend(ended.oom_trigger.map(|trigger| triggered_by(trigger, ended.process)));
    facts.extend(ended.facts());
    Some(draft(facts))
}

/// The finding on a victim that was chosen but has not ended: it may be stuck, holding the memory that was to
/// be freed.
pub fn not_ended(process: &ProcessInfo, trigger: OomTrigger<'_>) -> Draft {
    draft(vec![Statement::new("kernel:mark_victim", OomFact::OomNotEnded {}), triggered_by(trigger, process)])
}

const fn draft(facts: Vec<Statement>) -> Draft {
    Draft { kind: IncidentKind::OomKill, severity: Severity::Critical, facts, site: String::new() }
}

fn triggered_by(trigger: OomTrigger<'_>, victim: &ProcessInfo) -> Statement {
    let by = Who { name: trigger.name.into(), pid: trigger.pid };
    let is_victim = trigger.pid == victim.pid;
    Statement::new("kernel:mark_victim", OomFact::OomTrigger { by, is_victim })
}
