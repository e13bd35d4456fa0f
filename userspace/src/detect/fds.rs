//! File descriptor exhaustion: a process close to its RLIMIT_NOFILE.
//!
//! To an operator: the next accept(2) or open(2) fails with EMFILE. Limits: `fd_percent` of the soft limit, for
//! `fd_scans` scans in a row. Near miss: a server with many connections well below its limit, a short peak.

use super::{Draft, Statement};
use crate::config::DetectLimits;
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::text;

/// What the scan saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdUse {
    /// Open descriptors.
    pub open: u64,
    /// RLIMIT_NOFILE, soft.
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
pub fn detect(process: &ProcessInfo, fds: FdUse, limits: &DetectLimits) -> Option<Draft> {
    if fds.scans < limits.fd_scans || !FdUse::is_high(fds.open, fds.limit, limits) {
        return None;
    }
    let name = text::printable(&process.name);
    let severity = if fds.open >= fds.limit { Severity::Critical } else { Severity::Warning };
    Some(Draft {
        kind: IncidentKind::FdExhaustion,
        severity,
        summary: format!("{name} has {} of its {} file descriptors open.", fds.open, fds.limit),
        facts: vec![
            Statement::new("proc:fd", format!("{} file descriptors are open", fds.open)),
            Statement::new("proc:limits", format!("the soft limit (RLIMIT_NOFILE) is {}", fds.limit)),
            Statement::new(
                "scan",
                format!("it was above {} % for {} scans in a row", limits.fd_percent, fds.scans),
            ),
        ],
        site: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::*;

    #[test]
    fn close_to_the_limit_for_long_enough_is_a_finding() {
        for (open, limit, scans, want) in [
            (922, 1024, 2, Some(Severity::Warning)),
            (921, 1024, 2, None),
            (1000, 1024, 1, None),
            (1024, 1024, 2, Some(Severity::Critical)),
            (50_000, 1_048_576, 9, None),
            (u64::MAX, u64::MAX, 2, Some(Severity::Critical)),
        ] {
            let draft = detect(&process(), FdUse { open, limit, scans }, &DetectLimits::default());
            assert_eq!(draft.map(|it| it.severity), want, "{open} of {limit}, {scans} scans");
        }
    }
}
