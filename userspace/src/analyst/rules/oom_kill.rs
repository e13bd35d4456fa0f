//! OOM kills: whether the limit of a cgroup or the host ran out, and whether the victim itself had the memory.

use super::commands::{cgroup_memory, free, logs, raise_memory_limit, step, supervisor, window};
use super::frozen::Frozen;
use super::{Opinion, hypothesis, name, size};
use crate::model::{CaseFile, Confidence, Finding, NextStep};
use crate::text;

const SOURCES: &[&str] = &["kernel:", "cgroup:memory"];

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let (cause, confidence) = cause(file);
    let name = name(file);
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["kernel:", "proc:"],
            format!("{name} leaks memory, or was given more work at once than it can hold"),
        ),
        hypothesis(
            file,
            finding,
            &["cgroup:"],
            format!("The limit is smaller than what {name} needs in ordinary work"),
        ),
    ];
    Opinion { cause, confidence, sources: SOURCES, hypotheses, next_steps: steps(file) }
}

fn cause(file: &CaseFile) -> (String, Confidence) {
    let frozen = Frozen(file);
    let name = name(file);
    let cgroup = file.process.cgroup.as_deref().map_or_else(
        || "its cgroup".to_owned(),
        |path| format!("cgroup {}", text::truncate(&text::printable(path), 200)),
    );
    if let Some(limit) = frozen.memory_limit() {
        let limited = format!("The memory limit of {cgroup} is {}", size(limit));
        return match frozen.peak_rss() {
            Some(peak) if peak >= limit / 2 => (
                format!(
                    "{limited}, and {name} alone had {} resident: it filled its cgroup, and the kernel killed it to \
                     keep the limit.",
                    size(peak)
                ),
                Confidence::High,
            ),
            Some(peak) => (
                format!(
                    "{limited}. {name} had only {} resident, so most of the memory was with others in the same \
                     cgroup, or in its page cache and tmpfs files; {name} was the victim, not the cause.",
                    size(peak)
                ),
                Confidence::Medium,
            ),
            None if frozen.oom_kills().is_some_and(|kills| kills > 0) => (
                format!(
                    "{limited}, it was reached, and the kernel killed {name} in it. How much of it was {name}'s own \
                     is in the kernel's report."
                ),
                Confidence::High,
            ),
            None => (
                format!("{limited}; most likely it was reached, and the kernel killed {name} to keep it."),
                Confidence::Medium,
            ),
        };
    }
    if frozen.is_unlimited() {
        return (
            format!(
                "{cgroup} has no memory limit of its own, so a limit further up or the memory of the whole host ran \
                 out. The kernel then kills the largest process it may, which need not be the one that grew."
            ),
            Confidence::Medium,
        );
    }
    (
        format!(
            "Memory ran out, either within the limit of {cgroup} or on the whole host, and the kernel chose {name}. \
             The kernel's report says which (`constraint=`), and lists who had the memory."
        ),
        Confidence::Low,
    )
}

fn steps(file: &CaseFile) -> Vec<NextStep> {
    let report = format!("journalctl -k --no-pager {} | grep -A 60 'invoked oom-killer'", window(file));
    let mut steps = vec![
        step("The kernel's report: which limit ran out, and what each process held", report),
        cgroup_memory(file),
    ];
    if let Some(raise) = raise_memory_limit(file) {
        steps.push(raise);
    } else if let Some(supervisor) = supervisor(file) {
        steps.push(supervisor);
    }
    steps.push(if Frozen(file).is_unlimited() {
        step("Who has the host's memory now", free())
    } else {
        logs(file)
    });
    steps
}
