//! The limits by which the detectors judge, and the sizes the kernel side is given.

use std::time::Duration;

use super::declare::{Fixed, Part, defaults, flags, one, settings};
use super::parse::{count, duration};
use super::setting::group;
use super::{ExecLimits, GrowthLimits};

settings! {
    /// From when on something is a finding.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DetectLimits {
        in flags(group::DETECT, "detect.") => {
            /// Minimum age at which a zombie counts.
            pub zombie_age: Duration = one("60s", "TIME", duration("1s", "24h"));
            /// So many zombies of one parent are a pile-up: a parent that is merely busy leaves fewer.
            pub zombie_count: u32 = Fixed(10);
            /// Memory is nearly full when the working set reaches this percentage of the cgroup's limit.
            pub memory_percent: u32 = one("95", "PERCENT", count(1, 100));
            /// For so many scans in a row: one alone may have met a peak.
            pub memory_scans: u32 = Fixed(2);
            /// Less than this part of the host's memory left, in percent, swap included, and it is short of memory:
            /// one more burst of work takes the rest.
            pub available_percent: u32 = Fixed(3);
            /// All tasks waiting for memory for this part of the time, in percent, are a stall: two seconds of
            /// ten, which nobody calls a hiccup any more.
            pub stall_percent: u32 = Fixed(20);
            /// Open files are near their limit when they reach this percentage of RLIMIT_NOFILE.
            pub fd_percent: u32 = one("90", "PERCENT", count(1, 100));
            /// For so many scans in a row: one alone may have met a peak.
            pub fd_scans: u32 = Fixed(2);
            /// A thread is hung after it has waited in state D for this long.
            pub hung_after: Duration = one("2m", "TIME", duration("1s", "24h"));
            /// A thread is spinning after it has used the CPU without progress for this long; a third of this time if
            /// it behaved differently before.
            pub spin_window: Duration = one("30m", "TIME", duration("1s", "24h"));
            /// Number of deaths of one program that count as a crash loop.
            pub crash_loop_count: u32 = one("3", "N", count(2, 1000));
            /// Time within which these deaths are counted.
            pub crash_loop_window: Duration = one("10m", "TIME", duration("1s", "24h"));
            /// So many bad ends in a row make a loop of a program that no known supervisor starts again: a person
            /// who tries gives up before.
            pub crash_loop_respawns: u32 = Fixed(6);
            /// A program that typically lives so long was meant to go on: commands that say no do so sooner.
            pub crash_loop_life: Duration = Fixed(Duration::from_millis(500));
            /// Minimum age at which a process without a supervisor or terminal may be a service.
            pub abnormal_exit_age: Duration = one("60s", "TIME", duration("1s", "24h"));
            /// Of growth over time, and of forks.
            pub growth: GrowthLimits = Part;
            /// Of programs that begin.
            pub exec: ExecLimits = Part;
            /// How long ended processes are kept: as long as, by default, the deaths of a crash loop are counted.
            pub ended_keep: Duration = Fixed(Duration::from_mins(10));
            /// Size of the ring for OOM kills and deaths by signal: small, and all must fit, also where thousands of
            /// processes are killed at once while the daemon waits for its share of the CPU.
            pub ring_grave_bytes: u32 = Fixed(1 << 20);
            /// Size of the ring for crash captures, which are bulky and rarer still.
            pub ring_crash_bytes: u32 = Fixed(512 << 10);
            /// Size of the ring for everything else: a storm of forks fits until the reader gets the CPU. It counts
            /// twice in the daemon's memory: the kernel maps a ring's data two times in a row, so that no record has
            /// a seam.
            pub ring_common_bytes: u32 = Fixed(2 << 20);
        }
    }
}

defaults!(DetectLimits);
