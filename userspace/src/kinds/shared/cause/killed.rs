//! Who sent the signal that ended a service, and what that says of why.

use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::step;
use crate::kinds::opinion::name;
use crate::kinds::pieces::Sender;
use crate::kinds::shared::signal::{self, facts::SignalFact, facts::SignalReason};
use crate::model::{Confidence, NextStep, SignalWay, signal_name};
use crate::programs::{Roles, roles_of};

const SIGKILL: u8 = 9;
const SIGALRM: u8 = 14;
const SIGVTALRM: u8 = 26;
const SIGPROF: u8 = 27;

/// By who sent the signal, where that is known.
pub fn cause(file: &CaseFile, finding: &Finding, signal: u8) -> (String, Confidence) {
    let told = signal::stated(file, finding).find_map(|fact| match fact {
        SignalFact::SignalSent { by, way, .. } => Some(sent(file, signal, by, *way)),
        SignalFact::SignalFollowed { of, way, .. } => {
            Some((followed(file, signal, of, *way), Confidence::High))
        }
        SignalFact::SignalRaised { reason, .. } => raised(file, signal, *reason),
        SignalFact::SignalAgain { .. } | SignalFact::OtherThread { .. } => None,
    });
    told.unwrap_or_else(|| (unknown(file, signal), Confidence::Medium))
}

/// What to look at, of a sender that may still be there.
pub fn who(sender: &Sender) -> NextStep {
    match sender.session {
        Some(session) => {
            step("The login session that it was sent from", format!("loginctl session-status {session}"))
        }
        None => {
            let pid = sender.pid;
            step(
                "The sender, if it still runs",
                format!("ps -o pid,ppid,lstart,user,args -p {pid}; pstree -sp {pid}"),
            )
        }
    }
}

/// By what the sender is, as its name says.
fn sent(file: &CaseFile, signal: u8, by: &Sender, way: Option<SignalWay>) -> (String, Confidence) {
    let (name, sender) = (name(file), signal::words::sender(by));
    let roles = roles_of(by.name.raw());
    if signal != SIGKILL {
        return (unhandled(&name, signal, &sender), Confidence::Medium);
    }
    if roles.contains(Roles::MEMORY_GUARD) {
        let cause = format!(
            "{sender} killed {name} with SIGKILL because memory ran short: it ends processes before the kernel's OOM \
             killer has to."
        );
        return (cause, Confidence::High);
    }
    let as_usual = if roles.contains(Roles::CONTAINER_RUNTIME) {
        "a container's stop ends like this when the process does not end in time, and so does a kill of the container"
    } else if roles.contains(Roles::INIT) {
        "a service manager does so when a service does not stop in time (systemd: TimeoutStopSec=)"
    } else if roles.contains(Roles::SUPERVISOR) {
        "supervisors do so when a process does not stop in time"
    } else if roles.contains(Roles::STARTER) {
        "the time that it was given was up"
    } else {
        let through = if way == Some(SignalWay::CgroupKill) { ", with its whole cgroup" } else { "" };
        let cause = format!(
            "{sender} killed {name} with SIGKILL{through}, on purpose. This is not a fault of the program itself."
        );
        return (cause, Confidence::High);
    };
    (format!("{sender} killed {name} with SIGKILL: {as_usual}."), Confidence::Medium)
}

fn followed(file: &CaseFile, signal: u8, of: &Sender, way: SignalWay) -> String {
    let (name, of) = (name(file), format!("{} (pid {})", of.name.shown(), of.pid));
    let why = match way {
        SignalWay::NamespaceEnd => "all that is in a container ends with the container's first process",
        SignalWay::TracerEnd => "it was being traced, by who asked the kernel to end it then",
        _ => "it had asked to be ended with its parent (PR_SET_PDEATHSIG)",
    };
    format!("{name} was ended by {} because {of} had ended: {why}.", signal_name(signal))
}

fn raised(file: &CaseFile, signal: u8, reason: SignalReason) -> Option<(String, Confidence)> {
    let (name, number, signal) = (name(file), signal, signal_name(signal));
    let cause = match reason {
        SignalReason::Timer => expired(&name, number),
        SignalReason::CpuLimit => {
            format!("{name} had used as much CPU time as its limit allows (RLIMIT_CPU).")
        }
        SignalReason::Itself => format!("{name} sent {signal} to itself."),
        SignalReason::Terminal => format!("The terminal of {name} sent it {signal}: a key, or a hang-up."),
        _ => return None,
    };
    Some((cause, Confidence::High))
}

/// Where the kernel's word on the signal is missing, or says nothing of a sender.
fn unknown(file: &CaseFile, signal: u8) -> String {
    let name = name(file);
    match signal {
        SIGKILL => format!(
            "Somebody killed {name} with SIGKILL, and it was not the kernel's OOM killer: most often it is \
             a supervisor whose stop or health check timed out, a memory guard such as systemd-oomd, or a person."
        ),
        SIGALRM | SIGVTALRM | SIGPROF => expired(&name, signal),
        _ => unhandled(&name, signal, "somebody"),
    }
}

fn expired(name: &str, signal: u8) -> String {
    format!("A timer of {name} expired, and it had no handler for {}.", signal_name(signal))
}

fn unhandled(name: &str, signal: u8, sender: &str) -> String {
    format!(
        "{name} had no handler for {}, which {sender} sent: most often a reload or a log rotation that expects a \
         handler, sent to the wrong process or before the process was ready.",
        signal_name(signal)
    )
}
