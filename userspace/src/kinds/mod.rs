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
pub mod part;
pub mod pieces;
pub mod room;
#[cfg(test)]
pub(crate) mod sample;
pub mod shared;
pub mod suspicious_exec;
pub mod thread_explosion;
pub mod unclean_stop;
pub mod watch;
pub mod words;
mod written;
pub mod zombie_pileup;

use crate::model::IncidentKind;
use room::Room;
use watch::{OnEnd, Setup, Watch};

/// Every group of statements, with where it is at home: there `facts` has its type and `words` its sentences. Given to
/// a macro, so that the union, its reader and the renderer are made of one table.
macro_rules! statements {
    ($then:ident) => {
        $then! {
            /// A sentence that an earlier version wrote down.
            Recorded(Recorded) as_recorded in shared::recorded,
            /// Of abnormal exits.
            AbnormalExit(AbnormalExitFact) as_abnormal_exit in abnormal_exit,
            /// Of crashes.
            Crash(CrashFact) as_crash in crash,
            /// Of crash loops.
            CrashLoop(CrashLoopFact) as_crash_loop in crash_loop,
            /// Of ends.
            Ending(EndFact) as_ending in shared::ending,
            /// Of signals.
            Signal(SignalFact) as_signal in shared::signal,
            /// Of stacks.
            Stack(StackFact) as_stack in shared::stack,
            /// Of a live process, whatever is wrong with it.
            Standing(StandingFact) as_standing in shared::standing,
            /// Of threads that hang.
            Hung(HungFact) as_hung in hung_task,
            /// Of threads that spin.
            Spin(SpinFact) as_spin in cpu_spin,
            /// Of programs that began in an unusual way.
            Exec(ExecFact) as_exec in suspicious_exec,
            /// Of OOM kills.
            OomKill(OomFact) as_oom_kill in oom_kill,
            /// Of limits on tasks and memory.
            Limit(LimitFact) as_limit in shared::limits,
            /// Of steady growth, whatever grows.
            Trend(TrendFact) as_trend in shared::trend,
            /// Of memory that grows.
            MemoryGrowth(MemoryGrowthFact) as_memory_growth in memory_growth,
            /// Of open descriptors.
            Descriptors(DescriptorFact) as_descriptors in fd_exhaustion,
            /// Of threads.
            Threads(ThreadFact) as_threads in thread_explosion,
            /// Of families of processes.
            Forks(ForkFact) as_forks in fork_storm,
            /// Of memory that runs short.
            MemoryPressure(PressureFact) as_memory_pressure in memory_pressure,
            /// Of zombies.
            Zombie(ZombieFact) as_zombie in zombie_pileup,
            /// Of how this monitor ended.
            UncleanStop(StopFact) as_unclean_stop in unclean_stop,
        }
    };
}
pub(crate) use statements;

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
    }
}

/// What every kind tracks over time, for one monitor.
pub fn watches(setup: &Setup<'_>) -> Vec<Box<dyn Watch>> {
    vec![
        // Each end is judged in this order; the first of its findings takes what was read before it ended.
        Box::new(oom_kill::watch::OomWatch::new(setup)),
        Box::new(OnEnd(|ended, _| crash::detect(ended))),
        Box::new(OnEnd(abnormal_exit::detect)),
        Box::<crash_loop::watch::CrashLoopWatch>::default(),
        Box::<cpu_spin::watch::SpinWatch>::default(),
        Box::<hung_task::watch::HungWatch>::default(),
        Box::new(suspicious_exec::watch::ExecWatch::new(setup)),
        Box::<memory_growth::watch::MemoryGrowthWatch>::default(),
        Box::<fd_exhaustion::watch::DescriptorWatch>::default(),
        Box::<thread_explosion::watch::ThreadWatch>::default(),
        Box::<fork_storm::watch::ForkWatch>::default(),
        Box::new(memory_pressure::watch::MemoryWatch::default()),
        Box::new(zombie_pileup::watch::ZombieWatch),
    ]
}
