//! The limits by which growth is judged: memory, descriptors and threads over time, and forks. The defaults suit
//! hosts in production, where a false alarm costs more than ten minutes; an evaluation runs with shorter windows.

use std::time::Duration;

/// From when on growth is a finding. Every field is a key of the file's `[detect]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrowthLimits {
    /// So long something must have grown steadily. Ten minutes outlast a peak of load and a job's ramp, and with
    /// the start-up still leave a host of 2 GiB ten minutes with a leak of 1 MiB a second.
    pub growth_window: Duration,
    /// The first so long of a program does not count: everything grows while it starts, and a compiler or a batch
    /// job is over by then.
    pub growth_startup: Duration,
    /// So far back growth is looked for as well, for leaks too slow for one window: six hours show 100 MiB of a
    /// leak of 5 KiB a second. Beyond it only the largest value is remembered.
    pub growth_history: Duration,
    /// Growth that reaches its limit later than this is worth knowing, and no alert: what restarts every week
    /// never gets there.
    pub growth_horizon: Duration,
    /// Growth that reaches its limit sooner than this is critical: there is just time to act.
    pub growth_critical: Duration,
    /// Least growth of anonymous memory: smaller ones are ordinary work.
    pub memory_growth_bytes: u64,
    /// The same, in percent of what it was: a large database breathes by more than the least growth.
    pub memory_growth_percent: u32,
    /// Least growth of open descriptors.
    pub fd_growth: u32,
    /// The same, in percent of what it was.
    pub fd_growth_percent: u32,
    /// Least growth of threads: pools of one thread a core are smaller, or there at once.
    pub thread_growth: u32,
    /// The same, in percent of what it was.
    pub thread_growth_percent: u32,
    /// Tasks in percent of the limit that binds a process (pids.max, threads-max, pid_max, RLIMIT_NPROC).
    pub thread_percent: u32,
    /// So much of a limit on tasks a family of processes holds, in percent, when it is a storm: a parallel build
    /// or a pool may take half of it, and does not go on growing.
    pub fork_percent: u32,
    /// For so many scans in a row.
    pub fork_scans: u32,
    /// So many processes more on each of these scans are growth, however much room there is.
    pub fork_growth: u32,
    /// Growth that fills the room for tasks sooner than this is a storm.
    pub fork_time_to_limit: Duration,
    /// So many children of one parent within `fork_window` are a storm even when none of them stays: more than
    /// the largest test suites and builds start from one process, which is tens of thousands.
    pub fork_count: u32,
    /// The time within which those are counted.
    pub fork_window: Duration,
}

impl Default for GrowthLimits {
    fn default() -> Self {
        Self {
            growth_window: Duration::from_secs(600),
            growth_startup: Duration::from_secs(600),
            growth_history: Duration::from_secs(6 * 3600),
            growth_horizon: Duration::from_secs(7 * 24 * 3600),
            growth_critical: Duration::from_secs(1800),
            memory_growth_bytes: 32 << 20,
            memory_growth_percent: 20,
            fd_growth: 50,
            fd_growth_percent: 50,
            thread_growth: 64,
            thread_growth_percent: 50,
            thread_percent: 90,
            fork_percent: 70,
            fork_scans: 3,
            fork_growth: 100,
            fork_time_to_limit: Duration::from_secs(600),
            fork_count: 200_000,
            fork_window: Duration::from_secs(300),
        }
    }
}

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
