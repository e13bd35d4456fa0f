//! OOM kills: whether the limit of a cgroup or the host ran out, and whether the victim itself had the memory.

mod reported;

use super::told::OomTold;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{
    cgroup_memory, free, logs, raise_memory_limit, step, supervisor, window,
};
use crate::kinds::opinion::frozen::Frozen;
use crate::kinds::opinion::{Opinion, hypothesis, name, size};
use crate::model::{Confidence, NextStep};
use crate::text;

const SOURCES: &[&str] = &["kernel:", "cgroup:memory"];

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let told = OomTold::of(file, finding);
    // Of a cgroup's limit the report must tell more than the kill itself, for which the cgroup's frozen files tell more.
    let told = (told.tasks.is_some() || !told.is_of_cgroup()).then_some(told);
    let told = told.filter(|told| told.reason.is_some());
    let (cause, confidence) =
        told.as_ref().and_then(|told| reported::cause(file, told)).unwrap_or_else(|| cause(file));
    let neighbour = told.as_ref().and_then(reported::neighbour);
    let name = neighbour.map_or_else(|| name(file), reported::who);
    let host_wide = told.as_ref().is_some_and(|told| !told.is_of_cgroup());
    let too_little = if host_wide {
        "There is too little memory for everything that runs there; a limit on each service would show \
         which one takes it"
            .to_owned()
    } else if neighbour.is_some() {
        "The limit is lower than what its tasks need together in normal work".to_owned()
    } else {
        format!("The limit is lower than what {name} needs in normal work")
    };
    let leak = format!("{name} leaks memory, or was given more work at once than fits into its memory");
    let hypotheses = vec![
        hypothesis(file, finding, &["kernel:", "proc:"], leak),
        hypothesis(file, finding, if host_wide { &["kernel:kmsg"] } else { &["cgroup:"] }, too_little),
    ];
    Opinion { cause, confidence, sources: SOURCES, hypotheses, next_steps: steps(file, told.as_ref()) }
}

fn cause(file: &CaseFile) -> (String, Confidence) {
    let frozen = Frozen(file);
    let name = name(file);
    let cgroup = file.process.cgroup.as_deref().map_or_else(
        || "its cgroup".to_owned(),
        |path| format!("cgroup {}", text::shorten_path(&text::printable(path), 200)),
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
                    "{limited}. {name} had only {} resident, so other processes in the same cgroup, or its \
                     page cache and tmpfs files, had most of the memory; {name} was the victim, not the cause.",
                    size(peak)
                ),
                Confidence::Medium,
            ),
            None if frozen.oom_kills().is_some_and(|kills| kills > 0) => (
                format!(
                    "{limited}; it was reached, and the kernel killed {name} in it. The kernel's report \
                     says how much of the memory {name} had."
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
                "{cgroup} has no memory limit of its own, so a limit further up, or the memory of the whole \
                 host, was exhausted. The kernel then kills the largest process it may, which need not be the one that grew."
            ),
            Confidence::Medium,
        );
    }
    (
        format!(
            "Memory ran out, either within the limit of {cgroup} or on the whole host, and the kernel chose {name}. \
             The kernel's report says which (`constraint=`), and lists which processes had the memory."
        ),
        Confidence::Low,
    )
}

fn steps(file: &CaseFile, told: Option<&OomTold<'_>>) -> Vec<NextStep> {
    // The kernel's report is read once, here or by the reader.
    let first = match told {
        Some(told) => reported::neighbour(told).map(reported::neighbour_now),
        None => {
            let report =
                format!("journalctl -k --no-pager {} | grep -A 60 'invoked oom-killer'", window(file));
            Some(step("The kernel's report: which limit ran out, and what each process held", report))
        }
    };
    let host_wide = told.map_or_else(|| Frozen(file).is_unlimited(), |told| !told.is_of_cgroup());
    let mut steps: Vec<_> = first.into_iter().chain((!host_wide).then(|| cgroup_memory(file))).collect();
    if host_wide {
        steps.push(step("Which processes use the host's memory now", free()));
    }
    if let Some(raise) = raise_memory_limit(file).filter(|_| !host_wide) {
        steps.push(raise);
    } else if let Some(supervisor) = supervisor(file) {
        steps.push(supervisor);
    }
    steps.push(logs(file));
    steps
}

#[cfg(test)]
pub(super) mod tests;
