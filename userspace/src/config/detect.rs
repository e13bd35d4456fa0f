//! The limits by which the detectors judge, and the sizes the kernel side is given.

use std::time::Duration;

use super::{ExecLimits, GrowthLimits};

/// From when on something is a finding. Every field is a key of the file's `[detect]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectLimits {
    /// A zombie counts once it is this old.
    pub zombie_age: Duration,
    /// So many zombies of one parent are a pile-up.
    pub zombie_count: u32,
    /// Working set in percent of the memory limit.
    pub memory_percent: u32,
    /// For so many scans in a row.
    pub memory_scans: u32,
    /// Less than this part of the host's memory left, in percent, swap included, and it is short of memory.
    pub available_percent: u32,
    /// All tasks waiting for memory for this part of the time, in percent, are a stall.
    pub stall_percent: u32,
    /// Open files in percent of RLIMIT_NOFILE.
    pub fd_percent: u32,
    /// For so many scans in a row.
    pub fd_scans: u32,
    /// A thread that waits in state D for so long is hung.
    pub hung_after: Duration,
    /// A thread that computes for so long without progress spins; a third of it where it did something else before.
    pub spin_window: Duration,
    /// So many deaths of one program …
    pub crash_loop_count: u32,
    /// … within this time are a crash loop.
    pub crash_loop_window: Duration,
    /// So many bad ends in a row make a loop of a program that no known supervisor starts again.
    pub crash_loop_respawns: u32,
    /// A program that typically lives so long was meant to go on.
    pub crash_loop_life: Duration,
    /// What has lived so long without a terminal may be a service though nobody supervises it.
    pub abnormal_exit_age: Duration,
    /// Of growth over time, and of forks.
    pub growth: GrowthLimits,
    /// Of programs that begin.
    pub exec: ExecLimits,
    /// How long ended processes are kept.
    pub ended_keep: Duration,
    /// Size of the ring for OOM kills, crashes and failed exits.
    pub ring_grave_bytes: u32,
    /// Size of the ring for crash captures.
    pub ring_crash_bytes: u32,
    /// Size of the ring for everything else. It counts twice in the daemon's memory: the kernel maps a ring's data
    /// two times in a row, so that no record has a seam.
    pub ring_common_bytes: u32,
}

impl Default for DetectLimits {
    fn default() -> Self {
        Self {
            zombie_age: Duration::from_secs(60),
            zombie_count: 10,
            memory_percent: 95,
            memory_scans: 2,
            available_percent: 3,
            stall_percent: 20,
            fd_percent: 90,
            fd_scans: 2,
            hung_after: Duration::from_secs(120),
            spin_window: Duration::from_secs(1800),
            crash_loop_count: 3,
            crash_loop_window: Duration::from_secs(600),
            crash_loop_respawns: 6,
            crash_loop_life: Duration::from_millis(500),
            abnormal_exit_age: Duration::from_secs(60),
            growth: GrowthLimits::default(),
            exec: ExecLimits::default(),
            ended_keep: Duration::from_secs(600),
            ring_grave_bytes: 256 << 10,
            ring_crash_bytes: 512 << 10,
            ring_common_bytes: 2 << 20,
        }
    }
}
