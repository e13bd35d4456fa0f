//! The sentences of this room.

use super::facts::{Stage, UnitFailedFact};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::ending;
use crate::kinds::shared::unit::{facts::Outcome, words::result_word};
use crate::kinds::words::duration_ms;
use crate::model::Name;
use crate::text;

/// What the finding is of: the unit, its result, what it was doing, and the limit it exceeded.
pub(super) fn failed<'a>(
    file: &'a CaseFile,
    finding: &'a Finding,
) -> Option<(&'a Name, Outcome, Stage, Option<u64>)> {
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
pub(super) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Starting => "while starting",
        Stage::Running => "while running",
        Stage::Stopping => "while stopping",
    }
}

/// What happened to the unit, as the rest of a sentence about it.
fn what(result: Outcome, at: Stage, limit_ms: Option<u64>) -> String {
    let within = limit_ms.map_or_else(String::new, |ms| format!(" within {}", duration_ms(ms)));
    match (result, at) {
        (Outcome::Watchdog, _) => {
            format!("hung: it gave systemd's watchdog no sign of life{within}, and systemd aborted it")
        }
        (Outcome::Timeout, Stage::Starting) => {
            format!("did not become ready{within}, and systemd ended it")
        }
        (Outcome::Timeout, Stage::Stopping) => format!("did not end{within} after it had failed"),
        (Outcome::Timeout, Stage::Running) => {
            "ran for longer than RuntimeMaxSec= allows, or did not reload in time, and systemd ended it"
                .to_owned()
        }
        (Outcome::StartLimitHit, _) => {
            "was started too often in too short a time: systemd has given it up".to_owned()
        }
        (Outcome::Protocol, _) => {
            "did not do what its Type= promises, such as to say that it is ready, before its process ended"
                .to_owned()
        }
        (Outcome::Resources, _) => {
            "could not be started: systemd did not get what it needs to start a process of it".to_owned()
        }
        (Outcome::ExecCondition, _) => "was not started: its ExecCondition= said no".to_owned(),
        (Outcome::ExitCode, _) => {
            format!("failed {}: a process of it ended by a status other than 0", stage(at))
        }
        (Outcome::Signal | Outcome::CoreDump, _) => {
            format!("failed {}: a process of it ended by a signal", stage(at))
        }
        (Outcome::OomKill, _) => format!("failed {}: the OOM killer ended a process of it", stage(at)),
        (Outcome::Success | Outcome::Other, _) => format!("failed {}", stage(at)),
    }
}
