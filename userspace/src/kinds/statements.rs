//! The table of what facts may say: each group of statements, with where it is at home.

/// Every group of statements, with where it is at home: there `facts` has its type and `words` its sentences. Given to
/// a macro with the module that the rooms are in, so that the union, its reader and the renderer are made of one table.
macro_rules! statements {
    ($then:ident in $rooms:ident) => {
        $then! {
            $rooms;
            /// A sentence that an earlier version wrote down.
            Recorded(Recorded) as_recorded in (shared recorded),
            /// Of abnormal exits.
            AbnormalExit(AbnormalExitFact) as_abnormal_exit in (abnormal_exit),
            /// Of crashes.
            Crash(CrashFact) as_crash in (crash),
            /// Of crash loops.
            CrashLoop(CrashLoopFact) as_crash_loop in (crash_loop),
            /// Of ends.
            Ending(EndFact) as_ending in (shared ending),
            /// Of units, by systemd's word.
            Unit(UnitFact) as_unit in (shared unit),
            /// Of units that failed without an end that says why.
            UnitFailed(UnitFailedFact) as_unit_failed in (unit_failed),
            /// Of signals.
            Signal(SignalFact) as_signal in (shared signal),
            /// Of stacks.
            Stack(StackFact) as_stack in (shared stack),
            /// Of a live process, whatever is wrong with it.
            Standing(StandingFact) as_standing in (shared standing),
            /// Of where it ran.
            Place(PlaceFact) as_place in (shared place),
            /// Of threads that hang.
            Hung(HungFact) as_hung in (hung_task),
            /// Of threads that spin.
            Spin(SpinFact) as_spin in (cpu_spin),
            /// Of programs that began in an unusual way.
            Exec(ExecFact) as_exec in (suspicious_exec),
            /// Of OOM kills.
            OomKill(OomFact) as_oom_kill in (oom_kill),
            /// Of limits on tasks and memory.
            Limit(LimitFact) as_limit in (shared limits),
            /// Of steady growth, whatever grows.
            Trend(TrendFact) as_trend in (shared trend),
            /// Of memory that grows.
            MemoryGrowth(MemoryGrowthFact) as_memory_growth in (memory_growth),
            /// Of open descriptors.
            Descriptors(DescriptorFact) as_descriptors in (fd_exhaustion),
            /// Of threads.
            Threads(ThreadFact) as_threads in (thread_explosion),
            /// Of families of processes.
            Forks(ForkFact) as_forks in (fork_storm),
            /// Of memory that runs short.
            MemoryPressure(PressureFact) as_memory_pressure in (memory_pressure),
            /// Of zombies.
            Zombie(ZombieFact) as_zombie in (zombie_pileup),
            /// Of how this monitor ended.
            UncleanStop(StopFact) as_unclean_stop in (unclean_stop),
        }
    };
}
pub(crate) use statements;
