//! What is stated of a live process.

use crate::kinds::part::facts;
use crate::model::{IncidentKind, Name};

facts! {
    /// The statements.
    pub enum StandingFact {
        /// Its state and age.
        State {
            /// The state letter of proc_pid_stat(5): R, S, D, Z, T, t, I, X.
            state: char,
            /// Since it started.
            age_ms: u64,
        },
        /// Its threads, and what they used.
        Threads {
            /// Threads now.
            count: u64,
            /// CPU time of all of them so far.
            cpu_ms: u64,
        },
        /// Its memory.
        Resident {
            /// Resident set size.
            rss_bytes: u64,
        },
        /// Its descriptors.
        Descriptors {
            /// Open now.
            open: u64,
            /// RLIMIT_NOFILE, soft, where it was read.
            limit: Option<u64>,
        },
        /// Its memory cgroup.
        CgroupUse {
            /// Charged now.
            usage_bytes: u64,
            /// The limit.
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
