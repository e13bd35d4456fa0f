//! What every kind of incident has to bring: the contract of a room. The stages before and after the kinds read it and
//! know no kind by name.

use std::time::Duration;

use super::case::{CaseFile, Draft, Finding};
use super::opinion::Opinion;
use crate::config::DetectLimits;
#[cfg(test)]
use crate::model::ProcessInfo;
use crate::model::{EvidenceFile, IncidentKind};
use crate::stack::Stack;

/// One kind's part in the stages that know no kind by name.
pub struct Room {
    /// The words a title begins with.
    pub label: &'static str,
    /// Whether it happens or lasts.
    pub nature: Nature,
    /// Whether a fault is its cgroup's rather than its program's: the same fault whichever process shows it today.
    pub of_cgroup: bool,
    /// Whether a fault is its service unit's rather than its program's; `None`: never.
    pub of_unit: Option<OfUnit>,
    /// Which kinds it makes happen, in the same minute, to the same process, its supervisor or its service.
    pub explains: &'static [(IncidentKind, Tie)],
    /// For how long a process must have been watched, by scans so far apart, before this kind can say anything of it;
    /// zero where an event tells.
    pub patience: fn(&DetectLimits, Duration) -> Duration,
    /// Adds what the crash's stack says to a draft of this kind and gives the stack's evidence; for kinds without a
    /// crash, nothing.
    pub stack: Option<fn(&mut Draft, &Stack) -> Vec<EvidenceFile>>,
    /// The sentence that says what was found, made of the facts the finding cites.
    pub summary: fn(&CaseFile, &Finding) -> String,
    /// What an experienced colleague would say at once.
    pub verdict: fn(&CaseFile, &Finding) -> Opinion,
    /// A finding that its detector makes of a fixture, and the process it is about: for the tests of every stage.
    #[cfg(test)]
    pub(crate) sample: fn() -> (ProcessInfo, Draft),
}

impl Room {
    /// Whether it is a state that scan after scan finds the same, and not something that happens.
    pub const fn lasts(&self) -> bool {
        matches!(self.nature, Nature::Lasts)
    }

    /// Whether a later report says all that an earlier one of the same fault did, with the numbers of now: one of a state
    /// does that for the same process, one of a repetition for all.
    pub fn brings_up_to_date(&self, same_process: bool) -> bool {
        match self.nature {
            Nature::Lasts => same_process,
            Nature::Repeats => true,
            Nature::Happens | Nature::HappensOnce => false,
        }
    }

    /// Whether it can happen to a process once only, so that a second report is of the same event.
    pub const fn happens_once(&self) -> bool {
        matches!(self.nature, Nature::HappensOnce)
    }

    /// How incidents of this kind make those of `effect` happen, where they do.
    pub fn tie(&self, effect: IncidentKind) -> Option<Tie> {
        self.explains.iter().find(|(kind, _)| *kind == effect).map(|(_, tie)| *tie)
    }
}

/// Whether a kind happens or lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// It can happen to a process once only: a second report is of the same event.
    HappensOnce,
    /// It can happen to a process again.
    Happens,
    /// It is what happens again and again, and each report is of all of it.
    Repeats,
    /// It is a state that scan after scan finds the same.
    Lasts,
}

/// When a fault is that of a service unit, whatever its processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfUnit {
    /// Where the process is one that the service manager itself started.
    MainProcess,
    /// Always: it is the unit that is named.
    Whole,
}

/// How an incident is tied to its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Both are worth telling of.
    Linked,
    /// Told of the cause, nobody needs to be told of the effect as well.
    Grouped,
    /// The same, of what it is made of: it is found after its effects, and takes over from them.
    MadeOf,
}

impl Tie {
    /// Whether nobody needs to be told of the effect as well.
    pub const fn is_grouped(self) -> bool {
        matches!(self, Self::Grouped | Self::MadeOf)
    }
}

/// For kinds that an event tells: there is nothing to wait for.
pub const fn at_once(_limits: &DetectLimits, _scan_interval: Duration) -> Duration {
    Duration::ZERO
}
