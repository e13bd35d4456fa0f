//! What is stated of a live process.

use crate::kinds::part::facts;
use crate::model::{IncidentKind, Name};

facts! {
    /// What is stated about a live process when somebody asks about it.
    pub enum StandingFact {
        /// Its state and age.
        State {
            /// The state letter of proc_pid_stat(5): R, S, D, Z, T, t, I, X.
            state: char,
            /// Time since it started, in milliseconds.
            age_ms: u64,
        },
        /// Its threads, and what they used.
        Threads {
            /// Number of threads now.
            count: u64,
            /// CPU time of all of them so far.
            cpu_ms: u64,
        },
        /// How much resident memory it has.
        Resident {
            /// Resident set size, in bytes.
            rss_bytes: u64,
        },
        /// How many descriptors it has open.
        Descriptors {
            /// Descriptors that are open now.
            open: u64,
            /// RLIMIT_NOFILE, soft, where it was read.
            limit: Option<u64>,
        },
        /// What its memory cgroup uses, and its limit.
        CgroupUse {
            /// Memory charged to the cgroup now, in bytes.
            usage_bytes: u64,
            /// The cgroup's memory limit, in bytes.
            limit_bytes: u64,
        },
        /// Its program lies in a folder where everybody may write.
        OpenFolder {
            /// The folder.
            folder: Name,
        },
        /// For how long the monitor has watched it, and in how many scans.
        Watched {
            /// Since it was first seen.
            since_ms: u64,
            /// Scans that measured it, at most as many as are counted.
            scans: u64,
        },
        /// What cannot be said of it yet: these kinds need a longer look.
        NotJudgedYet {
            /// The kinds, the soonest first.
            kinds: Vec<IncidentKind>,
            /// How long the last of them needs, from the first look on.
            needs_ms: u64,
        },
    }
}
