//! The limits by which growth is judged: memory, descriptors and threads over time, and forks. The defaults suit
//! hosts in production, where a false alarm costs more than ten minutes; an evaluation runs with shorter windows.

use std::time::Duration;

use super::declare::{Fixed, defaults, flags, one, settings};
use super::parse::duration;
use super::setting::group;

settings! {
    /// From when on growth is a finding.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GrowthLimits {
        in flags(group::DETECT, "detect.") => {
            // Ten minutes outlast a peak of load and a job's ramp, and with the start-up still leave a host of 2 GiB
            // ten minutes with a leak of 1 MiB a second.
            /// How long memory, open files or threads must grow steadily to be reported.
            pub growth_window: Duration = one("10m", "TIME", duration("1s", "24h"));
            // Everything grows while it starts, and a compiler or a batch job is over by then.
            /// How long after a program's start its growth is ignored.
            pub growth_startup: Duration = one("10m", "TIME", duration("0s", "24h"));
            /// How far back slow growth is looked for: six hours show 100 MiB of a leak of 5 KiB a second. Beyond it
            /// only the largest value is remembered.
            pub growth_history: Duration = Fixed(Duration::from_hours(6));
            /// Growth that reaches its limit later than this is worth knowing, and no alert: what restarts every
            /// week never gets there.
            pub growth_horizon: Duration = Fixed(Duration::from_hours(7 * 24));
            /// Growth that reaches its limit sooner than this is critical: there is just time to act.
            pub growth_critical: Duration = Fixed(Duration::from_mins(30));
            /// Least growth of anonymous memory: smaller ones are ordinary work.
            pub memory_growth_bytes: u64 = Fixed(32 << 20);
            /// The same, in percent of what it was: a large database breathes by more than the least growth.
            pub memory_growth_percent: u32 = Fixed(20);
            /// Least growth of open descriptors: fewer come and go with connections.
            pub fd_growth: u32 = Fixed(50);
            /// The same, in percent of what it was: a busy server's connections vary by less.
            pub fd_growth_percent: u32 = Fixed(50);
            /// Least growth of threads: pools of one thread a core are smaller, or there at once.
            pub thread_growth: u32 = Fixed(64);
            /// The same, in percent of what it was: a pool that adapts to its load varies by less.
            pub thread_growth_percent: u32 = Fixed(50);
            /// Tasks in percent of the limit that binds a process (pids.max, threads-max, pid_max, RLIMIT_NPROC): as
            /// near to it as open files to theirs.
            pub thread_percent: u32 = Fixed(90);
            /// So much of a limit on tasks a family of processes holds, in percent, when it is a storm: a parallel
            /// build or a pool may take half of it, and does not go on growing.
            pub fork_percent: u32 = Fixed(70);
            /// For so many scans in a row: a build's start is over by then.
            pub fork_scans: u32 = Fixed(3);
            /// So many processes more on each of these scans are growth, however much room there is.
            pub fork_growth: u32 = Fixed(100);
            /// Growth that fills the room for tasks sooner than this is a storm: a person has to act now.
            pub fork_time_to_limit: Duration = Fixed(Duration::from_mins(10));
            /// So many children of one parent within `fork_window` are a storm even when none of them stays: more
            /// than the largest test suites and builds start from one process, which is tens of thousands.
            pub fork_count: u32 = Fixed(200_000);
            /// The time within which those are counted: long enough to be no burst.
            pub fork_window: Duration = Fixed(Duration::from_mins(5));
        }
    }
}

defaults!(GrowthLimits);

impl GrowthLimits {
    /// The limits for what was growth at the last scan. A leak with a steady rate grows by an ever smaller part of what
    /// it holds: it must not be taken for over while it goes on.
    pub fn going_on(&self) -> Self {
        Self {
            memory_growth_bytes: self.memory_growth_bytes / 2,
            memory_growth_percent: self.memory_growth_percent / 10,
            fd_growth: self.fd_growth / 2,
            fd_growth_percent: self.fd_growth_percent / 10,
            thread_growth: self.thread_growth / 2,
            thread_growth_percent: self.thread_growth_percent / 10,
            ..self.clone()
        }
    }
}
