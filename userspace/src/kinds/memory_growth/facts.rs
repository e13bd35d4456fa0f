//! What is stated of memory that grows.

use super::bounds::OwnBound;
use crate::kinds::part::facts;

facts! {
    /// The statements of this room.
    pub enum MemoryGrowthFact {
        /// The anonymous memory of the process grew steadily.
        MemoryGrew {
            /// Which sort of memory; absent for anonymous memory.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            sort: Option<MemorySort>,
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
        /// How much it holds of that sort now.
        MemoryHeld {
            /// Which sort of memory.
            sort: MemorySort,
            /// How much, in bytes.
            bytes: u64,
        },
        /// It was told how much it may use, and that fits into what is left.
        MemoryBound {
            /// By what, and how much.
            bound: OwnBound,
        },
    }
}

facts! {
    /// A sort of memory that is not given back when others need it.
    pub choice MemorySort {
        /// Shared memory that the process has mapped (RssShmem): files on tmpfs, memfd, System V.
        Shared,
        /// The page tables of the process (VmPTE).
        PageTables,
    }
}
