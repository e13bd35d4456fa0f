//! What is stated of families of processes that grow, and of parents that fork without end.

use crate::kinds::part::facts;
use crate::kinds::shared::limits::facts::TaskCeiling;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum ForkFact {
        /// The process and what it started.
        ProcessFamily {
            /// What makes it a storm.
            sign: StormSign,
            /// Live processes of the family.
            processes: u64,
            /// Threads of all of them.
            threads: u64,
            /// The program that most of them run, by its `comm`.
            common: Name,
            /// How many run it.
            common_processes: u64,
        },
        /// How many they were some scans before.
        FamilyBefore {
            /// Processes at the start of the time.
            before: u64,
            /// Processes in the newest scan.
            now: u64,
            /// The time between the two counts, in milliseconds.
            over_ms: u64,
        },
        /// They grew on each of the last scans.
        GrewEachScan {
            /// So many scans in a row.
            scans: u64,
            /// At least so many processes each time.
            at_least: u64,
            /// When the limit is reached at this rate.
            limit_reached_in_ms: u64,
        },
        /// The kernel refused to fork, for the limit was reached.
        ForksRefused {
            /// Refused since the scan before.
            forks: u64,
            /// For so many scans in a row some were refused.
            scans: u64,
            /// The limit that refused the forks.
            limit: TaskCeiling,
        },
        /// What the named process itself forked, whether or not it lives.
        Forked {
            /// Number of forks in the time.
            forks: u64,
            /// The time in which they were counted, in milliseconds.
            over_ms: u64,
            /// So many a second between the last two scans.
            per_second: u64,
        },
        /// The family is what is left of a process group whose leader has ended; the named process is its oldest.
        OrphanedGroup {
            /// The id of the process group.
            group: u32,
        },
    }
}

facts! {
    /// What makes a family of processes a storm.
    pub choice StormSign {
        /// The limit is reached, and the kernel refuses further forks.
        LimitReached,
        /// It grew on every scan, and the limit is near.
        LimitNear,
        /// It has grown steadily for long, and will reach the limit.
        SteadyGrowth,
        /// One process forks without end, though none of its children stays.
        ManyForks,
    }
}
