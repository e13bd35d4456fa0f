//! What is stated of steady growth.

use crate::kinds::part::facts;

facts! {
    /// What is stated about growth over time.
    pub enum TrendFact {
        /// A count grew steadily.
        CountGrew {
            /// What grew.
            what: Counted,
            /// About how many there were.
            from: u64,
            /// About how many there are.
            to: u64,
            /// The time over which it grew, in milliseconds.
            over_ms: u64,
            /// When the limit is reached at this rate, from now on; absent where no limit is known.
            limit_reached_in_ms: Option<u64>,
        },
        /// Why growth counts as steady: most later samples are above earlier ones, and the lowest values rise too.
        SteadyGrowth {
            /// Number of samples the trend was computed from.
            points: u64,
            /// The time they cover.
            over_ms: u64,
            /// Of all pairs of samples, those that rise less those that fall, in percent.
            rising_percent: u64,
        },
    }
}

facts! {
    /// Something that is counted and can grow.
    pub choice Counted {
        /// Open file descriptors of the process.
        OpenDescriptors,
        /// Threads of the process.
        Threads,
        /// Live processes: the process and what it started.
        Processes,
    }
}
