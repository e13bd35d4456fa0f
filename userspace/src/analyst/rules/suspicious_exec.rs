//! Suspicious execs: what the sign means, how it could be harmless, and what to secure before it is gone.

use super::commands::{logs, quote, step};
use super::{Opinion, hypothesis, who};
use crate::model::{CaseFile, Confidence, Finding, Severity};

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let pid = file.process.pid;
    let has = |words: &str| {
        finding
            .facts
            .iter()
            .any(|id| file.facts.iter().any(|fact| &fact.id == id && fact.text().starts_with(words)))
    };
    let who = who(file);
    let (cause, harmless) = if has("its standard input is a network socket") {
        (
            format!(
                "{who} is a shell whose commands come over the network: a reverse shell, or a service that hands a connection to a shell."
            ),
            "An administrator's own tool, such as socat or a console server, that is meant to do this",
        )
    } else if has("it runs from memory") {
        (
            format!(
                "{who} was loaded into memory and run without a file, as malware is to leave no trace and to pass by what checks files."
            ),
            "A program that protects or unpacks itself so: a container runtime, a sealed helper, a packer",
        )
    } else if has("it is named ") {
        (
            format!(
                "{who} gives itself the name of a kernel thread, so that whoever lists processes passes over it."
            ),
            "A test or a monitoring tool with an unlucky name",
        )
    } else if has("its executable ") {
        (
            format!(
                "{who} runs from a file that was deleted as soon as it ran: nothing is left to examine but the process itself."
            ),
            "An installer or a test that cleans up while its program still runs",
        )
    } else if has("its standard input is ") {
        (
            format!("{who} is a shell that takes its commands from a socket."),
            "An editor, an agent or a build tool that keeps a shell to run commands in",
        )
    } else {
        (
            format!(
                "{who} was run from a place where everybody may write: whoever can put a file there may have had it run."
            ),
            "A build, a test suite, an installer or a self-extracting tool that unpacks itself there",
        )
    };
    let confidence = match finding.severity {
        Severity::Critical => Confidence::Medium,
        Severity::Warning | Severity::Info => Confidence::Low,
    };
    let exe = file.process.exe.as_deref().filter(|exe| exe.starts_with('/') && !exe.ends_with(" (deleted)"));
    let copy = format!("cp /proc/{pid}/exe /root/suspicious-{pid}");
    let listing =
        exe.filter(|exe| !exe.starts_with("/memfd:")).map(|exe| format!("; ls -la -- {}", quote(exe)));
    Opinion {
        cause,
        confidence,
        sources: &["kernel:sched_process_exec"],
        hypotheses: vec![hypothesis(file, finding, &["kernel:", "proc:"], harmless)],
        next_steps: vec![
            step(
                "Secure the program while it runs: a copy, its digest",
                format!("{copy} && sha256sum /proc/{pid}/exe{}", listing.unwrap_or_default()),
            ),
            step(
                "Who started it, and who is logged in",
                format!(
                    "pstree -sp {pid} || ps -o pid,ppid,lstart,user,args -p {pid},{}; who",
                    file.process.ppid
                ),
            ),
            step("Whom it talks to", format!("ss -tunap | grep 'pid={pid},'; ls -l /proc/{pid}/fd")),
            if finding.severity >= Severity::Warning {
                step("To stop it without losing it", format!("kill -STOP {pid}"))
            } else {
                logs(file)
            },
        ],
    }
}
