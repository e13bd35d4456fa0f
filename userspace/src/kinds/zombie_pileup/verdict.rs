//! Zombie pile-ups: a parent that does not wait for its children. Its signal masks and state often say why.

use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{step, supervisor};
use crate::kinds::opinion::frozen::Frozen;
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::model::Confidence;

/// SIGCHLD in the masks of /proc/PID/status (signal 17 on every architecture Linux has today but MIPS, Alpha, SPARC).
const SIGCHLD_BIT: u64 = 1 << 16;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let (cause, confidence) = cause(file);
    let pid = file.process.pid;
    let mut next_steps = vec![
        step(
            "The zombies, and how long ago each was started",
            format!("ps --ppid {pid} -o pid,stat,etime,comm --sort=etime | grep -w Z"),
        ),
        step(
            "Whether the parent runs, and whether it blocks or ignores SIGCHLD (bit 17)",
            format!("grep -E '^(State|Threads|Sig)' /proc/{pid}/status; cat /proc/{pid}/wchan; echo"),
        ),
        step(
            "Where the parent hangs, if it does",
            format!("gdb -p {pid} -batch -ex 'thread apply all bt' 2>/dev/null || cat /proc/{pid}/stack"),
        ),
    ];
    next_steps.push(supervisor(file).unwrap_or_else(|| {
        step(
            "Its ancestors: the zombies go away when the parent ends, because init then reaps them",
            format!("pstree -sp {pid} || ps -o pid,ppid,stat,args -p {pid}"),
        )
    }));
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["proc:", "kernel:"],
            "It is the first process of a container but not an init: run the container with one (docker run --init)",
        ),
        hypothesis(
            file,
            finding,
            &["proc:", "kernel:"],
            format!("{} waits only at certain times, and starts children faster than that", name(file)),
        ),
    ];
    Opinion { cause, confidence, sources: &["proc:status"], hypotheses, next_steps }
}

fn cause(file: &CaseFile) -> (String, Confidence) {
    let frozen = Frozen(file);
    let who = who(file);
    let mask = |field| frozen.status(field).and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    let has = |mask: Option<u64>| mask.map(|mask| mask & SIGCHLD_BIT != 0);
    match frozen.status("State").and_then(|state| state.chars().next()) {
        Some('T' | 't') => {
            let cause = format!(
                "{who} is stopped (by a signal or a debugger), so it cannot reap the children that ended. \
                 It will reap them once it is continued (kill -CONT)."
            );
            return (cause, Confidence::High);
        }
        Some('D') => {
            let cause = format!(
                "{who} is itself stuck in the kernel (state D), most likely on a disk or network file system, so it \
                 does not reap the children that ended."
            );
            return (cause, Confidence::Medium);
        }
        _ => {}
    }
    let base = "does not call wait() for the children that ended";
    match (has(mask("SigBlk")), has(mask("SigCgt"))) {
        (Some(true), _) => (
            format!("{who} {base}, and it blocks SIGCHLD, so it is not told that they ended."),
            Confidence::Medium,
        ),
        (Some(false), Some(false)) => {
            (format!("{who} {base}, and it has no handler for SIGCHLD that would."), Confidence::High)
        }
        (_, Some(true)) => (
            format!(
                "{who} {base}. It has a handler for SIGCHLD, which is stuck or reaps one child per signal: \
                     signals that come together are merged, so it must loop until none is left."
            ),
            Confidence::Medium,
        ),
        _ => (
            format!("{who} {base}. Each keeps its pid until then, and pids can run out."),
            Confidence::Medium,
        ),
    }
}
