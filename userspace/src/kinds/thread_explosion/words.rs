//! The sentences of this room.

use super::facts::ThreadFact;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::limits::facts::LimitFact;
use crate::kinds::shared::{limits, trend};
use crate::kinds::words::subject;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let who = subject(file);
    let (mut threads, mut near, mut limit) = (None, false, None);
    for fact in file.cited(finding) {
        match (fact.data.as_threads(), fact.data.as_limit()) {
            (Some(ThreadFact::ThreadCount { threads: count }), _) => threads = Some(*count),
            (Some(ThreadFact::TaskLimitNear { .. }), _) => near = true,
            (_, Some(LimitFact::TaskLimit { limit: it })) => limit = Some(it),
            _ => {}
        }
    }
    if let (true, Some(threads), Some(limit)) = (near, threads, limit) {
        let (used, allowed, what) = (limit.used, limit.allowed, limits::words::tasks(limit));
        return format!("{who} has {threads} threads, and {used} of {allowed} tasks are in use ({what}).");
    }
    let growth = trend::words::growth(file, finding, "its limit");
    format!(
        "{who} starts threads that do not end{}.",
        growth.map_or_else(String::new, |it| format!(": {it}"))
    )
}

/// A fact as a sentence.
pub fn sentence(fact: &ThreadFact) -> String {
    match fact {
        ThreadFact::ThreadCount { threads } => format!("it has {threads} threads"),
        ThreadFact::TaskLimitNear { percent, scans } => {
            format!("at least {percent} % of that limit was in use for {scans} scans in a row, mostly by it")
        }
    }
}
