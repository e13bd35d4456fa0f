//! What is stated of how this daemon ended.

use crate::kinds::part::facts;

facts! {
    /// The statements of this room.
    pub enum StopFact {
        /// The daemon before this one did not end in order.
        MonitorEnded {
            /// By what, as far as anything says so.
            how: HowEnded,
            /// How long it had run.
            ran_ms: u64,
        },
        /// From its last sign of life to this start nothing was watched.
        Unwatched {
            /// For so long.
            gap_ms: u64,
        },
        /// What it had in memory alone, as its database could not be written, is lost.
        UnstoredLost {},
    }
}

facts! {
    /// How it ended.
    pub choice HowEnded {
        /// The host went down, or was started anew, without stopping it.
        WithTheHost,
        /// The kernel's OOM killer.
        OomKilled,
        /// A fault of its own that the kernel reported.
        Faulted,
        /// It ended itself, as one of its stages had stopped.
        ByItself,
        /// Nothing says how: SIGKILL, or an abort.
        Unknown,
    }
}
