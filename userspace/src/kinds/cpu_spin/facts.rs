//! What is stated of a thread that spins.

use crate::kinds::part::facts;
use crate::kinds::pieces::Thread;

facts! {
    /// The statements of this room.
    pub enum SpinFact {
        /// A thread was ready to run at each look.
        SpinningThread {
            /// Which; where several spin, the one that does for the longest.
            thread: Thread,
            /// In so many looks in a row.
            looks: u32,
            /// The time between the first and the last of them.
            lasted_ms: u64,
            /// The CPU time it used meanwhile.
            cpu_ms: u64,
        },
        /// No thread spins for long, but one or another of them was ready to run at each look.
        SpinByTurns {
            /// In so many looks in a row.
            looks: u32,
            /// The time between the first and the last of them.
            lasted_ms: u64,
            /// The CPU time that all of them used meanwhile.
            cpu_ms: u64,
        },
        /// The CPU time by mode, together 100.
        SpinCpuSplit {
            /// Percent of its CPU time that was in user mode.
            user_percent: u64,
            /// The kernel on its behalf.
            kernel_percent: u64,
        },
        /// It read and wrote no byte meanwhile.
        SpinWithoutIo {},
        /// It called read(2), write(2) and their kin, and they moved nothing.
        SpinEmptyCalls {
            /// How many such calls.
            calls: u64,
        },
        /// It was ready to run, and others had the CPUs.
        SpinQueued {
            /// For so long in all.
            queued_ms: u64,
        },
        /// It went to sleep hardly ever, and hardly touched new memory.
        SpinHardlyWaits {
            /// How often it waited for something.
            waits: u64,
            /// How often it touched new memory: page faults.
            faults: u64,
        },
        /// Of threads that spin by turns: those at work waited for nothing but each other (futex).
        SpinWaitsForEachOther {
            /// How often they touched new memory: page faults.
            faults: u64,
        },
        /// What it had done before the first look.
        SpinPast {
            /// For how long it had lived.
            age_ms: u64,
            /// Its share of a core in that time.
            used_percent: u64,
            /// The share of that time in which it was ready to run and others had the CPUs.
            queued_percent: u64,
            /// Whether it did something else before, for long enough to tell.
            is_new: bool,
        },
        /// Its priority is that of a background job.
        SpinLowPriority {},
        /// It is not the only one.
        SpinningThreads {
            /// How many threads of the process spin.
            threads: u64,
        },
        /// Other threads of the process read or wrote meanwhile.
        SpinBesideWork {},
    }
}
