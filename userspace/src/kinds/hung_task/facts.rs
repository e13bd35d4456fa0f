//! What is stated of a thread that hangs.

use crate::kinds::part::facts;
use crate::kinds::pieces::Thread;
use crate::model::Name;

facts! {
    /// The statements of this room.
    pub enum HungFact {
        /// A thread sleeps in the kernel and can't be interrupted (state D).
        HungThread {
            /// Which; where several hang, the one that does for the longest.
            thread: Thread,
            /// For at least so long.
            lasted_ms: u64,
            /// In so many looks in a row.
            looks: u32,
            /// Whether it waits for a child that it started with vfork(2) or posix_spawn(3).
            for_vfork_child: bool,
            /// Whether a signal would end the wait (state S).
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            is_interruptible: bool,
        },
        /// It was stopped by a signal (state T), and nobody has let it go on.
        HungStopped {
            /// For at least so long.
            lasted_ms: u64,
            /// In so many scans in a row.
            looks: u32,
        },
        /// It has not come out of that wait since it was first seen in it.
        HungInOneWait {
            /// How often it woke, and went on waiting in the same system call.
            wakes: u64,
        },
        /// The kernel function that it waits in.
        HungInFunction {
            /// Its name, as the kernel gives it.
            function: Name,
        },
        /// The system call that it is in.
        HungInSystemCall {
            /// Its name, as the kernel gives it.
            call: Name,
            /// What the descriptor is that the call is about, where it is about one.
            file: Option<Name>,
        },
        /// It is in no system call: it waits for a page of its memory to be read from a file or from swap.
        HungInPageFault {},
        /// The thread's stack in the kernel.
        HungKernelStack {
            /// The innermost functions, the innermost first.
            functions: Vec<Name>,
        },
        /// It is not the only one.
        HungThreads {
            /// How many threads of the process hang.
            hung: u64,
            /// How many it has.
            of: u64,
        },
    }
}
