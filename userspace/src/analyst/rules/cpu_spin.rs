//! CPU spins: the mode says whether the loop is in the program or goes through the kernel; what it means, only a
//! look at its stack does.

use super::commands::{logs, step, supervisor};
use super::{Opinion, hypothesis, name, who};
use crate::model::{CaseFile, Confidence, Finding};

/// From this share in the kernel on, in percent, the loop makes system calls: the program's own work is less.
const IN_KERNEL: u64 = 30;

/// How the facts speak of a loop that goes from thread to thread.
const BY_TURNS: &str = "one or another of its threads";

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let facts = Facts(file);
    let who = who(file);
    let new = facts.has(": this is new");
    let (cause, busy) = match (facts.kernel_percent(), facts.has("none moved a byte")) {
        (_, true) => (
            "calls read or write again and again, and nothing comes of it: it takes \"try again\" (EAGAIN) or the end \
             of a file for something to repeat at once, without waiting in poll or epoll.",
            "The other end of a connection is gone, and the program does not notice",
        ),
        (Some(kernel), _) if kernel >= IN_KERNEL => (
            "makes system calls in a loop without waiting: a poll with no time-out, a retry without a pause, or a lock \
             that is tried again and again. No bytes come of it.",
            "It serves so many messages over sockets that it never has to wait: the kernel does not count their bytes",
        ),
        _ => (
            "runs in a loop of its own code that does not end: a condition that never comes true, a structure that \
             points to itself, a regular expression that runs away, or a lock it spins on.",
            "It polls by design, as packet and storage engines in user space do (DPDK, SPDK)",
        ),
    };
    let works = "It computes, and that is its work: a simulation or a search without output looks the same from outside";
    let pid = file.process.pid;
    let tid = facts.tid().unwrap_or(pid);
    let by_turns = facts.has(BY_TURNS);
    let (only, sampled, followed) = if by_turns {
        (String::new(), format!("-p {pid}"), format!("-f -c -p {pid}"))
    } else {
        (format!(" | grep -A 12 'LWP {tid})'"), format!("-t {tid}"), format!("-c -p {tid}"))
    };
    let mut next_steps = vec![
        step(
            "Where it runs, three times: the same functions mean a loop",
            format!(
                "for i in 1 2 3; do gdb -p {pid} -batch -ex 'thread apply all bt 12' 2>/dev/null{only}; sleep 1; done"
            ),
        ),
        step(
            "What it runs, by samples",
            format!("perf record -g {sampled} -- sleep 5 && perf report --stdio | head -60"),
        ),
    ];
    if facts.kernel_percent().is_some_and(|kernel| kernel > 0) {
        let why = "Which system calls it makes, and which fail";
        next_steps.insert(1, step(why, format!("timeout 5 strace {followed}")));
    }
    if let Some(step) = runtime(file) {
        next_steps.insert(0, step);
    }
    next_steps.push(supervisor(file).unwrap_or_else(|| logs(file)));
    let hypotheses = vec![
        hypothesis(file, finding, &["proc:io", "proc:stat"], works),
        hypothesis(file, finding, &["proc:io", "proc:stat"], busy),
    ];
    Opinion {
        cause: format!("{who} {cause}"),
        // From outside a loop and a long computation look the same; that it did something else before tells.
        confidence: if new { Confidence::Medium } else { Confidence::Low },
        sources: &["proc:io"],
        hypotheses,
        next_steps,
    }
}

/// The run-times that can show their stacks themselves.
fn runtime(file: &CaseFile) -> Option<crate::model::NextStep> {
    let exe = file.process.exe.as_deref().and_then(|exe| exe.rsplit('/').next()).unwrap_or_default();
    let pid = file.process.pid;
    let why = format!("Where {} is, in its own words", name(file));
    match exe {
        "java" => Some(step(why, format!("jstack {pid} | head -200"))),
        _ if exe.starts_with("python") => Some(step(why, format!("py-spy dump --pid {pid}"))),
        _ => None,
    }
}

/// What the finding's facts say; they are this program's own words.
struct Facts<'a>(&'a CaseFile);

impl Facts<'_> {
    fn has(&self, words: &str) -> bool {
        self.0.facts.iter().any(|fact| fact.text().contains(words))
    }

    /// The share of the CPU time in the kernel.
    fn kernel_percent(&self) -> Option<u64> {
        let text = self.0.facts.iter().find_map(|fact| fact.text().strip_prefix("of that, "))?;
        text.split_once(" and ")?.1.split_once(" %")?.0.parse().ok()
    }

    /// The thread that spins, where it is not the leader.
    fn tid(&self) -> Option<u32> {
        let text = self.0.facts.iter().find_map(|fact| fact.text().strip_prefix("its thread "))?;
        text.rsplit_once("(tid ")?.1.split_once(')')?.0.parse().ok()
    }
}

#[cfg(test)]
mod tests;
