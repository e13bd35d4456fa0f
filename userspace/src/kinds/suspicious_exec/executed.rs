//! A program that began and what a look at it found: what the signs are read from.

use crate::model::ProcessInfo;
use crate::programs::is_kernel_thread;

/// What fd 0 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// A socket of the internet's families.
    Network,
    /// A socket of this host (unix(7)).
    Local,
    /// A socket of another family.
    OtherSocket,
    /// Anything that is not a socket.
    Ordinary,
}

/// What a look at the process found, a moment after its exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The path that `/proc/PID/exe` points to.
    pub exe: String,
    /// Whether that file is gone, with nothing in its place.
    pub is_deleted: bool,
    /// The user id of the file's owner, where it could be read.
    pub owner: Option<u32>,
    /// Its fd 0, where it is a shell.
    pub stdin: Option<Stdin>,
}

/// A program that began, and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub struct Executed<'a> {
    /// Who; `exe` as given to execve(2), or where it points.
    pub process: &'a ProcessInfo,
    /// The name of the parent at the exec.
    pub parent_name: &'a str,
    /// The programs above it, the parent first.
    pub ancestors: &'a [String],
    /// Whether the exec was a moment ago: of an older process nothing follows from a file that is gone.
    pub has_just_begun: bool,
    /// What is to be seen of it; `None` where it was gone by then.
    pub look: Option<&'a Look>,
}

/// The kernel's record of the exec.
pub(super) const EXEC: &str = "kernel:sched_process_exec";

/// Whether a name, with or without brackets, is a kernel thread's.
pub(super) fn poses(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(name);
    is_kernel_thread(name)
}
