//! Pieces of statements that several rooms share.

use super::part::facts;
use crate::model::Name;
use crate::observation::ThreadLook;

facts! {
    /// A process, as a statement names it.
    pub struct Who {
        /// Its `comm`: at most 15 bytes that the process chose.
        pub name: Name,
        /// Its pid, in the host's pid namespace.
        pub pid: u32,
    }
}

facts! {
    /// A thread of the process, as a statement names it.
    pub struct Thread {
        /// Its `comm`: at most 15 bytes that the process chose.
        pub name: Name,
        /// Its id; that of the main thread is the pid.
        pub tid: u32,
        /// Whether it is the main thread.
        pub is_main: bool,
    }
}

impl Thread {
    /// The thread of a look at the process with this pid.
    pub fn of(look: &ThreadLook, pid: u32) -> Self {
        let name = String::from_utf8_lossy(&look.comm).into_owned().into();
        Self { name, tid: look.tid, is_main: look.tid == pid }
    }
}
