//! The sentences of this room.

use super::facts::{MemorySign, PressureFact};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::words::{duration_ms, size, subject, who};

/// The finding in one sentence: what is short, and how short.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let facts: Vec<_> = file.cited(finding).filter_map(|fact| fact.data.as_memory_pressure()).collect();
    let sign = facts.iter().find_map(|fact| match fact {
        PressureFact::MemoryShort { sign, .. } => Some(*sign),
        _ => None,
    });
    let said = match sign {
        Some(MemorySign::NearLimit) => near_limit(&facts),
        Some(MemorySign::LittleAvailable) => facts.iter().find_map(|fact| match fact {
            PressureFact::HostMemory { total_bytes, available_bytes, .. } => Some(format!(
                "The host has {} of its {} of memory left.",
                size(*available_bytes),
                size(*total_bytes)
            )),
            _ => None,
        }),
        Some(MemorySign::Stall) => facts.iter().find_map(|fact| stall(fact)),
        None => None,
    };
    said.unwrap_or_else(|| format!("Memory is short around {}.", subject(file)))
}

fn near_limit(facts: &[&PressureFact]) -> Option<String> {
    let held = facts.iter().find_map(|fact| match fact {
        PressureFact::CgroupMemoryHeld { held_bytes } => Some(*held_bytes),
        _ => None,
    })?;
    facts.iter().find_map(|fact| match fact {
        PressureFact::CgroupMemoryLimit { cgroup, limit_bytes } => Some(format!(
            "The memory cgroup {} holds {} of its {}.",
            cgroup.shown(),
            size(held),
            size(*limit_bytes)
        )),
        _ => None,
    })
}

fn stall(fact: &PressureFact) -> Option<String> {
    let PressureFact::MemoryStall { cgroup, full_avg60_permille, .. } = fact else { return None };
    let percent = full_avg60_permille.saturating_add(5) / 10;
    Some(match cgroup {
        Some(path) => format!(
            "The cgroup {} stalls for lack of memory: for {percent} % of the last minute, all its tasks \
             waited for it.",
            path.shown()
        ),
        None => format!(
            "The host stalls for lack of memory: for {percent} % of the last minute, all tasks waited for it."
        ),
    })
}

/// A fact as a sentence.
pub fn sentence(fact: &PressureFact) -> String {
    match fact {
        PressureFact::CgroupMemoryLimit { cgroup, limit_bytes } => {
            format!("the limit of {} is {}", cgroup.shown(), size(*limit_bytes))
        }
        PressureFact::CgroupMemoryHeld { held_bytes } => {
            format!("without file pages it holds {}", size(*held_bytes))
        }
        PressureFact::HostMemory { total_bytes, available_bytes, swap_total_bytes, swap_free_bytes } => {
            let swap = match *swap_total_bytes {
                0 => "it has no swap".to_owned(),
                all => format!("{} of its {} of swap are free", size(*swap_free_bytes), size(all)),
            };
            let (left, total) = (size(*available_bytes), size(*total_bytes));
            format!("{left} of the host's {total} of memory are available, page cache included; {swap}")
        }
        PressureFact::MemoryStall {
            cgroup: _,
            full_avg10_permille,
            full_avg60_permille,
            some_avg60_permille,
        } => format!(
            "all tasks waited for memory for {} of the last 10 s and {} of the last minute, some for {}",
            percent(*full_avg10_permille),
            percent(*full_avg60_permille),
            percent(*some_avg60_permille)
        ),
        PressureFact::MemoryShort { sign: MemorySign::NearLimit, threshold_percent, scans } => {
            format!("it was above {threshold_percent} % for {scans} scans in a row")
        }
        PressureFact::MemoryShort { scans, .. } => format!("it was in this state for {scans} scans in a row"),
        PressureFact::MemoryHolder { process, rss_bytes, grown } => {
            let grown = grown.as_ref().map_or_else(String::new, |grown| {
                format!(", {} of them in the last {}", size(grown.bytes), duration_ms(grown.over_ms))
            });
            format!("{} holds {} resident{grown}", who(process), size(*rss_bytes))
        }
    }
}

fn percent(permille: u32) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}
