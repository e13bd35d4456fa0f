//! A program that began and what a look at it found: what the signs are read from.

use super::look::{Remote, Service, Stdin};
use crate::model::ProcessInfo;
use crate::programs::{Roles, is_kernel_thread, roles_of};

/// What a look at the process found, a moment after its exec.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// The path that `/proc/PID/exe` points to.
    pub exe: String,
    /// Whether that file is gone, with nothing in its place.
    pub is_deleted: bool,
    /// The user id of the file's owner, where it could be read.
    pub owner: Option<u32>,
    /// Whether that file gives who runs it its owner's rights.
    pub gives_rights: bool,
    /// Whether it acts as root though it is another user's.
    pub has_rights: bool,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// Its fd 0, where it takes its commands from there.
    pub stdin: Option<Stdin>,
    /// The connection that its commands come over.
    pub remote: Option<Remote>,
    /// Whether it is part of a person's login (pam_loginuid(8)).
    pub is_logged_in: bool,
    /// Shells above it that read the same.
    pub shells_above: Vec<u32>,
    /// The folder it was started in, with a slash at its end, where everybody may write there.
    pub folder: Option<String>,
    /// The library that its environment has loaded from a folder where everybody may write.
    pub preload: Option<String>,
    /// The nearest program above that serves the network.
    pub service: Option<Service>,
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
    /// A program that serves the network in the same service or container.
    pub neighbour: Option<&'a Service>,
}

impl<'a> Executed<'a> {
    /// The parent's name, where that is known to serve the network and to start others seldom.
    pub(super) fn network_parent(&self) -> Option<&'a str> {
        let serves = |name: &str| roles_of(name).contains(Roles::NETWORK_SERVICE);
        let is_one = serves(self.parent_name) || self.ancestors.first().is_some_and(|it| serves(it));
        is_one.then_some(self.parent_name)
    }

    /// Whether it runs below or beside a program that is known to serve the network and to start others seldom.
    pub(super) fn is_below_known_service(&self) -> bool {
        self.look.is_some_and(|look| look.service.as_ref().is_some_and(|it| it.is_known))
            || self.neighbour.is_some()
    }

    /// Whether it runs below, or beside, a program that serves the network.
    pub(super) fn is_served(&self) -> bool {
        self.look.is_some_and(|look| look.service.is_some())
            || self.neighbour.is_some()
            || self.network_parent().is_some()
    }
}

/// The kernel's record of the exec.
pub(super) const EXEC: &str = "kernel:sched_process_exec";

/// Whether a name, with or without brackets, is a kernel thread's.
pub(super) fn poses(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(name);
    is_kernel_thread(name)
}
