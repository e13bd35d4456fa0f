//! What systemd says of the unit that a process ran in, as the kinds see it.

pub mod facts;
#[cfg(test)]
mod tests;
pub mod words;

use crate::kinds::case::Statement;
use crate::model::{ExitCause, is_crash_signal};
use crate::observation::{Unit, UnitLife, UnitResult, UnitStop};
use facts::UnitFact;

/// Where systemd's word comes from.
pub const SOURCE: &str = "systemd:dbus";
const SIGABRT: u8 = 6;

/// Its word on the unit of a process that ended.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// The unit.
    pub unit: &'a Unit,
    /// The life of the unit that the process was a part of.
    pub life: &'a UnitLife,
    /// Whether it was the unit's main process.
    pub is_main: bool,
}

impl Word<'_> {
    /// Whether systemd starts the unit again after this.
    pub fn starts_again(&self) -> bool {
        self.is_main && self.unit.starts_again_after(self.life)
    }

    /// Since when it is being ended without anything that had gone wrong: a stop, a restart, the end of its work.
    pub fn stopped_in_order(&self) -> Option<UnitStop> {
        self.life.stopping.filter(|stop| stop.why.is_in_order())
    }

    /// Whether systemd ended the process, or asked it to end: what is wrong, if anything is, is told of the unit. `own`:
    /// the signal that ended it was the process's own doing.
    pub fn is_systemds_doing(&self, cause: ExitCause, own: bool) -> bool {
        let crashed = matches!(cause, ExitCause::Signal(signal) if is_crash_signal(signal));
        // A handler may have sent it to itself once more.
        let aborted = self.life.result == UnitResult::Watchdog && cause == ExitCause::Signal(SIGABRT);
        let by_itself = crashed && own && !aborted;
        match self.life.stopping {
            Some(_) if by_itself => false,
            Some(stop) => stop.why.is_in_order() || !self.is_main || self.life.result.is_systemds_doing(),
            None => false,
        }
    }

    /// Whether systemd takes the main process's end for a good one, as `SuccessExitStatus=` or the `-` of `ExecStart=-`
    /// says (systemd.service(5)).
    pub fn takes_for_success(&self) -> bool {
        let has_ended = self.life.main.is_some_and(|main| main.ended.is_some());
        // A unit that is started again has a new result, and for a moment the old end beside it.
        let is_over = self.life.over.is_some() && !self.life.starts_again;
        self.is_main && has_ended && is_over && self.life.result == UnitResult::Success
    }

    /// What it says.
    pub fn statement(&self) -> Statement {
        outcome(self.unit, self.life, self.starts_again())
    }
}

/// How a unit's life went.
pub fn outcome(unit: &Unit, life: &UnitLife, starts_it_again: bool) -> Statement {
    let outcome = UnitFact::UnitOutcome {
        unit: (&*unit.name).into(),
        result: life.result,
        restart: unit.restart,
        restarts: unit.restarts,
        starts_it_again,
    };
    Statement::new(SOURCE, outcome)
}
