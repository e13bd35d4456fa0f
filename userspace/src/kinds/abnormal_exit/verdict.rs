//! Abnormal exits: what a status says by convention, who sent a signal, and where the reason is written.

use super::stop;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, pod, quote, step, supervisor, window};
use crate::kinds::opinion::{Opinion, hypothesis, name};
use crate::kinds::shared::cause::{self, killed};
use crate::kinds::shared::ending::{self, facts::EndFact};
use crate::kinds::shared::signal;
use crate::kinds::words;
use crate::model::{Confidence, ExitCause, Hypothesis, NextStep};

const SIGKILL: u8 = 9;
const CHANGED: &str = "Its configuration was changed, or a new version deployed, shortly before";

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    if let Some(opinion) = stop::judge(file, finding) {
        return opinion;
    }
    let end = ending::cause(file, finding).map_or(ExitCause::Unknown, |(cause, _)| cause);
    let mut otherwise = None;
    let (cause, confidence) = match end {
        ExitCause::Status(status) => match passed_on(file, finding) {
            Some(cause) => (cause, Confidence::High),
            None => {
                let cause = cause::of_status(file, finding, status);
                otherwise = cause.otherwise;
                (format!("{} ended with status {status}: {}.", name(file), cause.clause), cause.confidence)
            }
        },
        ExitCause::Signal(signal) => killed::cause(file, finding, signal),
        ExitCause::Unknown => {
            let cause = format!("{} ended unexpectedly for a service.", name(file));
            (cause, Confidence::Low)
        }
    };
    let mut next_steps = vec![logs(file)];
    next_steps.extend(supervisor(file));
    next_steps.extend(pod(file));
    next_steps.push(match (end, signal::sent_by(file, finding)) {
        (_, Some(sender)) => killed::who(sender),
        (ExitCause::Signal(SIGKILL), None) => who_killed(file),
        _ => what_changed(file),
    });
    let known = signal::stated(file, finding).next().is_some();
    let hypotheses = match otherwise {
        _ if known => Vec::new(),
        Some(otherwise) => {
            [otherwise.as_str(), CHANGED].map(|it| hypothesis(file, finding, &["kernel:"], it)).into()
        }
        None => hypotheses(file, finding, matches!(end, ExitCause::Status(_))),
    };
    Opinion { cause, confidence, sources: &["kernel:sched_process_exit"], hypotheses, next_steps }
}

/// Where its end only passes a child's on.
fn passed_on(file: &CaseFile, finding: &Finding) -> Option<String> {
    ending::stated(file, finding).find_map(|fact| match fact {
        EndFact::ChildEnded { child, cause } => Some(format!(
            "{} ended as its child {} had just done, with {}: what went wrong went wrong there.",
            name(file),
            words::who(child),
            ending::words::cause(*cause, false)
        )),
        _ => None,
    })
}

fn who_killed(file: &CaseFile) -> NextStep {
    step(
        "Whether the kernel or a user-space memory guard logged the kill",
        format!(
            "journalctl --no-pager {} | grep -iE 'earlyoom|systemd-oomd|out of memory|timed out. killing|\\[{}\\]'",
            window(file),
            file.process.pid
        ),
    )
}

fn what_changed(file: &CaseFile) -> NextStep {
    match file.process.exe.as_deref() {
        Some(exe) => step(
            "Whether the program was replaced shortly before",
            format!("ls -l --time-style=full-iso -- {}", quote(exe)),
        ),
        None => step(
            "What was changed shortly before: files in /etc modified within a day",
            "find /etc -xdev -type f -mtime -1 -ls",
        ),
    }
}

fn hypotheses(file: &CaseFile, finding: &Finding, by_status: bool) -> Vec<Hypothesis> {
    let because = |cause: &str| hypothesis(file, finding, &["kernel:"], cause);
    if !by_status {
        return vec![because(
            "A deployment, a restart or a person stopped it, without giving it enough time to exit",
        )];
    }
    vec![
        because(CHANGED),
        because("Something it needs was not available, such as a database, a port, a file or disk space"),
    ]
}

#[cfg(test)]
pub(super) mod tests;
