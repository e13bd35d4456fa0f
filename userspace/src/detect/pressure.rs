//! Memory pressure of the host, and of a cgroup whose tasks stall: memory has run out, whether or not a limit is near.
//!
//! To an operator: everything slows down, for tasks wait for memory to be taken back from others; soon the OOM killer
//! chooses one. Limits: `available_percent` of the memory left (with free swap), or `stall_percent` of the time in
//! which all tasks wait for memory, by the kernel's averages over 10 and over 60 seconds; for `memory_scans` scans in
//! a row. It cites the sizes and averages, and the processes that grew most. Near misses: page cache, which counts as
//! available; a peak of some seconds, which the average over 60 seconds hides; a host that swaps, but has room.

use super::memory::sizes;
use super::{Draft, Resident, Statement};
use crate::config::DetectLimits;
use crate::model::{IncidentKind, Severity};
use crate::observation::{HostMemory, Stall};
use crate::text;

/// Whether memory and swap together are nearly used up.
pub fn is_short(memory: &HostMemory, limits: &DetectLimits) -> bool {
    let left = u128::from(memory.available_bytes) + u128::from(memory.swap_free_bytes);
    left * 100 < u128::from(memory.total_bytes) * u128::from(limits.available_percent)
}

/// Whether all tasks wait for memory for too much of the time, in the last seconds and in the last minute.
pub fn is_stalled(stall: &Stall, limits: &DetectLimits) -> bool {
    let most = f64::from(limits.stall_percent);
    stall.full_avg10 >= most && stall.full_avg60 >= most
}

/// A finding where the host has been short of memory for long enough.
pub fn host(memory: &HostMemory, scans: u32, processes: &[Resident], limits: &DetectLimits) -> Option<Draft> {
    let short = is_short(memory, limits);
    let stall = memory.stall.filter(|stall| is_stalled(stall, limits));
    if scans < limits.memory_scans || !(short || stall.is_some()) {
        return None;
    }
    let (left, total) = (text::size(memory.available_bytes), text::size(memory.total_bytes));
    let swap = match memory.swap_total_bytes {
        0 => "it has no swap".to_owned(),
        all => format!("{} of its {} of swap are free", text::size(memory.swap_free_bytes), text::size(all)),
    };
    let mut facts = vec![Statement::new(
        "proc:meminfo",
        format!("{left} of the host's {total} of memory are available, page cache included; {swap}"),
    )];
    facts.extend(memory.stall.map(|stall| stall_fact("proc:pressure", &stall)));
    facts.push(Statement::new("scan", format!("it was like that for {scans} scans in a row")));
    facts.extend(sizes(processes));
    let summary = match stall {
        Some(stall) => format!(
            "The host stalls for want of memory: for {:.0} % of the last minute, all tasks waited for it.",
            stall.full_avg60
        ),
        None => format!("The host has {left} of its {total} of memory left."),
    };
    Some(Draft {
        kind: IncidentKind::MemoryPressure,
        severity: if short { Severity::Critical } else { Severity::Warning },
        summary,
        facts,
        site: "host".to_owned(),
    })
}

/// A finding where the tasks of a cgroup have waited for memory for long enough.
pub fn cgroup(
    path: &str,
    stall: &Stall,
    scans: u32,
    processes: &[Resident],
    limits: &DetectLimits,
) -> Option<Draft> {
    if scans < limits.memory_scans || !is_stalled(stall, limits) {
        return None;
    }
    let mut facts = vec![
        stall_fact("cgroup:memory.pressure", stall),
        Statement::new("scan", format!("it was like that for {scans} scans in a row")),
    ];
    facts.extend(sizes(processes));
    Some(Draft {
        kind: IncidentKind::MemoryPressure,
        severity: Severity::Warning,
        summary: format!(
            "The cgroup {} stalls for want of memory: for {:.0} % of the last minute, all its tasks waited for it.",
            text::printable(path),
            stall.full_avg60
        ),
        facts,
        // The same fault as a cgroup close to its limit, by another sign.
        site: "cgroup".to_owned(),
    })
}

fn stall_fact(source: &str, stall: &Stall) -> Statement {
    let text = format!(
        "all tasks waited for memory for {:.1} % of the last 10 s and {:.1} % of the last minute, some for {:.1} %",
        stall.full_avg10, stall.full_avg60, stall.some_avg60
    );
    Statement::new(source, text)
}

#[cfg(test)]
mod tests;
