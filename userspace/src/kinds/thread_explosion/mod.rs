//! Thread explosion: a process that has, or soon will have, as many threads as it may.
//!
//! To an operator: the next thread, or the next fork of anything under the same limit, fails with EAGAIN. Every
//! thread counts as a task against pids.max of the cgroup, the user's RLIMIT_NPROC, and the host's threads-max and
//! pid_max. Thresholds: `thread_percent` of such a limit for two scans, most of the tasks being the process's own;
//! or steady growth over `growth_window` by `thread_growth` and `thread_growth_percent`, to more than it ever had.
//! Cites the count, the limit, the growth. Near misses: a JVM's start, a pool that reaches its size and stays, a
//! process in a full cgroup whose tasks are mostly others'.

pub mod facts;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::room::{Nature, Room, Tie};
use crate::kinds::shared::limits::facts::TaskCeiling;
use crate::kinds::shared::trend::facts::Counted;
use crate::kinds::shared::trend::{self, Least, Past};
use crate::model::{IncidentKind, Severity};
use facts::ThreadFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Thread explosion",
    nature: Nature::Lasts,
    of_cgroup: false,
    of_unit: None,
    explains: &[(IncidentKind::Crash, Tie::Linked), (IncidentKind::AbnormalExit, Tie::Linked)],
    patience: |limits, _| limits.growth.growth_startup + limits.growth.growth_window,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// For so many scans in a row a limit has to be near.
const SCANS: u32 = 2;

/// One process, its threads and the limit they count against.
#[derive(Clone, Copy)]
pub struct ThreadUse<'a> {
    /// Threads in the newest scan.
    pub threads: u64,
    /// What scans measured of its threads over time.
    pub past: Past<'a>,
    /// The limit that binds first, where one is known.
    pub limit: Option<&'a TaskCeiling>,
    /// For how many scans in a row [`is_near`], this one included.
    pub near_scans: u32,
}

/// Whether tasks are close to the limit, most of them these.
pub const fn is_near(limit: &TaskCeiling, tasks: u64, limits: &DetectLimits) -> bool {
    let percent = limits.growth.thread_percent as u64;
    tasks.saturating_mul(2) >= limit.used
        && limit.used.saturating_mul(100) >= limit.allowed.saturating_mul(percent)
}

/// A finding where the process has, or will soon have, too many threads.
pub fn detect(threads: &ThreadUse<'_>, limits: &DetectLimits) -> Option<Draft> {
    let near =
        threads.limit.filter(|limit| threads.near_scans >= SCANS && is_near(limit, threads.threads, limits));
    let least = Least {
        grown: f64::from(limits.growth.thread_growth),
        percent: limits.growth.thread_growth_percent,
        window: limits.growth.growth_window,
    };
    let trend = trend::growth(threads.past, least);
    let lasts = trend.zip(threads.limit).map(|(trend, limit)| trend.lasts(limit.left()));
    let severity = match (near, trend) {
        (Some(limit), _) if limit.left() == 0 => Severity::Critical,
        (Some(_), _) => Severity::Warning,
        (None, Some(_)) => trend::severity(lasts, &limits.growth),
        (None, None) => return None,
    };
    let count = ThreadFact::ThreadCount { threads: threads.threads };
    let mut facts = vec![Statement::new("proc:stat", count)];
    facts.extend(threads.limit.map(TaskCeiling::fact));
    if near.is_some() {
        let (percent, scans) = (u64::from(limits.growth.thread_percent), u64::from(threads.near_scans));
        facts.push(Statement::new("scan", ThreadFact::TaskLimitNear { percent, scans }));
    }
    if let Some(trend) = trend {
        facts.extend([trend.count_grew(Counted::Threads, lasts), trend.proof()]);
    }
    Some(Draft { kind: IncidentKind::ThreadExplosion, severity, facts, site: String::new() })
}
