//! The sentences of this room.

use super::facts::UnitFailedFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::ending;
use crate::kinds::shared::unit::words::result_word;
use crate::kinds::words::duration_ms;
use crate::model::Name;
use crate::observation::{UnitResult, UnitStage};
use crate::text;

/// What the finding is of: the unit, its result, what it was doing, and the limit it exceeded.
pub(super) fn failed<'a>(
    file: &'a CaseFile,
    finding: &'a Finding,
) -> Option<(&'a Name, UnitResult, UnitStage, Option<u64>)> {
    file.cited(finding).find_map(|fact| match fact.data.as_unit_failed()? {
        UnitFailedFact::UnitFailed { unit, result, stage, limit_ms } => {
            Some((unit, *result, *stage, *limit_ms))
        }
        _ => None,
    })
}

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    match failed(file, finding) {
        Some((unit, result, stage, limit_ms)) => {
            format!("{} {}.", unit.shown(), what(result, stage, limit_ms))
        }
        None => format!("{} failed.", text::printable(&file.process.name)),
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &UnitFailedFact) -> String {
    match fact {
        UnitFailedFact::UnitFailed { unit, result, stage, limit_ms } => {
            format!("{} {}", unit.shown(), what(*result, *stage, *limit_ms))
        }
        UnitFailedFact::MainEnded { pid, cause } => {
            format!("its main process (pid {pid}) ended by {}", ending::words::cause(*cause, false))
        }
        UnitFailedFact::BeforeThat { result } => {
            format!("before that its result was `{}`", result_word(*result))
        }
    }
}

/// What it was doing: `while starting`.
pub(super) const fn stage(stage: UnitStage) -> &'static str {
    match stage {
        UnitStage::Starting => "while starting",
        UnitStage::Running => "while running",
        UnitStage::Stopping => "while stopping",
    }
}

/// What happened to the unit, as the rest of a sentence about it.
fn what(result: UnitResult, at: UnitStage, limit_ms: Option<u64>) -> String {
    let within = limit_ms.map_or_else(String::new, |ms| format!(" within {}", duration_ms(ms)));
    match (result, at) {
        (UnitResult::Watchdog, _) => {
            format!("hung: it gave systemd's watchdog no sign of life{within}, and systemd aborted it")
        }
        (UnitResult::Timeout, UnitStage::Starting) => {
            format!("did not become ready{within}, and systemd ended it")
        }
        (UnitResult::Timeout, UnitStage::Stopping) => format!("did not end{within} after it had failed"),
        (UnitResult::Timeout, UnitStage::Running) => {
            "ran for longer than RuntimeMaxSec= allows, or did not reload in time, and systemd ended it"
                .to_owned()
        }
        (UnitResult::StartLimitHit, _) => {
            "was started too often in too short a time: systemd has given it up".to_owned()
        }
        (UnitResult::Protocol, _) => {
            "did not do what its Type= promises, such as to say that it is ready, before its process ended"
                .to_owned()
        }
        (UnitResult::Resources, _) => {
            "could not be started: systemd did not get what it needs to start a process of it".to_owned()
        }
        (UnitResult::ExecCondition, _) => "was not started: its ExecCondition= said no".to_owned(),
        (UnitResult::ExitCode, _) => {
            format!("failed {}: a process of it ended by a status other than 0", stage(at))
        }
        (UnitResult::Signal | UnitResult::CoreDump, _) => {
            format!("failed {}: a process of it ended by a signal", stage(at))
        }
        (UnitResult::OomKill, _) => format!("failed {}: the OOM killer ended a process of it", stage(at)),
        (UnitResult::Success | UnitResult::Other, _) => format!("failed {}", stage(at)),
    }
}
