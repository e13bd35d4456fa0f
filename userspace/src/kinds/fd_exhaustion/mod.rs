//! File descriptor exhaustion: a process close to its RLIMIT_NOFILE, or leaking towards it.
//!
//! To an operator: at the limit the next accept(2) or open(2) fails with EMFILE. Thresholds: `fd_percent` of the
//! soft limit for `fd_scans` scans in a row; or, long before, steady growth over `growth_window` by `fd_growth` and
//! `fd_growth_percent`, to more than it ever had. Cites the count, the limit, the growth, and what is open, by kind.
//! Beside descriptors, of which each process has a limit of its own: inotify instances, of which a user has one. A user
//! with nearly all of them is a warning, about whoever has the most.
//! Near misses: a server with many connections well below its limit, one whose connections rise and fall, a short
//! peak, a start-up.

pub mod descriptors;
pub mod facts;
mod inotify;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::room::{Nature, Room, Tie};
use crate::kinds::shared::trend::facts::Counted;
use crate::kinds::shared::trend::{self, Least, Past};
use crate::model::{IncidentKind, Severity};
use facts::DescriptorFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "File descriptor exhaustion",
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

/// What the scan saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdUse {
    /// Number of open file descriptors.
    pub open: u64,
    /// The soft limit of open files (RLIMIT_NOFILE).
    pub limit: u64,
    /// For how many scans in a row it has been above the threshold, this one included.
    pub scans: u32,
}

impl FdUse {
    /// Whether this scan counts.
    pub const fn is_high(open: u64, limit: u64, limits: &DetectLimits) -> bool {
        open.saturating_mul(100) >= limit.saturating_mul(limits.fd_percent as u64)
    }
}

/// A finding where the process has been close to its limit for long enough.
pub fn near_limit(fds: FdUse, limits: &DetectLimits) -> Option<Draft> {
    if fds.scans < limits.fd_scans || !FdUse::is_high(fds.open, fds.limit, limits) {
        return None;
    }
    let severity = if fds.open >= fds.limit { Severity::Critical } else { Severity::Warning };
    let near = DescriptorFact::DescriptorsNearLimit {
        percent: u64::from(limits.fd_percent),
        scans: u64::from(fds.scans),
    };
    let facts = vec![open_now(fds.open), limit_now(fds.limit), Statement::new("scan", near)];
    Some(draft(severity, facts))
}

/// A finding where descriptors are opened and not closed. `limit` is absent where there is none.
pub fn leak(past: Past<'_>, open: u64, limit: Option<u64>, limits: &DetectLimits) -> Option<Draft> {
    let least = Least {
        grown: f64::from(limits.growth.fd_growth),
        percent: limits.growth.fd_growth_percent,
        window: limits.growth.growth_window,
    };
    let trend = trend::growth(past, least)?;
    let lasts = limit.map(|limit| trend.lasts(limit.saturating_sub(open)));
    let mut facts = vec![trend.count_grew(Counted::OpenDescriptors, lasts), trend.proof(), open_now(open)];
    facts.extend(limit.map(limit_now));
    Some(draft(trend::severity(lasts, &limits.growth), facts))
}

fn open_now(open: u64) -> Statement {
    Statement::new("proc:fd", DescriptorFact::OpenDescriptors { open })
}

fn limit_now(limit: u64) -> Statement {
    Statement::new("proc:limits", DescriptorFact::DescriptorLimit { limit })
}

fn draft(severity: Severity, facts: Vec<Statement>) -> Draft {
    Draft { kind: IncidentKind::FdExhaustion, severity, facts, site: String::new() }
}
