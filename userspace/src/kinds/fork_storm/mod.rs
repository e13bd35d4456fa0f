//! Fork storm: a process and its descendants fill the room for tasks, or fork without end.
//!
//! To an operator: when pids.max, pid_max or threads-max is reached, nothing under that limit can start a process:
//! no shell to repair it either. The family is judged, not its rate alone. Thresholds, any of:
//! - the kernel refused forks under a limit on each of two scans, and the family has most of the tasks;
//! - the family grew on each of `fork_scans` scans, holds `fork_percent` of a limit, and reaches it within
//!   `fork_time_to_limit`; or grew by `fork_growth` on each of them, and does;
//! - it grows steadily over `fork_window`, has five times `fork_growth` processes, and reaches the limit within
//!   `growth_horizon`;
//! - one parent started `fork_count` children within `fork_window` and goes on, even if none stays.
//!
//! Cites the family's size and growth, the limit, what was refused, the most frequent program. Near misses: a
//! parallel build, `xargs -P`, a server that warms up to its pool, a test suite with tens of thousands of children.

pub mod facts;
pub mod families;
mod sizes;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;

use std::time::Duration;

use crate::config::{DetectLimits, GrowthLimits};
use crate::kinds::case::{Draft, Statement};
use crate::kinds::room::{Nature, Room, Tie};
use crate::kinds::shared::limits::facts::TaskCeiling;
use crate::kinds::shared::trend::facts::Counted;
use crate::kinds::shared::trend::{self, SOURCE, Trend, ms, seconds_ms, whole};
use crate::model::{IncidentKind, Severity};
use facts::{ForkFact, StormSign};

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Fork storm",
    nature: Nature::Lasts,
    of_cgroup: false,
    of_unit: None,
    explains: &[
        (IncidentKind::ZombiePileup, Tie::Linked),
        (IncidentKind::ThreadExplosion, Tie::Linked),
        (IncidentKind::MemoryPressure, Tie::Linked),
    ],
    patience: |limits, _| limits.growth.fork_window,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// A family this many times `fork_growth` is large enough for slow growth to matter.
const LARGE: u64 = 5;
/// With so much of the limit in use, in percent, it is about to fail.
const FULL_PERCENT: u64 = 90;
/// What is refused is a fault already: it only has to go on.
const REFUSED_SCANS: u32 = 2;

/// A process and its descendants, or a process group whose leader has ended.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// Live processes at the last scans, and when (seconds); this one last.
    pub scans: &'a [(f64, u64)],
    /// The same, over `fork_window`.
    pub window: &'a [(f64, f64)],
    /// Tasks now, threads counted.
    pub tasks: u64,
    /// The limit that binds first, where one is known.
    pub limit: Option<&'a TaskCeiling>,
    /// Forks the kernel refused under that limit since the scan before.
    pub refused: u64,
    /// For how many scans in a row it refused some, this one included.
    pub refused_scans: u32,
    /// The most frequent program in it, and how many run it.
    pub common: (&'a str, u64),
    /// The process group, where its leader has ended and the named process is its oldest.
    pub orphans_of: Option<u32>,
    /// What the named process itself forked lately.
    pub children: Option<Children>,
}

/// Children of one parent, whether or not they live.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Children {
    /// How many within `fork_window`, or since the parent began.
    pub count: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// In a second, between the last two scans.
    pub per_second: f64,
}

/// A finding about a family, whose facts speak of the process at its head.
pub fn detect(family: &Family<'_>, limits: &DetectLimits) -> Option<Draft> {
    let limits = &limits.growth;
    let members = family.scans.last().map_or(0, |(_, members)| *members);
    let (severity, sign, growth) = if refused(family) {
        (Severity::Critical, StormSign::LimitReached, Vec::new())
    } else if let Some(filling) = filling(family, limits) {
        (filling.severity, StormSign::LimitNear, vec![filling.fact])
    } else if let Some((trend, lasts)) = creeping(family, members, limits) {
        let growth = vec![trend.count_grew(Counted::Processes, Some(lasts)), trend.proof()];
        (trend::severity(Some(lasts), limits), StormSign::SteadyGrowth, growth)
    } else {
        family.children.filter(|it| is_churn(*it, limits))?;
        (Severity::Warning, StormSign::ManyForks, Vec::new())
    };
    let mut facts = facts(family, members, sign);
    facts.extend(growth);
    Some(Draft { kind: IncidentKind::ForkStorm, severity, facts, site: String::new() })
}

/// Whether a parent's children are so many that they are a fault though none stays.
pub fn is_churn(children: Children, limits: &GrowthLimits) -> bool {
    let average = children.count as f64 / children.seconds.max(1.0);
    children.count >= u64::from(limits.fork_count) && children.per_second >= average / 2.0
}

/// Whether the kernel refuses forks scan after scan, and most of the tasks are the family's own.
fn refused(family: &Family<'_>) -> bool {
    let mostly_its_own = |limit: &TaskCeiling| family.tasks.saturating_mul(2) >= limit.used;
    family.refused_scans >= REFUSED_SCANS && family.limit.is_some_and(mostly_its_own)
}

/// Growth on every scan towards a limit that is near.
struct Filling {
    severity: Severity,
    fact: Statement,
}

fn filling(family: &Family<'_>, limits: &GrowthLimits) -> Option<Filling> {
    let limit = family.limit?;
    let last = usize::try_from(limits.fork_scans).ok()?.checked_add(1)?;
    let scans = family.scans.get(family.scans.len().checked_sub(last)?..)?;
    let ((began, first), (ended, members)) = (scans.first()?, scans.last()?);
    let growth = scans.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1));
    let least = growth.min().filter(|least| *least > 0)?;
    let per_second = (members - first) as f64 / (ended - began).max(0.1);
    let lasts = Duration::try_from_secs_f64(limit.left() as f64 / per_second).unwrap_or(Duration::MAX);
    let percent = u64::from(limits.fork_percent);
    let large = family.tasks.saturating_mul(100) >= limit.allowed.saturating_mul(percent);
    let fast = least >= u64::from(limits.fork_growth);
    if lasts > limits.fork_time_to_limit || !(large || fast) {
        return None;
    }
    let full = limit.used.saturating_mul(100) >= limit.allowed.saturating_mul(FULL_PERCENT);
    let is_urgent = full || lasts <= limits.growth_critical;
    let grew = ForkFact::GrewEachScan {
        scans: u64::from(limits.fork_scans),
        at_least: least,
        limit_reached_in_ms: ms(lasts),
    };
    Some(Filling {
        severity: if is_urgent { Severity::Critical } else { Severity::Warning },
        fact: Statement::new(SOURCE, grew),
    })
}

fn creeping(family: &Family<'_>, members: u64, limits: &GrowthLimits) -> Option<(Trend, Duration)> {
    if members < u64::from(limits.fork_growth) * LARGE {
        return None;
    }
    let trend = trend::steady(family.window)?;
    let lasts = trend.lasts(family.limit?.left());
    let long = trend.seconds >= limits.fork_window.as_secs_f64() * 0.8;
    let large = trend.grown() >= f64::from(limits.fork_growth);
    (long && large && lasts <= limits.growth_horizon).then_some((trend, lasts))
}

fn facts(family: &Family<'_>, members: u64, sign: StormSign) -> Vec<Statement> {
    let (common, common_processes) = family.common;
    let it = ForkFact::ProcessFamily {
        sign,
        processes: members,
        threads: family.tasks,
        common: common.into(),
        common_processes,
    };
    let mut facts = vec![Statement::new("proc:stat", it)];
    if let [(began, first), .., (ended, last)] = family.scans {
        let over_ms = seconds_ms(ended - began);
        facts.push(Statement::new(SOURCE, ForkFact::FamilyBefore { before: *first, now: *last, over_ms }));
    }
    facts.extend(family.limit.map(TaskCeiling::fact));
    if let Some(limit) = family.limit.filter(|_| family.refused > 0) {
        let (forks, scans) = (family.refused, u64::from(family.refused_scans));
        let refused = ForkFact::ForksRefused { forks, scans, limit: limit.clone() };
        facts.push(Statement::new("cgroup:pids.events", refused));
    }
    if let Some(children) = family.children {
        let forked = ForkFact::Forked {
            forks: children.count,
            over_ms: seconds_ms(children.seconds),
            per_second: whole(children.per_second),
        };
        facts.push(Statement::new("kernel:sched_process_fork", forked));
    }
    if let Some(group) = family.orphans_of {
        facts.push(Statement::new("proc:stat", ForkFact::OrphanedGroup { group }));
    }
    facts
}
