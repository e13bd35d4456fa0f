//! The sentences of this room.

use super::facts::{Counter, OomFact, OomTask, RanOut};
use super::told::{OomTold, full};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::{duration_ms, size, who};
use crate::model::Name;
use crate::text;

/// Longest path of a cgroup shown.
const PATH_MAX: usize = 120;

/// The finding in one sentence: the victim, and as far as the kernel's report tells, whose limit it was, who had the
/// most and who asked for more.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let name = text::printable(&file.process.name);
    let told = OomTold::of(file, finding);
    // Of a cgroup's kill alone the report tells less than the cgroup's own files.
    if told.is_kill_alone() && told.is_of_cgroup() {
        return without_report(&name, &told);
    }
    let (Some(limit), Some(held)) = (told.reason.map(limit), told.victim_rss_bytes()) else {
        return without_report(&name, &told);
    };
    let what = if told.has_ended {
        format!("The OOM killer ended {name}, which held {}", size(held))
    } else {
        format!("The OOM killer chose {name}, which holds {} and has not ended yet", size(held))
    };
    let trigger = told.trigger.map(|it| format!("{} triggered it", allocation(it)));
    let why = [Some(limit), largest(&name, &told), trigger];
    format!("{what}: {}.", enumerate(&why.into_iter().flatten().collect::<Vec<_>>()))
}

fn without_report(name: &str, told: &OomTold<'_>) -> String {
    if !told.has_ended {
        return format!("The OOM killer chose {name}, which has not ended yet.");
    }
    let held = told.peak_rss_bytes.map(|peak| format!(", which held {} at its peak", size(peak)));
    let limit = told.cgroup.map(|(path, limit_bytes)| {
        format!("; its memory cgroup {} is limited to {}", shown_path(path), size(limit_bytes))
    });
    format!("The OOM killer ended {name}{}{}.", held.unwrap_or_default(), limit.unwrap_or_default())
}

/// A fact as a sentence.
pub fn sentence(fact: &OomFact) -> String {
    match fact {
        OomFact::OomNotEnded {} => "the OOM killer chose it, and its end was not reported".to_owned(),
        OomFact::OomTrigger { .. } => format!("{} triggered the OOM killer", allocation(fact)),
        OomFact::OomReason { .. } => reason(fact),
        OomFact::OomVictimSize { anon_bytes, file_bytes, shmem_bytes, tables_bytes, oom_score_adj } => {
            let all = anon_bytes.saturating_add(*file_bytes).saturating_add(*shmem_bytes);
            let adjusted = oom_score_adj.map(|adj| format!("; its oom_score_adj was {adj}"));
            // Said where they matter: most processes have next to none.
            let tables = tables_bytes
                .filter(|tables| *tables > all / 4)
                .map(|tables| format!(", and {} of page tables besides", size(tables)));
            format!(
                "the victim held {} resident ({} anonymous, {} of files, {} shared){}{}",
                size(all),
                size(*anon_bytes),
                size(*file_bytes),
                size(*shmem_bytes),
                tables.unwrap_or_default(),
                adjusted.unwrap_or_default()
            )
        }
        OomFact::OomTasks { count, largest, group, .. } => {
            let group = group.as_ref().map(|it| {
                format!("; {} of them named {} held {} together", it.count, it.name.shown(), size(it.bytes))
            });
            let of = if *count == 1 { "task" } else { "tasks" };
            let rows: Vec<_> = largest.iter().map(row).collect();
            let group = group.unwrap_or_default();
            format!("the largest of the {count} {of} in the report: {}{group}", rows.join("; "))
        }
        OomFact::OomTaskGrew { task, before_bytes, rss_bytes, over_ms } => format!(
            "{} held {} {} before it held {}",
            who(task),
            size(*before_bytes),
            duration_ms(*over_ms),
            size(*rss_bytes)
        ),
        OomFact::OomRequest { by, bytes, order, gfp } => format!(
            "the failed allocation was of {} (order {order}, {}) by {}",
            size(*bytes),
            gfp.shown(),
            by.shown()
        ),
    }
}

fn row(it: &OomTask) -> String {
    format!("{} {}{}", who(&it.task), size(it.rss_bytes), if it.is_victim { ", the victim" } else { "" })
}

/// `its own allocation`, `an allocation of db (pid 7)`.
fn allocation(trigger: &OomFact) -> String {
    match trigger {
        OomFact::OomTrigger { by, is_victim: false } => format!("an allocation of {}", who(by)),
        _ => "its own allocation".to_owned(),
    }
}

/// What had run out, as a clause.
fn limit(fact: &OomFact) -> String {
    let OomFact::OomReason { ran_out, cgroup, .. } = fact else { return String::new() };
    match ran_out {
        RanOut::Nothing => "somebody invoked the OOM killer through sysrq".to_owned(),
        RanOut::CgroupLimit => {
            let cgroup = cgroup.as_ref().map(|path| format!("memory cgroup {}", shown_path(path)));
            let cgroup = cgroup.unwrap_or_else(|| "a memory cgroup".to_owned());
            match full(fact) {
                Some((which, it)) => {
                    format!("{cgroup} was at its {} limit of {}", counter(which), size(it.limit_bytes))
                }
                None => format!("{cgroup} was at its limit"),
            }
        }
        RanOut::HostMemory => "the host's memory ran out".to_owned(),
        RanOut::CpusetNodes => "the memory nodes of a cpuset ran out".to_owned(),
        RanOut::PolicyNodes => "the memory nodes of a memory policy ran out".to_owned(),
        RanOut::NoCgroupLimit => "memory outside the limits of cgroups ran out".to_owned(),
    }
}

fn reason(fact: &OomFact) -> String {
    let OomFact::OomReason { ran_out, victim_cgroup, kill_alone, .. } = fact else { return String::new() };
    let mut out = limit(fact);
    if let Some((which, it)) = full(fact).filter(|_| *ran_out == RanOut::CgroupLimit) {
        let (usage, limit) = (size(it.usage_bytes), size(it.limit_bytes));
        out += &format!(": {usage} of {limit} {} used", counter(which));
    }
    if *kill_alone {
        out += "; the kernel log lacks the rest of its report, as happens after many OOM kills at once";
    }
    if let Some(path) = victim_cgroup {
        out += &format!("; the victim was in {}", shown_path(path));
    }
    out
}

/// What a sentence calls a counter of a memory cgroup.
pub(super) const fn counter(counter: Counter) -> &'static str {
    match counter {
        Counter::Memory => "memory",
        Counter::MemoryAndSwap => "memory+swap",
    }
}

/// Who had the most, as a clause.
fn largest(name: &str, told: &OomTold<'_>) -> Option<String> {
    if let Some(group) = told.group() {
        let (name, all) = (group.name.shown(), size(group.bytes));
        return Some(format!(
            "{} tasks named {name} held {all} together, none of them most of it",
            group.count
        ));
    }
    let task = told.largest()?;
    let grown = told
        .growth_of(&task.task)
        .map_or_else(String::new, |(before, ms)| format!(" ({} {} before)", size(before), duration_ms(ms)));
    Some(if task.is_victim {
        format!("{name} itself was the largest task{grown}")
    } else {
        format!("the largest task was {} with {}{grown}", who(&task.task), size(task.rss_bytes))
    })
}

fn shown_path(path: &Name) -> String {
    path.path_up_to(PATH_MAX)
}

/// `a`, `a and b`, `a, b and c`.
fn enumerate(clauses: &[String]) -> String {
    match clauses {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        other => other.concat(),
    }
}
