//! Crash loops: the same program dies again and again. Something that is there at every start is the cause. What that
//! is, the last end proves, or nothing does: the same judgement as of that end alone.
//!
//! | the last end | verdict | how sure |
//! |---|---|---|
//! | the OOM killer chose it | each start needs more memory than there is | high |
//! | a crash | the fault is there at each start; its cause as `shared/cause` has it | as there |
//! | a status that says why, by the runtime or by convention | that | as there |
//! | any other status | nothing proves why: what its log says at the end of each life | low |
//! | a signal that ends it without a core dump | who sent it, as far as that is known | as `shared/cause/killed` |

use super::facts::CrashLoopFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, pod, quote, step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, name};
use crate::kinds::pieces::Who;
use crate::kinds::shared::cause::{self, killed};
use crate::kinds::shared::{ending, stack};
use crate::kinds::words;
use crate::model::{Confidence, ExitCause, Hypothesis, NextStep, signal_name};

const SIGKILL: u8 = 9;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let starter = started_again_by(file, finding);
    let Judged { cause, confidence, otherwise } = judged(file, finding, starter);
    let hypotheses = hypotheses(file, finding, otherwise);
    let next_steps = next_steps(file, starter);
    Opinion { cause, confidence, sources: &["kernel:sched_process_exit"], hypotheses, next_steps }
}

/// What is said of a loop.
struct Judged {
    cause: String,
    confidence: Confidence,
    /// What else would fit.
    otherwise: Otherwise,
}

/// What else would fit.
enum Otherwise {
    /// This, by what its last end proves.
    This(String),
    /// What breaks a program at each start.
    Changed,
    /// Nothing.
    Nothing,
}

fn judged(file: &CaseFile, finding: &Finding, starter: Option<&Who>) -> Judged {
    let name = name(file);
    let end = ending::cause(file, finding);
    let starter = || starter.map_or_else(|| "its supervisor".to_owned(), words::who);
    match end.map(|(cause, _)| cause) {
        Some(ExitCause::Signal(SIGKILL)) if ending::is_oom_victim(file, finding) => {
            let cause = format!(
                "{name} is restarted and killed by the OOM killer again: each start needs more memory than \
                 its limit or the host allows. Restarting will not fix that."
            );
            Judged { cause, confidence: Confidence::High, otherwise: Otherwise::Changed }
        }
        Some(end) if let Some(signal) = cause::is_crash(end) => {
            let last = cause::of_crash(file, finding, signal);
            let cause = format!(
                "{name} crashes with {} after each start: the fault is in the program, or in data it reads \
                 each time, not in a single request. The last time it {}.{}",
                signal_name(signal),
                last.clause,
                stack::words::place(file, finding)
            );
            let otherwise = last.otherwise.map_or(Otherwise::Changed, Otherwise::This);
            Judged { cause, confidence: last.confidence, otherwise }
        }
        Some(ExitCause::Signal(signal)) => {
            let (last, confidence) = killed::cause(file, finding, signal);
            let by = ending::words::cause(ExitCause::Signal(signal), false);
            let cause = format!("{name} ends with {by} after each start. {last}");
            Judged { cause, confidence, otherwise: Otherwise::Nothing }
        }
        Some(ExitCause::Status(status)) => of_status(file, finding, status, &starter()),
        Some(ExitCause::Unknown) | None => {
            let cause = format!("{name} ends after each start, and {} restarts it. {UNPROVEN}", starter());
            Judged { cause, confidence: Confidence::Low, otherwise: Otherwise::Changed }
        }
    }
}

/// Where nothing proves a cause.
const UNPROVEN: &str = "Nothing that was seen proves why: what it logs at the end of each life does. Most often it is its \
     configuration, or something it needs at startup: a port, a file, a database, a permission.";

/// By the status of the last end.
fn of_status(file: &CaseFile, finding: &Finding, status: u8, starter: &str) -> Judged {
    let last = cause::of_status(file, finding, status);
    let again =
        format!("{} ends with exit status {status} after each start, and {starter} restarts it", name(file));
    if last.confidence == Confidence::Low && last.otherwise.is_none() {
        let cause = format!("{again}. {UNPROVEN}");
        return Judged { cause, confidence: last.confidence, otherwise: Otherwise::Changed };
    }
    let cause = format!("{again}: {}.", last.clause);
    let otherwise = last.otherwise.map_or(Otherwise::Changed, Otherwise::This);
    Judged { cause, confidence: last.confidence, otherwise }
}

fn hypotheses(file: &CaseFile, finding: &Finding, otherwise: Otherwise) -> Vec<Hypothesis> {
    let because = |cause: &str| hypothesis(file, finding, &["kernel:"], cause);
    let changed = "A deployment or a configuration change broke it";
    match otherwise {
        Otherwise::This(cause) => vec![because(&cause), because(changed)],
        Otherwise::Changed => {
            vec![because(changed), because("Something it depends on at startup is down or unreachable")]
        }
        Otherwise::Nothing => Vec::new(),
    }
}

fn next_steps(file: &CaseFile, starter: Option<&Who>) -> Vec<NextStep> {
    let mut next_steps = vec![logs(file)];
    next_steps.extend(supervisor(file));
    next_steps.extend(pod(file));
    if starter.is_some() {
        let ppid = file.process.ppid;
        next_steps.push(step(
            "What restarts it, and since when",
            format!("ps -o pid,ppid,lstart,args -p {ppid}; pstree -sp {ppid}"),
        ));
    }
    next_steps.push(match file.process.exe.as_deref() {
        Some(exe) => {
            step("Earlier crashes of the same program", format!("coredumpctl list --no-pager {}", quote(exe)))
        }
        None => step("Recent crashes on this host", "coredumpctl list --no-pager -n 20"),
    });
    next_steps.push(step(
        "Whether its configuration was changed shortly before: files in /etc modified within a day",
        "find /etc -xdev -type f -mtime -1 -ls",
    ));
    next_steps
}

/// The parent that has started it again each time, where that is no known supervisor.
fn started_again_by<'a>(file: &'a CaseFile, finding: &'a Finding) -> Option<&'a Who> {
    file.cited(finding).find_map(|fact| match fact.data.as_crash_loop()? {
        CrashLoopFact::StartedAgain { by, .. } => Some(by),
        CrashLoopFact::Deaths { .. } => None,
    })
}

#[cfg(test)]
pub(super) mod tests;
