//! Fork storm: a process and what it started fill the room for tasks, or fork without end.
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

use std::time::Duration;

use super::threads::TaskRoom;
use crate::kinds::shared::trend::{self, SOURCE, Trend, whole};
use super::{Draft, Statement};
use crate::config::{DetectLimits, GrowthLimits};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::text;

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
    pub room: Option<&'a TaskRoom>,
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

/// A finding about `root`, the process at the family's head.
pub fn detect(root: &ProcessInfo, family: &Family<'_>, limits: &DetectLimits) -> Option<Draft> {
    let limits = &limits.growth;
    let members = family.scans.last().map_or(0, |(_, members)| *members);
    let name = format!("{} (pid {})", text::printable(&root.name), root.pid);
    let (severity, summary, trend) = if let Some(room) = refused(family) {
        let text = format!(
            "{name} and what it started fill {} ({} of {} tasks): the kernel refuses every further fork.",
            room.what, room.used, room.limit
        );
        (Severity::Critical, text, None)
    } else if let Some((room, lasts)) = filling(family, limits) {
        let full = room.used.saturating_mul(100) >= room.limit.saturating_mul(FULL_PERCENT);
        let severity =
            if full || lasts <= limits.growth_critical { Severity::Critical } else { Severity::Warning };
        let text = format!(
            "{name} and what it started are {members} processes and grow on every scan: {} ({}) is full in {}.",
            room.what,
            room.limit,
            text::duration(lasts)
        );
        (severity, text, None)
    } else if let Some((trend, lasts)) = creeping(family, members, limits) {
        let text = format!(
            "{name} starts processes that do not end: from {} to {} in {}.",
            whole(trend.from),
            whole(trend.to),
            text::duration(Duration::from_secs_f64(trend.seconds))
        );
        (trend::severity(Some(lasts), limits), text, Some(trend))
    } else {
        let children = family.children.filter(|it| is_churn(*it, limits))?;
        let text = format!(
            "{name} started {} processes in {}, and goes on.",
            children.count,
            text::duration(Duration::from_secs_f64(children.seconds))
        );
        (Severity::Warning, text, None)
    };
    let mut facts = facts(family, members);
    facts.extend(trend.map(|trend| trend.proof()));
    Some(Draft { kind: IncidentKind::ForkStorm, severity, summary, facts, site: String::new() })
}

/// Whether a parent's children are so many that they are a fault though none stays.
pub fn is_churn(children: Children, limits: &GrowthLimits) -> bool {
    let average = children.count as f64 / children.seconds.max(1.0);
    children.count >= u64::from(limits.fork_count) && children.per_second >= average / 2.0
}

fn refused<'a>(family: &Family<'a>) -> Option<&'a TaskRoom> {
    let mostly_its_own = |room: &&TaskRoom| family.tasks.saturating_mul(2) >= room.used;
    family.room.filter(|_| family.refused_scans >= REFUSED_SCANS).filter(mostly_its_own)
}

fn filling<'a>(family: &Family<'a>, limits: &GrowthLimits) -> Option<(&'a TaskRoom, Duration)> {
    let room = family.room?;
    let last = usize::try_from(limits.fork_scans).ok()?.checked_add(1)?;
    let scans = family.scans.get(family.scans.len().checked_sub(last)?..)?;
    let ((began, first), (ended, members)) = (scans.first()?, scans.last()?);
    let growth = scans.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1));
    let least = growth.min().filter(|least| *least > 0)?;
    let per_second = (members - first) as f64 / (ended - began).max(0.1);
    let lasts = Duration::try_from_secs_f64(room.left() as f64 / per_second).unwrap_or(Duration::MAX);
    let large = family.tasks.saturating_mul(100) >= room.limit.saturating_mul(u64::from(limits.fork_percent));
    let fast = least >= u64::from(limits.fork_growth);
    (lasts <= limits.fork_time_to_limit && (large || fast)).then_some((room, lasts))
}

fn creeping(family: &Family<'_>, members: u64, limits: &GrowthLimits) -> Option<(Trend, Duration)> {
    if members < u64::from(limits.fork_growth) * LARGE {
        return None;
    }
    let trend = trend::steady(family.window)?;
    let lasts = trend.lasts(family.room?.left());
    let long = trend.seconds >= limits.fork_window.as_secs_f64() * 0.8;
    let large = trend.grown() >= f64::from(limits.fork_growth);
    (long && large && lasts <= limits.growth_horizon).then_some((trend, lasts))
}

fn facts(family: &Family<'_>, members: u64) -> Vec<Statement> {
    let (common, count) = family.common;
    let common = text::printable(common);
    let mut facts = vec![Statement::new(
        "proc:stat",
        format!(
            "it and what it started are {members} live processes with {} threads, {count} of them {common}",
            family.tasks
        ),
    )];
    if let [(began, first), .., (ended, last)] = family.scans {
        let time = text::duration(Duration::from_secs_f64((ended - began).max(0.0)));
        facts.push(Statement::new(SOURCE, format!("{time} before there were {first}, now {last}")));
    }
    facts.extend(family.room.map(TaskRoom::fact));
    if let Some(room) = family.room.filter(|_| family.refused > 0) {
        facts.push(Statement::new(
            "cgroup:pids.events",
            format!("the kernel refused {} forks by {} since the scan before", family.refused, room.what),
        ));
    }
    if let Some(children) = family.children {
        facts.push(Statement::new(
            "kernel:sched_process_fork",
            format!(
                "it itself forked {} times in {}, {} times a second lately",
                children.count,
                text::duration(Duration::from_secs_f64(children.seconds)),
                whole(children.per_second)
            ),
        ));
    }
    if let Some(group) = family.orphans_of {
        facts.push(Statement::new(
            "proc:stat",
            format!(
                "they are process group {group}, whose leader has ended; the process named is its oldest"
            ),
        ));
    }
    facts
}

#[cfg(test)]
mod tests;
