//! The kinds of incidents, a room each: what a kind tracks over time, when it fires, its facts, its sentences, its
//! verdict and its near misses stand together. This table opens the rooms; nothing else knows a kind by name.

pub mod case;
pub mod cpu_spin;
pub mod crash;
pub mod facts;
pub mod fd_exhaustion;
#[cfg(test)]
pub(crate) mod fixture;
pub mod fork_storm;
pub mod hung_task;
pub mod late;
pub mod memory_growth;
pub mod memory_pressure;
pub mod oom_kill;
pub mod opinion;
pub mod part;
pub mod pieces;
pub mod room;
pub mod shared;
pub mod suspicious_exec;
pub mod thread_explosion;
pub mod watch;
pub mod words;
mod written;
pub mod zombie_pileup;

use crate::model::IncidentKind;
use room::Room;
use watch::{OnEnd, Setup, Watch};

/// The room of a kind.
pub const fn room(kind: IncidentKind) -> Option<&'static Room> {
    match kind {
        IncidentKind::CpuSpin => Some(&cpu_spin::ROOM),
        IncidentKind::OomKill => Some(&oom_kill::ROOM),
        IncidentKind::Crash => Some(&crash::ROOM),
        IncidentKind::HungTask => Some(&hung_task::ROOM),
        IncidentKind::SuspiciousExec => Some(&suspicious_exec::ROOM),
        IncidentKind::MemoryGrowth => Some(&memory_growth::ROOM),
        IncidentKind::FdExhaustion => Some(&fd_exhaustion::ROOM),
        IncidentKind::ThreadExplosion => Some(&thread_explosion::ROOM),
        IncidentKind::ForkStorm => Some(&fork_storm::ROOM),
        IncidentKind::MemoryPressure => Some(&memory_pressure::ROOM),
        IncidentKind::ZombiePileup => Some(&zombie_pileup::ROOM),
        _ => None,
    }
}

/// What every kind tracks over time, for one monitor.
pub fn watches(_setup: &Setup<'_>) -> Vec<Box<dyn Watch>> {
    vec![
        Box::new(OnEnd(|ended, _| crash::detect(ended))),
        Box::<memory_growth::watch::MemoryGrowthWatch>::default(),
        Box::<fd_exhaustion::watch::DescriptorWatch>::default(),
        Box::<thread_explosion::watch::ThreadWatch>::default(),
        Box::<fork_storm::watch::ForkWatch>::default(),
        Box::new(memory_pressure::watch::MemoryWatch::default()),
        Box::new(zombie_pileup::watch::ZombieWatch),
    ]
}
