//! OOM kills of which the kernel's own report is known: it says whose limit ran out and who had the memory, so
//! nothing needs to be guessed.

use super::super::facts::{OomFact, OomTask, RanOut};
use super::super::told::{OomTold, Tasks, full};
use super::super::words::counter;
use crate::kinds::case::CaseFile;
use crate::kinds::opinion::commands::step;
use crate::kinds::opinion::{MAX_NAME_CHARS, name, size};
use crate::model::{Confidence, NextStep};

/// Longest path of a cgroup shown.
const MAX_PATH_CHARS: usize = 200;

/// The largest task, where it is not the victim.
pub(super) fn neighbour<'a>(told: &OomTold<'a>) -> Option<&'a OomTask> {
    told.largest().filter(|task| !task.is_victim && told.group().is_none())
}

/// The cause, where what the victim held is known.
pub(super) fn cause(file: &CaseFile, told: &OomTold<'_>) -> Option<(String, Confidence)> {
    let (ran_out, held_bytes) = (told.ran_out()?, told.victim_rss_bytes()?);
    let name = name(file);
    if ran_out == RanOut::Nothing {
        let cause = format!(
            "Memory had not run out: somebody invoked the OOM killer through sysrq, and it chose {name}, the task with the \
             highest score."
        );
        return Some((cause, Confidence::High));
    }
    let (limit, held) = (limit(told), size(held_bytes));
    let (Some(tasks), Some(largest)) = (told.tasks, told.largest()) else {
        let cause = format!(
            "{limit} {name} held {held}. The kernel did not log what other processes held, as happens after \
             many OOM kills at once."
        );
        return Some((cause, Confidence::Medium));
    };
    if let Some(cause) = page_tables(&name, &limit, told, tasks).or_else(|| group(&name, &limit, tasks)) {
        return Some((cause, Confidence::High));
    }
    if let Some(unseen) = outside_tasks(told, tasks) {
        let cause = format!(
            "{limit} The tasks under it held only {} in all, {name} {held} of it; the other {} is page \
             cache, tmpfs files or the kernel's own memory, which remains after a kill.",
            size(tasks.listed_rss_bytes),
            size(unseen)
        );
        return Some((cause, Confidence::Medium));
    }
    // At least half of what was used.
    let whole = told.cgroup_usage_bytes().unwrap_or(tasks.listed_rss_bytes);
    if largest.is_victim {
        let of = match tasks.count {
            1 => "as the only task".to_owned(),
            count => format!("more than any other of the {count} tasks"),
        };
        let cause = format!("{limit} {name} held {held}, {of}, and the kernel killed it.");
        return Some((cause, confidence(held_bytes >= whole / 2)));
    }
    let most = largest.rss_bytes >= whole / 2;
    let who_had = if most {
        format!("Its neighbour {} had most of it, {}", who(largest), size(largest.rss_bytes))
    } else {
        format!("No task had most of it; the largest was {} with {}", who(largest), size(largest.rss_bytes))
    };
    let so =
        if most { "it is the victim, not the cause" } else { "it is more likely the victim than the cause" };
    let chosen = chosen_for(told, largest);
    let cause = format!("{limit} {who_had}; {name} held only {held} and was {chosen}: {so}.");
    Some((cause, confidence(most)))
}

/// Memory that shows in no process's resident set.
fn page_tables(name: &str, limit: &str, told: &OomTold<'_>, tasks: Tasks<'_>) -> Option<String> {
    let tables = tasks.listed_tables_bytes;
    let whole = told.cgroup_usage_bytes().unwrap_or(tables.saturating_add(tasks.listed_rss_bytes));
    if tables < whole / 2 {
        return None;
    }
    let (all, rss) = (size(tables), size(tasks.listed_rss_bytes));
    let of_victim = told.victim_tables_bytes();
    let whose = if of_victim >= tables / 2 {
        format!(
            "{name} alone had {} of that: it touches addresses far apart, a page here and there",
            size(of_victim)
        )
    } else {
        "many processes map the same memory, and each has page tables of its own for it".to_owned()
    };
    Some(format!(
        "{limit} Page tables took most of it, {all}, and what the tasks had resident was {rss}. {whose}. Huge pages, or \
         fewer and denser mappings, need less."
    ))
}

/// Many of one name, none of which is to blame alone.
fn group(name: &str, limit: &str, tasks: Tasks<'_>) -> Option<String> {
    let it = tasks.group?;
    let of = it.name.shown_up_to(MAX_NAME_CHARS);
    Some(format!(
        "{limit} {} tasks named {of} held {} of it together, and none of them most of it: there are too many of them for \
         this memory, or each needs too much. The kernel killed {name} as the one with the highest score.",
        it.count,
        size(it.bytes)
    ))
}

const fn confidence(most: bool) -> Confidence {
    if most { Confidence::High } else { Confidence::Medium }
}

/// What had run out, as a sentence.
fn limit(told: &OomTold<'_>) -> String {
    match told.reason {
        Some(reason @ OomFact::OomReason { ran_out: RanOut::CgroupLimit, cgroup, .. }) => {
            let path = cgroup.as_ref().map(|path| format!(" {}", path.path_up_to(MAX_PATH_CHARS)));
            let path = path.unwrap_or_default();
            match full(reason) {
                Some((which, it)) => {
                    let (which, limit) = (counter(which), size(it.limit_bytes));
                    format!("Cgroup{path} had used up its {which} limit of {limit}.")
                }
                None => format!("Cgroup{path} had used up its memory limit."),
            }
        }
        Some(OomFact::OomReason { ran_out: RanOut::CpusetNodes, .. }) => {
            "The memory nodes that a cpuset allows were used up.".to_owned()
        }
        Some(OomFact::OomReason { ran_out: RanOut::PolicyNodes, .. }) => {
            "The memory nodes that a memory policy allows were used up.".to_owned()
        }
        _ => "The whole host had run out of memory: the limit is the machine's, not a cgroup's.".to_owned(),
    }
}

/// Why the kernel took the victim and not the largest.
fn chosen_for(told: &OomTold<'_>, other: &OomTask) -> String {
    match told.victim_score_adj() {
        Some(adj) if adj > other.oom_score_adj => {
            format!("chosen for its oom_score_adj of {adj} (the neighbour's is {})", other.oom_score_adj)
        }
        _ => "chosen by the kernel's score".to_owned(),
    }
}

/// What a limited cgroup had used beyond its tasks' own memory, where that is more than theirs.
fn outside_tasks(told: &OomTold<'_>, tasks: Tasks<'_>) -> Option<u64> {
    let usage = told.cgroup_usage_bytes()?;
    // With rows left out the sum says nothing.
    let known = tasks.listed_rss_bytes.saturating_add(tasks.listed_tables_bytes);
    usage.checked_sub(known).filter(|unseen| tasks.is_whole && *unseen > usage / 2)
}

/// What to look at while the neighbour lives.
pub(super) fn neighbour_now(other: &OomTask) -> NextStep {
    let pid = other.task.pid;
    step(
        "Whether the neighbour that had most of it is still growing",
        format!("ps -o pid,rss,etime,args -p {pid}; grep -E '^(Name|Vm|Rss)' /proc/{pid}/status"),
    )
}

pub(super) fn who(it: &OomTask) -> String {
    format!("{} (pid {})", it.task.name.shown_up_to(MAX_NAME_CHARS), it.task.pid)
}
