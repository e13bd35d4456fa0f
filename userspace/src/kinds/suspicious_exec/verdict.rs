//! Suspicious execs: what the sign means, how it could be harmless, and what to secure before it is gone.

use super::facts::{ExecFact, Socket};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, quote, step};
use crate::kinds::opinion::{Opinion, hypothesis, who};
use crate::model::{Confidence, NextStep, Severity};

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let (cause, harmless) = cause(file, finding);
    let confidence = match finding.severity {
        Severity::Critical => Confidence::Medium,
        Severity::Warning | Severity::Info => Confidence::Low,
    };
    Opinion {
        cause: format!("{} {cause}", who(file)),
        confidence,
        sources: &["kernel:sched_process_exec"],
        hypotheses: vec![hypothesis(file, finding, &["kernel:", "proc:"], harmless)],
        next_steps: steps(file, finding),
    }
}

/// What the most telling sign means, and how it could be harmless.
fn cause(file: &CaseFile, finding: &Finding) -> (&'static str, &'static str) {
    let has = |is: fn(&ExecFact) -> bool| file.cited(finding).filter_map(|fact| fact.data.as_exec()).any(is);
    let from_network = |fact: &ExecFact| {
        matches!(
            fact,
            ExecFact::ExecShellOnSocket { socket: Socket::Network } | ExecFact::ExecCommandsCarried { .. }
        )
    };
    if has(from_network) {
        (
            "is a shell whose commands come over the network: a reverse shell, or a service that passes a \
             connection to a shell.",
            "An administrator's tool, such as socat or a console server, that is intended to do this",
        )
    } else if has(|fact| matches!(fact, ExecFact::ExecShellOnTerminal {})) {
        (
            "is a shell that somebody types at, started by a program that serves the network: somebody got in by that \
             service, as a rule.",
            "A service that is intended to give people a terminal: a notebook, an editor, a console server",
        )
    } else if has(|fact| {
        matches!(fact, ExecFact::ExecFileGivesRights { .. } | ExecFact::ExecRightsKept { .. })
    }) {
        (
            "gives root's rights to a user who does not have them: a door that somebody left open to come back by.",
            "A program of the site's own that is set-user-ID root on purpose",
        )
    } else if has(|fact| matches!(fact, ExecFact::ExecFromMemory { .. })) {
        (
            "was loaded into memory and run without a file, as malware does to leave no trace and to avoid \
             file checks.",
            "A program that protects or unpacks itself like this: a container runtime, a sealed helper, a packer",
        )
    } else if has(|fact| matches!(fact, ExecFact::ExecNamedAsKernelThread { .. })) {
        (
            "gives itself the name of a kernel thread, so that people who list processes overlook it.",
            "A test or a monitoring tool that happens to have this name",
        )
    } else if has(|fact| matches!(fact, ExecFact::ExecFileDeleted { .. })) {
        (
            "runs from a file that was deleted as soon as it started: only the process itself is left to examine.",
            "An installer or a test that cleans up while its program still runs",
        )
    } else if has(|fact| matches!(fact, ExecFact::ExecPreload { .. })) {
        (
            "runs a library that anybody may have put there, before its own code: what it does, and what it shows of \
             itself, is that library's choice.",
            "Somebody who tries out a library of their own, or a tool that unpacks one there",
        )
    } else if has(|fact| matches!(fact, ExecFact::ExecShellOnSocket { .. })) {
        (
            "is a shell that takes its commands from a socket.",
            "An editor, an agent or a build tool that keeps a shell to run commands in",
        )
    } else {
        (
            "was run from a world-writable folder: anyone who can put a file there may have caused it to run.",
            "A build, a test suite, an installer or a self-extracting tool that unpacks itself there",
        )
    }
}

fn steps(file: &CaseFile, finding: &Finding) -> Vec<NextStep> {
    let pid = file.process.pid;
    let exe = file.process.exe.as_deref().filter(|exe| exe.starts_with('/') && !exe.ends_with(" (deleted)"));
    let copy = format!("cp /proc/{pid}/exe /root/suspicious-{pid}");
    let listing =
        exe.filter(|exe| !exe.starts_with("/memfd:")).map(|exe| format!("; ls -la -- {}", quote(exe)));
    vec![
        step(
            "Save the program while it runs: a copy and its digest",
            format!("{copy} && sha256sum /proc/{pid}/exe{}", listing.unwrap_or_default()),
        ),
        step(
            "Who started it, and who is logged in",
            format!(
                "pstree -sp {pid} || ps -o pid,ppid,lstart,user,args -p {pid},{}; who",
                file.process.ppid
            ),
        ),
        step(
            "Its network connections and open files",
            format!("ss -tunap | grep 'pid={pid},'; ls -l /proc/{pid}/fd"),
        ),
        if finding.severity >= Severity::Warning {
            step("To pause it without losing it", format!("kill -STOP {pid}"))
        } else {
            logs(file)
        },
    ]
}

#[cfg(test)]
mod tests;
