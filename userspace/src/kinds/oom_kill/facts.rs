//! What is stated of an OOM kill: by the kernel's events, and by its own report.

use crate::kinds::part::facts;
use crate::kinds::pieces::Who;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum OomFact {
        /// The OOM killer chose the process, and its end was not reported.
        OomNotEnded {},
        /// Whose allocation called the OOM killer.
        OomTrigger {
            /// The process, by the name of its thread.
            by: Who,
            /// Whether that is the victim itself.
            is_victim: bool,
        },
        /// Why the kernel called its OOM killer.
        OomReason {
            /// What had run out.
            ran_out: RanOut,
            /// The cgroup whose limit it was.
            cgroup: Option<Name>,
            /// Which of that cgroup's counters was at its limit.
            counter: Option<Counter>,
            /// What the cgroup had charged, and its limit.
            memory: Option<Charged>,
            /// That cgroup's memory and swap together (cgroups v1).
            memory_and_swap: Option<Charged>,
            /// The cgroup the victim was in, where that is another.
            victim_cgroup: Option<Name>,
            /// Whether the log has of the report but its last line, as after many OOM kills at once.
            kill_alone: bool,
        },
        /// What the victim held when it was killed.
        OomVictimSize {
            /// Resident anonymous memory, in bytes.
            anon_bytes: u64,
            /// Resident memory of mapped files, in bytes.
            file_bytes: u64,
            /// Resident shared memory, in bytes.
            shmem_bytes: u64,
            /// Its page tables, in bytes; absent where the kernel does not say.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            tables_bytes: Option<u64>,
            /// How its score was weighted; absent before Linux 5.3.
            oom_score_adj: Option<i32>,
        },
        /// The kernel's table of tasks that had memory.
        OomTasks {
            /// How many there were.
            count: u64,
            /// How many of them `listed_rss_bytes` is the sum of: the largest.
            listed: u64,
            /// What those had resident, in all.
            listed_rss_bytes: u64,
            /// The page tables of those, in all; absent where an early version wrote it down.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            listed_tables_bytes: Option<u64>,
            /// Of several tasks of one name that had most of it together: the name, how many, and what they had.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            group: Option<OomGroup>,
            /// Some of them, the largest first.
            largest: Vec<OomTask>,
        },
        /// One of the largest tasks had less at the scan before.
        OomTaskGrew {
            /// The process that is meant.
            task: Who,
            /// Resident at the scan.
            before_bytes: u64,
            /// Resident at the kill.
            rss_bytes: u64,
            /// How long before the kill the scan was.
            over_ms: u64,
        },
        /// The allocation that failed.
        OomRequest {
            /// The thread that asked for it.
            by: Name,
            /// How much it asked for.
            bytes: u64,
            /// The same as a power of two of pages.
            order: u32,
            /// How it may be met, by the names of the kernel's flags.
            gfp: Name,
        },
    }
}

facts! {
    /// Use and limit of one of a cgroup's counters.
    pub struct Charged {
        /// Memory or swap charged to the cgroup, in bytes.
        pub usage_bytes: u64,
        /// The limit of the cgroup, in bytes.
        pub limit_bytes: u64,
    }
}

facts! {
    /// A row of the kernel's table of tasks.
    pub struct OomTask {
        /// The task of the report, by name and pid.
        pub task: Who,
        /// What it had resident.
        pub rss_bytes: u64,
        /// How its score was weighted.
        pub oom_score_adj: i32,
        /// Whether it is the victim.
        pub is_victim: bool,
    }
}

facts! {
    /// Tasks of one name.
    pub struct OomGroup {
        /// Their `comm`.
        pub name: Name,
        /// How many there are.
        pub count: u64,
        /// What they had resident, with their page tables, in all.
        pub bytes: u64,
    }
}

facts! {
    /// What had run out when the kernel called its OOM killer.
    pub choice RanOut {
        /// A memory cgroup's limit.
        CgroupLimit,
        /// The memory of the host.
        HostMemory,
        /// The memory nodes that a cpuset allows.
        CpusetNodes,
        /// The memory nodes that a memory policy allows.
        PolicyNodes,
        /// Memory that no cgroup limits; the kernel did not write which.
        NoCgroupLimit,
        /// Nothing: somebody called it by sysrq.
        Nothing,
    }
}

facts! {
    /// Which of a cgroup's counters was at its limit.
    pub choice Counter {
        /// The limit of memory alone.
        Memory,
        /// That of memory and swap together.
        MemoryAndSwap,
    }
}
