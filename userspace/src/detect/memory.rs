//! Memory pressure: a memory cgroup close to its limit, and staying there.
//!
//! To an operator: the next allocation may call the OOM killer; the processes that grew most are named. What counts
//! is use without pages of files, which the kernel takes back before it lets anything die. Limits: `memory_percent` of
//! the limit, for `memory_scans` scans in a row. Near miss: a limit filled by page cache; a short peak.

use std::time::Duration;

use super::{Draft, Statement};
use crate::config::DetectLimits;
use crate::model::{IncidentKind, Severity};
use crate::observation::CgroupMemory;
use crate::text;

/// How many of the largest processes are named.
const NAMED: usize = 3;

/// What the scan saw of one cgroup.
#[derive(Clone, Debug)]
pub struct MemoryUse<'a> {
    /// Its limit and use.
    pub cgroup: &'a CgroupMemory,
    /// For how many scans in a row it has been above the threshold, this one included.
    pub scans: u32,
    /// Its processes, those that grew most first.
    pub processes: &'a [Resident],
}

/// One process and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// Its pid.
    pub pid: u32,
    /// Its `comm`.
    pub name: String,
    /// Resident set size.
    pub rss_bytes: u64,
    /// By how much it grew lately, where it did.
    pub grown: Option<Grown>,
}

/// Growth of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    /// By so much.
    pub bytes: u64,
    /// In this time.
    pub over: Duration,
}

impl MemoryUse<'_> {
    /// Whether this scan counts.
    pub const fn is_high(cgroup: &CgroupMemory, limits: &DetectLimits) -> bool {
        working_set(cgroup).saturating_mul(100)
            >= cgroup.limit_bytes.saturating_mul(limits.memory_percent as u64)
    }
}

const fn working_set(cgroup: &CgroupMemory) -> u64 {
    cgroup.usage_bytes.saturating_sub(cgroup.file_bytes)
}

/// A finding where the cgroup has been close to its limit for long enough.
pub fn detect(memory: &MemoryUse<'_>, limits: &DetectLimits) -> Option<Draft> {
    let cgroup = memory.cgroup;
    if memory.scans < limits.memory_scans || !MemoryUse::is_high(cgroup, limits) {
        return None;
    }
    let (set, limit) = (text::size(working_set(cgroup)), text::size(cgroup.limit_bytes));
    let mut facts = vec![
        Statement::new("cgroup:memory", format!("the limit of {} is {limit}", cgroup.path)),
        Statement::new("cgroup:memory", format!("without pages of files it holds {set}")),
        Statement::new(
            "scan",
            format!("it was above {} % for {} scans in a row", limits.memory_percent, memory.scans),
        ),
    ];
    facts.extend(sizes(memory.processes));
    Some(Draft {
        kind: IncidentKind::MemoryPressure,
        severity: Severity::Warning,
        summary: format!("The memory cgroup {} holds {set} of its {limit}.", cgroup.path),
        facts,
        // The cgroup is in the fingerprint already; which process is largest today is not the fault.
        site: "cgroup".to_owned(),
    })
}

/// The first few processes with their sizes and growth.
pub(super) fn sizes(processes: &[Resident]) -> impl Iterator<Item = Statement> {
    processes.iter().take(NAMED).map(|it| {
        let (name, size) = (text::printable(&it.name), text::size(it.rss_bytes));
        let grown = it.grown.map_or_else(String::new, |grown| {
            format!(", {} of them in the last {}", text::size(grown.bytes), text::duration(grown.over))
        });
        Statement::new("proc:stat", format!("{name} (pid {}) holds {size} resident{grown}", it.pid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_working_set_close_to_the_limit_for_long_enough_is_a_finding() {
        for (usage_bytes, file_bytes, scans, want) in [
            (950, 0, 2, true),
            (949, 0, 2, false),
            (1000, 100, 9, false),
            (1000, 50, 2, true),
            (1000, 0, 1, false),
        ] {
            let cgroup = CgroupMemory { path: "/app".into(), usage_bytes, file_bytes, limit_bytes: 1000 };
            let processes = [Resident { pid: 9, name: "big".into(), rss_bytes: 2048, grown: None }];
            let draft = detect(
                &MemoryUse { cgroup: &cgroup, scans, processes: &processes },
                &DetectLimits::default(),
            );
            assert_eq!(draft.is_some(), want, "{usage_bytes} {file_bytes} {scans}");
            if let Some(draft) = draft {
                assert_eq!(draft.facts[3].text(), "big (pid 9) holds 2.0 KiB resident");
            }
        }
    }
}
