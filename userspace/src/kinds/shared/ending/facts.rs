//! What is stated of any end.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;
use crate::model::{ExitCause, Name};

facts! {
    /// The statements on a process's end.
    pub enum EndFact {
        /// The process ended, by a status or a signal.
        Ended {
            /// By which exit status or signal.
            cause: ExitCause,
            /// Whether a core file was written.
            core_dumped: bool,
            /// From its start to its end, in milliseconds.
            age_ms: u64,
        },
        /// The OOM killer chose it, and that is what ended it.
        OomVictim {},
        /// A child of it had ended so a moment before: its own end passes that on.
        ChildEnded {
            /// The child.
            child: Who,
            /// By which exit status or signal.
            cause: ExitCause,
        },
        /// Its parent ended in the same way after it, and is there for that alone.
        PassedOn {
            /// The last one that passed the end on.
            by: Who,
        },
        /// The largest resident memory it had.
        PeakMemory {
            /// Peak resident memory, in bytes.
            rss_bytes: u64,
        },
        /// Its memory cgroup has a limit.
        CgroupAtEnd {
            /// The cgroup's path below the root of its hierarchy.
            cgroup: Name,
            /// The limit, in bytes.
            limit_bytes: u64,
            /// What the cgroup uses now that the process is gone, in bytes.
            usage_bytes: u64,
        },
        /// The CPU time of all its threads.
        CpuUsed {
            /// CPU time of all its threads, in nanoseconds.
            cpu_ns: u64,
        },
        /// Whose child it was.
        Parent {
            /// The parent's `comm`: at most 15 bytes that the process chose.
            name: Name,
            /// The pid of the parent at the end.
            pid: u32,
            /// Whether the parent starts it again: as it says itself, or was seen to do.
            starts_it_again: bool,
        },
    }
}
