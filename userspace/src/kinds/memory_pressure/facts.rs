//! What is stated of memory that runs short.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum PressureFact {
        /// A memory cgroup has a limit.
        CgroupMemoryLimit {
            /// The path of the memory cgroup.
            cgroup: Name,
            /// The cgroup's memory limit, in bytes.
            limit_bytes: u64,
        },
        /// What that cgroup holds.
        CgroupMemoryHeld {
            /// Without pages of files, which the kernel can take back.
            held_bytes: u64,
        },
        /// How much memory and swap the host has left.
        HostMemory {
            /// The host's memory in total, in bytes.
            total_bytes: u64,
            /// Free, or to be had without swapping: page cache is in it.
            available_bytes: u64,
            /// All the swap there is; 0: none.
            swap_total_bytes: u64,
            /// Free swap, in bytes.
            swap_free_bytes: u64,
        },
        /// For how much of the time tasks waited for memory.
        MemoryStall {
            /// Whose tasks; the host's where absent.
            cgroup: Option<Name>,
            /// All that had work, in the last 10 seconds, in thousandths of the time.
            full_avg10_permille: u32,
            /// All that had work, in the last minute.
            full_avg60_permille: u32,
            /// At least one, in the last minute.
            some_avg60_permille: u32,
        },
        /// For how long memory has been short.
        MemoryShort {
            /// The measurement that shows the pressure.
            sign: MemorySign,
            /// From where on that is short, in percent.
            threshold_percent: u32,
            /// In so many scans in a row.
            scans: u32,
        },
        /// One of those that hold it.
        MemoryHolder {
            /// The process that is meant.
            process: Who,
            /// Its resident set size, in bytes.
            rss_bytes: u64,
            /// By how much it grew lately, where it did.
            grown: Option<MemoryGrown>,
        },
    }
}

facts! {
    /// How much a process grew lately.
    pub struct MemoryGrown {
        /// How much it grew, in bytes.
        pub bytes: u64,
        /// The time in which it grew, in milliseconds.
        pub over_ms: u64,
    }
}

facts! {
    /// What shows that memory is short.
    pub choice MemorySign {
        /// A cgroup holds so much of its limit.
        NearLimit,
        /// Less than so much of the host's memory is available.
        LittleAvailable,
        /// All tasks waited for memory for so much of the time.
        Stall,
    }
}
