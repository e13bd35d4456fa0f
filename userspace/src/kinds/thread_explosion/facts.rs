//! What is stated of threads.

use crate::kinds::part::facts;

facts! {
    /// The statements of this room.
    pub enum ThreadFact {
        /// How many threads the process has.
        ThreadCount {
            /// Threads in the newest scan.
            threads: u64,
        },
        /// Scan after scan a limit on tasks was close, and most of the tasks under it were the process's own.
        TaskLimitNear {
            /// At least so much of the limit was in use, in percent.
            percent: u64,
            /// So many scans in a row.
            scans: u64,
        },
    }
}
