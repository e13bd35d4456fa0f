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
//!   program above that serves the network (then whoever runs it). By the account of a service: from /dev/shm or hidden;
//!   by a person: from /dev/shm without a login. Never more than info below a build; not below a package manager;
//! - *posing*: a kernel thread's name on a program of user space. Warning;
//! - *remote shell*: a shell or an interpreter that takes its commands from a connection: its stdin is one, or whoever
//!   holds the other end of its terminal, or of its pipes there and back, passes one on. Critical; critical, too, with a
//!   terminal below a program that is known to serve the network, a warning below another that listens. Info for a bare
//!   shell on a local socket, which editors and agents start too. Not: one that was given a command or a script, what is
//!   on sshd's terminals and socket pairs, a terminal of tmux, script(1), sudo or a container's runtime, `curl … | sh`,
//!   an editor with many descriptors; a shell below one that was told of;
//! - *rights*: a shell that acts as root for another user, a warning; a set-user-ID file of root's that is a shell, or
//!   where no package puts any. Critical. Not: sudo, su, and what drops them at once;
//! - *preload*: LD_PRELOAD or LD_AUDIT from such a folder. Warning; info below a build or a test, and for a person on a
//!   terminal.
//!
//! What a script, or the dynamic linker, is told to run counts as the program. Below, or in the same service or
//! container as, a program that serves the network, a warning is critical, but for a mere place in /tmp.
//!
//! Limits: `exec_folders` and `exec_fresh` (deleted). Programs in such folders, and shells, are looked at up to a rate;
//! what is over it is counted. Whatever the kernel's record alone makes suspicious is always looked at.
//!
//! Two of these but place are critical. What was gone before it could be looked at is judged
//! by what the kernel said of the exec alone.

mod executed;
pub mod facts;
mod look;
mod operands;
mod signs;
pub mod verdict;
mod wanted;
pub mod watch;
pub mod words;

pub use executed::{Executed, Look};
pub use look::{Carrier, Endpoint, Remote, Service, Socket, Stdin, Way};
pub use wanted::{Wanted, wanted};

use crate::config::ExecLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::{Nature, Room, at_once};
use crate::model::{IncidentKind, Severity};
use executed::EXEC;
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

/// The finding on an exec, if any.
pub fn detect(executed: &Executed<'_>, limits: &ExecLimits) -> Option<Draft> {
    let strong = signs::strong(executed);
    let place = signs::place(executed, limits).filter(|place| place.has_signs || !strong.is_empty());
    let is_hiding = place.as_ref().is_some_and(|place| place.is_hiding);
    let place = place.map(|it| it.sign);
    let severity =
        strong.iter().map(|sign| sign.severity).chain(place.as_ref().map(|it| it.severity)).max()?;
    let telling = strong.iter().filter(|sign| sign.severity >= Severity::Warning).count();
    // A service that runs what nobody installed is how a break-in looks; one that unpacks something in /tmp may be built so.
    let worse = |sign: &Sign| sign.severity >= Severity::Warning && !sign.is_of_service;
    let broken_in =
        executed.is_served() && severity == Severity::Warning && (strong.iter().any(worse) || is_hiding);
    let severity = if telling > 1 || broken_in { Severity::Critical } else { severity };
    let mut signs: Vec<Sign> = strong.into_iter().chain(place).collect();
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.severity));
    let site = signs.first().map(|sign| sign.site.clone()).unwrap_or_default();
    let mut facts: Vec<_> = signs.into_iter().flat_map(|sign| sign.facts).collect();
    facts.extend(service(executed));
    facts.push(Statement::new(EXEC, began(executed)));
    if executed.look.is_none() {
        facts.push(Statement::new("monitor:process", ExecFact::ExecUnseen {}));
    }
    Some(Draft { kind: IncidentKind::SuspiciousExec, severity, facts, site })
}

/// The program that serves the network above it, or else beside it.
fn service(executed: &Executed<'_>) -> Option<Statement> {
    let who = |it: &Service| Who { name: it.name.as_str().into(), pid: it.pid };
    if let Some(it) = executed.look.and_then(|look| look.service.as_ref()) {
        let address = it.address.map(|it| it.address.to_string().into());
        let port = it.address.map(|it| it.port);
        let below = ExecFact::ExecBelowService { service: who(it), address, port };
        return Some(Statement::new("proc:net", below));
    }
    let beside = ExecFact::ExecBesideService { service: who(executed.neighbour?) };
    Some(Statement::new("monitor:process", beside))
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
