//! Suspicious exec: a program that began in a way that installed programs do not.
//!
//! To an operator: unless it is known, somebody has got in. Signs, each cited:
//!
//! - *memory*: it runs from a memfd. Warning. Not: a container runtime's clone of itself; info where the host's own,
//!   unusual init starts its helpers so;
//! - *deleted*: its file is gone though it has just begun, and nothing is in its place. Warning; info below a build. Not:
//!   a program that was replaced (the path is there again);
//! - *place*: run from /tmp, /var/tmp or /dev/shm by root. By itself no finding, for test suites and CI jobs do that: a
//!   fact beside other signs. A warning from /dev/shm and together with: a file that another user owns, a hidden name, a
//!   parent that serves the network (then whoever runs it). Never more than info below a build; not below a package
//!   manager;
//! - *posing*: a kernel thread's name on a program of user space. Warning;
//! - *remote shell*: a shell whose stdin is a network socket. Critical. Info for a bare shell on a local socket, which
//!   editors and agents start too. Not: what inetd and systemd start for a connection, a shell on sshd's socket pair.
//!
//! Limits: `exec_folders` and `exec_fresh` (deleted). Programs in such folders, and shells, are looked at up to a rate;
//! what is over it is counted. Whatever the kernel's record alone makes suspicious is always looked at.
//!
//! Two of memory, deleted, posing and remote shell are critical. What was gone before it could be looked at is judged
//! by what the kernel said of the exec alone.

mod executed;
pub mod facts;
mod inspector;
mod signs;
pub mod verdict;
pub mod watch;
pub mod words;

pub use executed::{Executed, Look, Stdin};

use crate::config::ExecLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::{Nature, Room, at_once};
use crate::model::{IncidentKind, Severity};
use crate::programs;
use executed::{EXEC, poses};
use facts::ExecFact;
use signs::Sign;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Suspicious exec",
    nature: Nature::Happens,
    of_cgroup: false,
    of_unit: None,
    explains: &[],
    patience: at_once,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// What has to be looked at before an exec can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Whether its executable has to be read.
    pub exe: bool,
    /// The executable again, after a moment.
    pub exe_later: bool,
    /// Whether its standard input (descriptor 0) has to be read.
    pub stdin: bool,
    /// The executable, because the process has a kernel thread's name.
    pub posing: bool,
    /// Nothing but the place it was run from asks for the look.
    pub place_only: bool,
}

impl Wanted {
    /// Whether there is anything to look at.
    pub const fn any(self) -> bool {
        self.exe || self.stdin
    }
}

/// What to look at for a program with these names; decided for each exec, so without allocating.
pub fn wanted(comm: &[u8], argv: &[u8], exe: Option<&[u8]>, uid: Option<u32>, limits: &ExecLimits) -> Wanted {
    let exe = exe.unwrap_or_default();
    let descriptor =
        exe.starts_with(b"/dev/fd/") || exe.starts_with(b"/proc/") || exe.starts_with(b"/memfd:");
    let temporary = limits.exec_folders.iter().any(|root| exe.starts_with(root.as_bytes()));
    // A relative path may lead there.
    let relative = !exe.is_empty() && !exe.starts_with(b"/") && uid == Some(0);
    let first = argv.split(|byte| *byte == 0).next().unwrap_or_default();
    let posing = poses(comm) || poses(first);
    let shell = std::str::from_utf8(comm).is_ok_and(programs::is_shell_name);
    // The kernel's record is suspicious by itself.
    let signs = temporary && (exe.starts_with(b"/dev/shm/") || signs::is_hidden(exe));
    let place_only = (temporary || relative) && !(descriptor || posing || shell || signs);
    let exe = descriptor || temporary || relative || posing || shell;
    Wanted { exe, exe_later: temporary, stdin: shell, posing, place_only }
}

/// The finding on an exec, if any.
pub fn detect(executed: &Executed<'_>, limits: &ExecLimits) -> Option<Draft> {
    let strong = signs::strong(executed);
    let place = signs::place(executed, limits).filter(|place| place.has_signs || !strong.is_empty());
    let place = place.map(|it| it.sign);
    let severity =
        strong.iter().map(|sign| sign.severity).chain(place.as_ref().map(|it| it.severity)).max()?;
    let telling = strong.iter().filter(|sign| sign.severity >= Severity::Warning).count();
    let severity = if telling > 1 { Severity::Critical } else { severity };
    let mut signs: Vec<Sign> = strong.into_iter().chain(place).collect();
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.severity));
    let site = signs.first().map(|sign| sign.site.clone()).unwrap_or_default();
    let mut facts: Vec<_> = signs.into_iter().flat_map(|sign| sign.facts).collect();
    facts.push(Statement::new(EXEC, began(executed)));
    if executed.look.is_none() {
        facts.push(Statement::new("monitor:process", ExecFact::ExecUnseen {}));
    }
    Some(Draft { kind: IncidentKind::SuspiciousExec, severity, facts, site })
}

fn began(executed: &Executed<'_>) -> ExecFact {
    let it = executed.process;
    let path = it.exe.as_deref().map(Into::into);
    ExecFact::ExecStarted {
        path,
        uid: it.uid,
        parent: Who { name: executed.parent_name.into(), pid: it.ppid },
    }
}

#[cfg(test)]
mod tests;
