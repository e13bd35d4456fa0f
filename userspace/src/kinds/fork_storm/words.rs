//! The sentences of this room.

use super::facts::{ForkFact, StormSign};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::limits::facts::{LimitFact, TaskCeiling};
use crate::kinds::shared::limits::words::tasks;
use crate::kinds::shared::trend;
use crate::kinds::words::{duration_ms, subject};

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let who = subject(file);
    let facts = || file.cited(finding).filter_map(|fact| fact.data.as_forks());
    let family = facts().find_map(|fact| match fact {
        ForkFact::ProcessFamily { sign, processes, .. } => Some((*sign, *processes)),
        _ => None,
    });
    let limit = file.cited(finding).find_map(|fact| match fact.data.as_limit() {
        Some(LimitFact::TaskLimit { limit }) => Some(limit),
        _ => None,
    });
    match family {
        Some((StormSign::LimitReached, _)) => {
            let which = limit.map_or_else(|| "their limit of tasks".to_owned(), used_of);
            format!("{who} and its descendants fill {which}: the kernel refuses every further fork.")
        }
        Some((StormSign::LimitNear, processes)) => {
            let full = facts().find_map(|fact| match fact {
                ForkFact::GrewEachScan { limit_reached_in_ms, .. } => Some(duration_ms(*limit_reached_in_ms)),
                _ => None,
            });
            let full = limit
                .zip(full)
                .map(|(limit, full)| format!(": {} ({}) is full in {full}", tasks(limit), limit.allowed));
            let full = full.unwrap_or_default();
            format!("{who} and its descendants are {processes} processes and grow on every scan{full}.")
        }
        Some((StormSign::ManyForks, _)) => {
            let forked = facts().find_map(|fact| match fact {
                ForkFact::Forked { forks, over_ms, .. } => {
                    Some(format!("{forks} processes in {}", duration_ms(*over_ms)))
                }
                _ => None,
            });
            format!(
                "{who} started {}, and continues to.",
                forked.unwrap_or_else(|| "many processes".to_owned())
            )
        }
        Some((StormSign::SteadyGrowth, _)) | None => {
            let growth = trend::words::growth(file, finding, "their limit");
            let growth = growth.map_or_else(String::new, |growth| format!(": {growth}"));
            format!("{who} starts processes that do not end{growth}.")
        }
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &ForkFact) -> String {
    match fact {
        ForkFact::ProcessFamily { processes, threads, common, common_processes, .. } => format!(
            "it and its descendants are {processes} live processes with {threads} threads, \
             {common_processes} of them {}",
            common.shown()
        ),
        ForkFact::FamilyBefore { before, now, over_ms } => {
            format!("{} before there were {before}, now {now}", duration_ms(*over_ms))
        }
        ForkFact::GrewEachScan { scans, at_least, limit_reached_in_ms } => format!(
            "their number grew by at least {at_least} in each of the last {scans} scans: at this rate the \
             limit is reached in {}",
            duration_ms(*limit_reached_in_ms)
        ),
        ForkFact::ForksRefused { forks, scans, limit } => {
            let often = if *scans > 1 { format!(", for {scans} scans in a row") } else { String::new() };
            format!("the kernel refused {forks} forks by {} since the previous scan{often}", tasks(limit))
        }
        ForkFact::Forked { forks, over_ms, per_second } => format!(
            "it itself forked {forks} times in {}, {per_second} times a second recently",
            duration_ms(*over_ms)
        ),
        ForkFact::OrphanedGroup { group } => {
            format!("they are process group {group}, whose leader has ended; the process named is its oldest")
        }
    }
}

/// `pids.max of /app (100 of 100 tasks)`.
fn used_of(limit: &TaskCeiling) -> String {
    format!("{} ({} of {} tasks)", tasks(limit), limit.used, limit.allowed)
}
