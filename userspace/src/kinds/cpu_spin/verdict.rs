//! CPU spins: the mode says whether the loop is in the program or goes through the kernel; what it means, only a
//! look at its stack does.

use super::facts::SpinFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, step, supervisor};
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::model::{Confidence, NextStep};

/// From this share in the kernel on, in percent, the loop makes system calls: the program's own work is less.
const IN_KERNEL: u64 = 30;

/// What the verdict rests on.
#[derive(Default)]
struct Facts {
    /// The share of the CPU time in the kernel.
    kernel_percent: Option<u64>,
    /// Whether it calls read or write for nothing.
    has_empty_calls: bool,
    /// Whether it did something else before.
    is_new: bool,
    /// Whether the loop goes from thread to thread.
    by_turns: bool,
    /// The thread that spins.
    tid: Option<u32>,
}

impl Facts {
    fn of(file: &CaseFile, finding: &Finding) -> Self {
        let mut facts = Self::default();
        for fact in file.cited(finding).filter_map(|fact| fact.data.as_spin()) {
            match fact {
                SpinFact::SpinCpuSplit { kernel_percent, .. } => facts.kernel_percent = Some(*kernel_percent),
                SpinFact::SpinEmptyCalls { .. } => facts.has_empty_calls = true,
                SpinFact::SpinPast { is_new, .. } => facts.is_new = *is_new,
                SpinFact::SpinByTurns { .. } => facts.by_turns = true,
                SpinFact::SpinningThread { thread, .. } => facts.tid = Some(thread.tid),
                _ => {}
            }
        }
        facts
    }
}

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let facts = Facts::of(file, finding);
    let who = who(file);
    let (cause, busy) = match (facts.kernel_percent, facts.has_empty_calls) {
        (_, true) => (
            "calls read or write again and again without moving any data: it repeats the call at once after \
             \"try again\" (EAGAIN) or the end of a file, instead of waiting in poll or epoll.",
            "The other end of a connection is gone, and the program does not notice",
        ),
        (Some(kernel), _) if kernel >= IN_KERNEL => (
            "makes system calls in a loop without waiting: a poll with a zero timeout, a retry without a \
             pause, or a lock that is tried again and again. No data moves.",
            "It handles so many messages over sockets that it never has to wait: the kernel does not count \
             bytes on sockets",
        ),
        _ => (
            "is in an endless loop in its own code: a condition that never becomes true, a structure that \
             points to itself, a runaway regular expression, or a lock it spins on.",
            "It polls by design, as packet and storage engines in user space do (DPDK, SPDK)",
        ),
    };
    let works = "Computing is its job: a simulation or a search without output looks the same from outside";
    let hypotheses = vec![
        hypothesis(file, finding, &["proc:io", "proc:stat"], works),
        hypothesis(file, finding, &["proc:io", "proc:stat"], busy),
    ];
    Opinion {
        cause: format!("{who} {cause}"),
        // From outside a loop and a long computation look the same; that it did something else before tells.
        confidence: if facts.is_new { Confidence::Medium } else { Confidence::Low },
        sources: &["proc:io"],
        hypotheses,
        next_steps: steps(file, &facts),
    }
}

fn steps(file: &CaseFile, facts: &Facts) -> Vec<NextStep> {
    let pid = file.process.pid;
    let tid = facts.tid.unwrap_or(pid);
    let (only, sampled, followed) = if facts.by_turns {
        (String::new(), format!("-p {pid}"), format!("-f -c -p {pid}"))
    } else {
        (format!(" | grep -A 12 'LWP {tid})'"), format!("-t {tid}"), format!("-c -p {tid}"))
    };
    let mut steps = Vec::from_iter(runtime(file));
    steps.push(step(
        "Where it runs, sampled three times: the same functions mean a loop",
        format!(
            "for i in 1 2 3; do gdb -p {pid} -batch -ex 'thread apply all bt 12' 2>/dev/null{only}; sleep 1; done"
        ),
    ));
    if facts.kernel_percent.is_some_and(|kernel| kernel > 0) {
        let why = "Which system calls it makes, and which fail";
        steps.push(step(why, format!("timeout 5 strace {followed}")));
    }
    steps.push(step(
        "Which functions it runs, by sampling",
        format!("perf record -g {sampled} -- sleep 5 && perf report --stdio | head -60"),
    ));
    steps.push(supervisor(file).unwrap_or_else(|| logs(file)));
    steps
}

/// The run-times that can show their stacks themselves.
fn runtime(file: &CaseFile) -> Option<NextStep> {
    let exe = file.process.exe.as_deref().and_then(|exe| exe.rsplit('/').next()).unwrap_or_default();
    let pid = file.process.pid;
    let why = format!("Where {} is, as its own runtime shows it", name(file));
    match exe {
        "java" => Some(step(why, format!("jstack {pid} | head -200"))),
        _ if exe.starts_with("python") => Some(step(why, format!("py-spy dump --pid {pid}"))),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests;
