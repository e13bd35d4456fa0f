//! Unit failed: systemd gave a service up, or ended it itself, and no process's end says why.
//!
//! To an operator: the service hung and its watchdog had it aborted; it never became ready; what it needs to be started
//! was not to be had; it was started too often. Its processes end by what systemd sends them, if there are any, so the
//! unit is what failed: one finding, whatever it had of processes. A warning; info where its own condition said no.
//! Near misses: a stop or restart that somebody asked for, however long it took and whatever the status was; a unit whose
//! process crashed, was killed for memory or ended by a status: that is a finding of its own, and the unit's result a
//! fact of it; a unit that had failed before the daemon was there.

pub mod facts;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod words;

use std::time::Duration;

use super::case::{Draft, Statement};
use super::room::{Nature, OfUnit, Room, at_once};
use super::shared::unit::{self, words::result_word};
use super::watch::{View, Watch};
use crate::model::{IncidentKind, Severity};
use crate::observation::{Unit, UnitLife, UnitResult, UnitStage};
use facts::UnitFailedFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Unit failed",
    nature: Nature::Happens,
    of_cgroup: false,
    of_unit: Some(OfUnit::Whole),
    explains: &[],
    patience: at_once,
    stack: Some(super::shared::stack::add),
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// Nothing has to be remembered: each failure is judged by itself.
pub struct UnitWatch;

impl Watch for UnitWatch {
    fn unit_failed(&mut self, unit: &Unit, life: &UnitLife, _view: View<'_>) -> Option<Draft> {
        detect(unit, life)
    }
}

/// A finding about a unit whose life went wrong.
pub fn detect(unit: &Unit, life: &UnitLife) -> Option<Draft> {
    let in_order = life.stopping.is_some_and(|stop| stop.why.is_in_order());
    if life.result == UnitResult::Success || in_order {
        return None;
    }
    let stage = life.failed_while.unwrap_or(UnitStage::Running);
    let failed = UnitFailedFact::UnitFailed {
        unit: (&*unit.name).into(),
        result: life.result,
        stage,
        limit_ms: limit(unit, life.result, stage).map(millis),
    };
    let mut facts = vec![Statement::new(unit::SOURCE, failed)];
    if let Some(main) = life.main
        && let Some((_, cause)) = main.ended
    {
        facts.push(Statement::new(unit::SOURCE, UnitFailedFact::MainEnded { pid: main.pid, cause }));
    }
    facts.push(unit::outcome(unit, life, unit.starts_again_after(life)));
    // What was started too often has the reason in the life before.
    let before = unit.before.as_ref().filter(|_| life.result == UnitResult::StartLimitHit);
    let before = before.map(|before| UnitFailedFact::BeforeThat { result: before.result });
    facts.extend(before.map(|it| Statement::new(unit::SOURCE, it)));
    Some(Draft {
        kind: IncidentKind::UnitFailed,
        severity: if life.result == UnitResult::ExecCondition { Severity::Info } else { Severity::Warning },
        facts,
        site: format!("{} {}", result_word(life.result), words::stage(stage)),
    })
}

/// The setting that says how long it may take.
const fn limit(unit: &Unit, result: UnitResult, stage: UnitStage) -> Option<Duration> {
    match (result, stage) {
        (UnitResult::Watchdog, _) => unit.watchdog,
        (UnitResult::Timeout, UnitStage::Starting) => unit.start_timeout,
        (UnitResult::Timeout, UnitStage::Stopping) => unit.stop_timeout,
        _ => None,
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
