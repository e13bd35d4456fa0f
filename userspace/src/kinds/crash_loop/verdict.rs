//! Crash loops: the same program dies again and again. Something that is there at every start is the cause.

use super::facts::CrashLoopFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, pod, quote, step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, name};
use crate::kinds::pieces::Who;
use crate::kinds::shared::{ending, stack};
use crate::kinds::words;
use crate::model::{Confidence, ExitCause, is_crash_signal, signal_name};

const SIGKILL: u8 = 9;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let starter = started_again_by(file, finding);
    let (cause, confidence) = cause(file, finding, starter);
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
    let hypotheses = vec![
        hypothesis(file, finding, &["kernel:"], "A deployment or a configuration change broke it"),
        hypothesis(file, finding, &["kernel:"], "Something it depends on at startup is down or unreachable"),
    ];
    Opinion { cause, confidence, sources: &["kernel:sched_process_exit"], hypotheses, next_steps }
}

fn cause(file: &CaseFile, finding: &Finding, starter: Option<&Who>) -> (String, Confidence) {
    let name = name(file);
    let end = ending::cause(file, finding);
    match end.map(|(cause, _)| cause) {
        Some(ExitCause::Signal(SIGKILL)) if ending::is_oom_victim(file, finding) => {
            let cause = format!(
                "{name} is restarted and killed by the OOM killer again: each start needs more memory than \
                 its limit or the host allows. Restarting will not fix that."
            );
            (cause, Confidence::High)
        }
        Some(ExitCause::Signal(signal)) if is_crash_signal(signal) => {
            let cause = format!(
                "{name} crashes with {} after each start: the fault is in the program, or in data it reads \
                 each time, not in a single request.{}",
                signal_name(signal),
                stack::words::place(file, finding)
            );
            (cause, Confidence::Medium)
        }
        _ => {
            let starter = starter.map_or_else(|| "its supervisor".to_owned(), words::who);
            let ending = end.map(|(cause, core)| format!(" with {}", ending::words::cause(cause, core)));
            let cause = format!(
                "{name} ends{} after each start, and {starter} restarts it. The cause is most often its \
                 configuration, or something it needs at startup: a port, a file, a database, a permission.",
                ending.unwrap_or_default()
            );
            (cause, Confidence::Medium)
        }
    }
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
