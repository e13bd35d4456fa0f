//! What the loops are made of: when each program died, and what each parent has started again.

use super::deaths::Deaths;
use super::respawn::{Life, Respawns};
use super::starters::{ChildShape, Starters, kind_of};
use super::{counts, detect, may_be_respawned};
use crate::kinds::case::Draft;
use crate::kinds::shared::ending::Ended;
use crate::kinds::watch::{View, Watch};
use crate::model::{ProcessInfo, ProcessKey};
use crate::state::Process;

/// What is remembered of recent deaths, to find loops.
#[derive(Default)]
pub struct CrashLoopWatch {
    deaths: Deaths,
    starters: Starters,
}

impl Watch for CrashLoopWatch {
    // Nearly every end is this one: decided without allocating.
    fn ended_well(&mut self, process: &Process, parent: ProcessKey) {
        if self.starters.knows(parent) {
            let ns_pid = process.end.as_ref().and_then(|end| end.ns_pid);
            self.starters.ended(parent, Some(shape(&process.info(), ns_pid)));
        }
    }

    fn ended(&mut self, ended: &Ended<'_>, view: View<'_>) -> Option<Draft> {
        let life = Life { started: ended.started, ended: ended.at };
        let respawns = if may_be_respawned(ended) {
            let shape = shape(ended.process, ended.exit.ns_pid);
            let failed = self.starters.failed(ended.starter, shape, life, view.metrics);
            Some(Respawns { starter: kind_of(view.table, ended.starter), ..failed })
        } else {
            self.starters.ended(ended.starter, None);
            None
        };
        let deaths = if counts(ended) { self.deaths.add(ended.process, life) } else { &[] };
        detect(ended, deaths, respawns, view.limits)
    }
}

/// What it was started as.
fn shape(process: &ProcessInfo, ns_pid: Option<u32>) -> ChildShape {
    let ns_pid = ns_pid.filter(|pid| *pid > 1).unwrap_or(process.pid);
    ChildShape::of(&process.argv, &process.name, [process.pid, process.ppid, ns_pid])
}

#[cfg(test)]
mod tests;
