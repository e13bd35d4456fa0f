//! What is stated of limits on tasks and memory.

use crate::kinds::part::facts;
use crate::model::Name;

facts! {
    /// What is stated about a limit on tasks or memory.
    pub enum LimitFact {
        /// The limit on tasks that is closest; every thread is a task.
        TaskLimit {
            /// Which, and how much of it is used.
            limit: TaskCeiling,
        },
        /// What the closest limit on memory leaves, at the rate at which the process grows.
        MemoryLeft {
            /// Which, and what is left of it.
            limit: MemoryCeiling,
            /// For how long that is enough.
            lasts_ms: u64,
        },
    }
}

facts! {
    /// A limit on tasks, and how many there are.
    pub struct TaskCeiling {
        /// Which limit it is.
        pub which: TaskLimitKind,
        /// The cgroup, where the limit is a cgroup's.
        pub cgroup: Option<Name>,
        /// The user's id, where the limit is a user's.
        pub uid: Option<u32>,
        /// Tasks that may be.
        pub allowed: u64,
        /// Tasks that count against it now.
        pub used: u64,
    }
}

facts! {
    /// Which limit on tasks it is.
    pub choice TaskLimitKind {
        /// pids.max of a cgroup.
        Cgroup,
        /// RLIMIT_NPROC of a user.
        User,
        /// The lower of the host's threads-max and pid_max.
        Host,
    }
}

facts! {
    /// A limit on memory, and what is left of it.
    pub struct MemoryCeiling {
        /// Which limit it is.
        pub which: MemoryLimitKind,
        /// The cgroup, where the limit is a cgroup's.
        pub cgroup: Option<Name>,
        /// What is left; pages of files count as free.
        pub left_bytes: u64,
    }
}

facts! {
    /// Which limit on memory it is.
    pub choice MemoryLimitKind {
        /// The memory limit of a cgroup.
        Cgroup,
        /// The host's memory and swap (MemAvailable and SwapFree).
        Host,
    }
}
