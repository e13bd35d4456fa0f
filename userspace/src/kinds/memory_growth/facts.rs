//! What is stated of memory that grows.

use crate::kinds::part::facts;

facts! {
    /// The statements of this room.
    pub enum MemoryGrowthFact {
        /// The anonymous memory of the process grew steadily.
        MemoryGrew {
            /// About what it was.
            from_bytes: u64,
            /// About what it is.
            to_bytes: u64,
            /// The time over which it grew, in milliseconds.
            over_ms: u64,
            /// By how much in a minute.
            per_minute_bytes: u64,
        },
        /// The anonymous memory of the process now: RssAnon and VmSwap.
        AnonymousMemory {
            /// Anonymous memory now, in bytes.
            anon_bytes: u64,
        },
    }
}
