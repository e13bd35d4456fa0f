//! The kinds of incidents, a room each: what a kind tracks over time, when it fires, its facts, its sentences, its
//! verdict and its near misses stand together. This table opens the rooms; nothing else knows a kind by name.

pub mod abnormal_exit;
pub mod case;
pub mod cpu_spin;
pub mod crash;
pub mod crash_loop;
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
#[cfg(test)]
mod ourselves;
pub mod part;
pub mod pieces;
pub mod room;
#[cfg(test)]
pub(crate) mod sample;
pub mod shared;
pub(crate) mod statements;
pub mod suspicious_exec;
pub mod thread_explosion;
pub mod unclean_stop;
pub mod unit_failed;
pub mod watch;
pub mod words;
mod written;
pub mod zombie_pileup;

use std::time::Duration;

use crate::cgroup;
use crate::config::DetectLimits;
use crate::model::{IncidentKind, ProcessInfo};
use crate::state::identity;
use room::{OfUnit, Room};
use watch::{OnEnd, Watch, WatchSetup};

/// The room of a kind.
pub const fn room(kind: IncidentKind) -> &'static Room {
    match kind {
        IncidentKind::AbnormalExit => &abnormal_exit::ROOM,
        IncidentKind::CpuSpin => &cpu_spin::ROOM,
        IncidentKind::OomKill => &oom_kill::ROOM,
        IncidentKind::CrashLoop => &crash_loop::ROOM,
        IncidentKind::Crash => &crash::ROOM,
        IncidentKind::HungTask => &hung_task::ROOM,
        IncidentKind::SuspiciousExec => &suspicious_exec::ROOM,
        IncidentKind::MemoryGrowth => &memory_growth::ROOM,
        IncidentKind::FdExhaustion => &fd_exhaustion::ROOM,
        IncidentKind::ThreadExplosion => &thread_explosion::ROOM,
        IncidentKind::ForkStorm => &fork_storm::ROOM,
        IncidentKind::MemoryPressure => &memory_pressure::ROOM,
        IncidentKind::ZombiePileup => &zombie_pileup::ROOM,
        IncidentKind::UncleanStop => &unclean_stop::ROOM,
        IncidentKind::UnitFailed => &unit_failed::ROOM,
    }
}

/// How long it takes from the daemon's start to find each condition that takes longer than a few scans.
pub fn patience_after_start(limits: &DetectLimits, scan_interval: Duration) -> Vec<(IncidentKind, Duration)> {
    let lasting = IncidentKind::ALL.into_iter().filter(|kind| room(*kind).lasts());
    let patience = lasting.map(|kind| (kind, (room(kind).patience)(limits, scan_interval)));
    patience.filter(|(_, patience)| !patience.is_zero()).collect()
}

/// Which service or program an incident of this kind is about: equal for all its instances.
pub fn subject(kind: IncidentKind, process: &ProcessInfo) -> String {
    let unit = match room(kind).of_unit {
        Some(OfUnit::Whole) => process.cgroup.as_deref().map(cgroup::without_ids),
        _ => identity::unit(process),
    };
    unit.unwrap_or_else(|| identity::program(process))
}

/// What every kind tracks over time, for one monitor.
pub fn watches(setup: &WatchSetup<'_>) -> Vec<Box<dyn Watch>> {
    vec![
        // Each end is judged in this order; the first of its findings takes what was read before it ended.
        Box::new(oom_kill::watch::OomWatch::new(setup)),
        Box::new(OnEnd(|ended, _| crash::detect(ended))),
        Box::new(OnEnd(abnormal_exit::detect)),
        Box::<crash_loop::watch::CrashLoopWatch>::default(),
        Box::new(unit_failed::UnitWatch),
        Box::<cpu_spin::watch::SpinWatch>::default(),
        Box::<hung_task::watch::HungWatch>::default(),
        Box::new(suspicious_exec::watch::ExecWatch::new(setup)),
        Box::new(memory_growth::watch::MemoryGrowthWatch::new(setup)),
        Box::<fd_exhaustion::watch::DescriptorWatch>::default(),
        Box::<thread_explosion::watch::ThreadWatch>::default(),
        Box::<fork_storm::watch::ForkWatch>::default(),
        Box::new(memory_pressure::watch::MemoryWatch::default()),
        Box::new(zombie_pileup::watch::ZombieWatch),
    ]
}
