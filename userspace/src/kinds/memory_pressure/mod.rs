//! Memory pressure: a memory cgroup close to its limit and staying there, a host or a cgroup whose tasks stall for want
//! of memory, a host that has nearly none left.
//!
//! To an operator: everything slows down, for tasks wait for memory to be taken back from others; the next allocation
//! may call the OOM killer; the processes that grew most are named. Limits, for `memory_scans` scans in a row: a
//! cgroup's use without pages of files, which the kernel takes back before it lets anything die, is at
//! `memory_percent` of its limit; `available_percent` of the host's memory left (with free swap); `stall_percent` of
//! the time in which all tasks wait for memory, by the kernel's averages over 10 and over 60 seconds. Near misses: a
//! limit filled by page cache, which counts as available on the host, too; a short peak, which the average over 60
//! seconds hides; a host that swaps, but has room; a host that stalls only because one of its cgroups is at
//! a limit of its own, memory.high included: that cgroup's incident. The monitor itself is never named.

pub mod facts;
#[cfg(test)]
mod golden;
mod sizes;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::{Nature, Room, Tie};
use crate::model::{IncidentKind, Severity};
use crate::observation::{CgroupMemory, HostMemory, Stall};
use facts::{MemoryGrown, MemorySign, PressureFact};

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Memory pressure",
    nature: Nature::Lasts,
    of_cgroup: true,
    of_unit: None,
    explains: &[(IncidentKind::OomKill, Tie::Linked)],
    patience: |limits, scan_interval| scan_interval.saturating_mul(limits.memory_scans.saturating_sub(1)),
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// A host with more of its memory available has enough of it.
const LITTLE_PERCENT: u128 = 15;
/// How many of the largest processes are named.
const NAMED: usize = 3;
/// The site of a cgroup's shortage, by whichever sign: the cgroup is in the fingerprint already, and which process is
/// largest today is not the fault.
const OF_CGROUP: &str = "cgroup";
/// The site of the host's.
const OF_HOST: &str = "host";

/// One process and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resident {
    /// The process that is meant.
    pub process: Who,
    /// Resident set size, in bytes.
    pub rss_bytes: u64,
    /// By how much it grew lately, where it did.
    pub grown: Option<MemoryGrown>,
}

/// Whether a cgroup is close to its limit.
pub const fn is_near_limit(cgroup: &CgroupMemory, limits: &DetectLimits) -> bool {
    held_bytes(cgroup).saturating_mul(100) >= cgroup.limit_bytes.saturating_mul(limits.memory_percent as u64)
}

/// Without pages of files.
const fn held_bytes(cgroup: &CgroupMemory) -> u64 {
    cgroup.usage_bytes.saturating_sub(cgroup.file_bytes)
}

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

/// Whether the tasks of the host wait for its memory: it has little left as well. With plenty of it, what waits does so at
/// the limit of its own cgroup, whose stalls the host's contain (kernel Documentation/accounting/psi.rst).
pub fn stalls_for_want_of_memory(memory: &HostMemory, limits: &DetectLimits) -> bool {
    let left = u128::from(memory.available_bytes) * 100;
    let little = left < u128::from(memory.total_bytes) * LITTLE_PERCENT;
    little && memory.stall.is_some_and(|stall| is_stalled(&stall, limits))
}

/// A finding where a cgroup has been close to its limit for `scans` scans in a row; the processes in it are given with
/// those first that grew most.
pub fn near_limit(
    cgroup: &CgroupMemory,
    scans: u32,
    processes: &[Resident],
    limits: &DetectLimits,
) -> Option<Draft> {
    if scans < limits.memory_scans || !is_near_limit(cgroup, limits) {
        return None;
    }
    let limit_bytes = cgroup.limit_bytes;
    let limit = PressureFact::CgroupMemoryLimit { cgroup: (&*cgroup.path).into(), limit_bytes };
    let held = PressureFact::CgroupMemoryHeld { held_bytes: held_bytes(cgroup) };
    let mut facts = vec![
        Statement::new("cgroup:memory", limit),
        Statement::new("cgroup:memory", held),
        short(MemorySign::NearLimit, limits.memory_percent, scans),
    ];
    facts.extend(holders(processes));
    Some(draft(Severity::Warning, facts, OF_CGROUP))
}

/// A finding where the host has been short of memory for long enough.
pub fn host(memory: &HostMemory, scans: u32, processes: &[Resident], limits: &DetectLimits) -> Option<Draft> {
    let is_short = is_short(memory, limits);
    let is_stalled = stalls_for_want_of_memory(memory, limits);
    if scans < limits.memory_scans || !(is_short || is_stalled) {
        return None;
    }
    let sizes = PressureFact::HostMemory {
        total_bytes: memory.total_bytes,
        available_bytes: memory.available_bytes,
        swap_total_bytes: memory.swap_total_bytes,
        swap_free_bytes: memory.swap_free_bytes,
    };
    let mut facts = vec![Statement::new("proc:meminfo", sizes)];
    facts.extend(memory.stall.map(|stall| Statement::new("proc:pressure", stalled(None, &stall))));
    facts.push(match is_stalled {
        true => short(MemorySign::Stall, limits.stall_percent, scans),
        false => short(MemorySign::LittleAvailable, limits.available_percent, scans),
    });
    facts.extend(holders(processes));
    let severity = if is_short { Severity::Critical } else { Severity::Warning };
    Some(draft(severity, facts, OF_HOST))
}

/// A finding where the tasks of a cgroup have waited for memory for long enough.
pub fn stall(
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
        Statement::new("cgroup:memory.pressure", stalled(Some(path), stall)),
        short(MemorySign::Stall, limits.stall_percent, scans),
    ];
    facts.extend(holders(processes));
    Some(draft(Severity::Warning, facts, OF_CGROUP))
}

fn draft(severity: Severity, facts: Vec<Statement>, site: &str) -> Draft {
    let site = site.to_owned();
    Draft { kind: IncidentKind::MemoryPressure, severity, facts, site }
}

fn short(sign: MemorySign, threshold_percent: u32, scans: u32) -> Statement {
    Statement::new("scan", PressureFact::MemoryShort { sign, threshold_percent, scans })
}

fn stalled(cgroup: Option<&str>, stall: &Stall) -> PressureFact {
    PressureFact::MemoryStall {
        cgroup: cgroup.map(Into::into),
        full_avg10_permille: permille(stall.full_avg10),
        full_avg60_permille: permille(stall.full_avg60),
        some_avg60_permille: permille(stall.some_avg60),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the time, in percent; what is none saturates"
)]
fn permille(percent: f64) -> u32 {
    (percent * 10.0).round() as u32
}

/// The first few processes with their sizes and growth.
fn holders(processes: &[Resident]) -> impl Iterator<Item = Statement> {
    processes.iter().take(NAMED).map(|it| {
        let (process, rss_bytes, grown) = (it.process.clone(), it.rss_bytes, it.grown.clone());
        Statement::new("proc:stat", PressureFact::MemoryHolder { process, rss_bytes, grown })
    })
}
