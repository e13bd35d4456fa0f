//! Memory growth: the memory of a process grows steadily, as a leak does: anonymous memory, shared memory that it maps,
//! or its page tables, each by itself.
//!
//! To an operator: it will meet its limit, or the host's, and be killed; there is time to act. What counts is
//! RssAnon and VmSwap: page cache and shared files are given back when they are needed. Thresholds:
//! `growth_window` of steady growth after `growth_startup` (or three of them, for slow leaks, up to `growth_history`), by at least
//! `memory_growth_bytes` and `memory_growth_percent`, to more than it ever was. Critical when the limit is near in
//! time (`growth_critical`) and half of it is gone, or when most of it is used and the rest will not last the window.
//! Cites the growth, its steadiness, the limit and the time to it. Near misses: a start-up, a cache that fills up to a
//! plateau, a garbage collector's sawtooth, a large allocation, the rise of every morning; shared memory that was mapped
//! at once and is touched bit by bit. Info alone for what grows towards a bound that it was told (-Xmx, maxmemory,
//! GOMEMLIMIT) and that there is room for. A job (a compiler, a link, a
//! load of data) has an end, and grows until then: info alone, until its limit is near. Two of three tell a job: it is
//! young, it has worked without a rest all its life, it is a command that is run for a result.

mod bounds;
pub mod facts;
#[cfg(test)]
mod tests;
pub mod verdict;
pub mod watch;
pub mod words;

use std::time::Duration;

use crate::config::{DetectLimits, GrowthLimits};
use crate::kinds::case::{Draft, Statement};
use crate::kinds::room::{Nature, Room, Tie};
use crate::kinds::shared::limits::facts::MemoryCeiling;
use crate::kinds::shared::trend::{self, Least, Past, Trend, whole};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::programs;
use bounds::OwnBound;
use facts::{MemoryGrowthFact, MemorySort};

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Memory growth",
    nature: Nature::Lasts,
    of_cgroup: false,
    of_unit: None,
    explains: &[(IncidentKind::OomKill, Tie::Linked), (IncidentKind::MemoryPressure, Tie::Linked)],
    patience: |limits, _| limits.growth.growth_startup + limits.growth.growth_window,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: tests::sample,
};

/// From so much of the limit on, in percent, fast growth need not last the window.
const URGENT_PERCENT: f64 = 60.0;
/// With less of the limit used, in percent, nothing is about to happen: what grows so fast is young.
const PRESSED_PERCENT: f64 = 50.0;
/// Running, or waiting for a CPU, in percent of its life, from which on a process works something off.
const WORKING_PERCENT: u128 = 70;
/// So much of the growth of shared memory must be newly mapped.
const MAPPED_SHARE: f64 = 0.5;
/// What is as old as the start-up and so many windows works without an end.
const YOUNG_WINDOWS: u32 = 3;

/// One process's memory of one sort over time. Points are in KiB.
#[derive(Clone, Copy)]
pub struct MemoryGrowth<'a> {
    /// What scans measured of it over time.
    pub past: Past<'a>,
    /// The window's points, start-up included.
    pub from_start: &'a [(f64, f64)],
    /// Which sort; `None` for anonymous memory.
    pub sort: Option<MemorySort>,
    /// How much of it there is now.
    pub anon_bytes: u64,
    /// What it was told that it may use.
    pub bound: Option<&'a OwnBound>,
    /// By how much its address space grew since a time, in KiB, where that is known.
    pub mapped_since: &'a dyn Fn(f64) -> Option<u64>,
    /// What it can grow into, where that is known.
    pub limit: Option<&'a MemoryCeiling>,
    /// How old its program is.
    pub age: Duration,
    /// The time its threads were running or waiting for a CPU, where it was measured.
    pub worked: Option<Duration>,
}

/// A finding where the process leaks.
pub fn detect(process: &ProcessInfo, memory: &MemoryGrowth<'_>, limits: &DetectLimits) -> Option<Draft> {
    let limits = &limits.growth;
    let least = Least {
        grown: limits.memory_growth_bytes as f64 / 1024.0,
        percent: limits.memory_growth_percent,
        window: limits.growth_window,
    };
    let left = memory.limit.map(|limit| limit.left_bytes);
    let (trend, severity) = if let Some(trend) = trend::growth(memory.past, least) {
        let lasts = left.map(|left| trend.lasts(left / 1024));
        let severity = trend::severity(lasts, limits);
        let pressed = left.is_some_and(|left| share(memory.anon_bytes, left) >= PRESSED_PERCENT);
        let severity = match severity {
            Severity::Critical if pressed => Severity::Critical,
            _ if is_job(process, memory, limits) => Severity::Info,
            severity => severity.min(Severity::Warning),
        };
        (trend, severity)
    } else {
        let trend = trend::steady(memory.from_start).filter(|it| it.grown() >= least.grown)?;
        if !is_urgent(&trend, memory.anon_bytes, left?, limits.growth_window) {
            return None;
        }
        (trend, Severity::Critical)
    };
    // What was mapped once and is touched bit by bit ends where it was mapped: the buffers of a database.
    let touched = |mapped: u64| (mapped as f64) < trend.grown() * MAPPED_SHARE;
    if memory.sort == Some(MemorySort::Shared) && (memory.mapped_since)(trend.since).is_some_and(touched) {
        return None;
    }
    let bounded = memory.bound.is_some_and(|bound| ends_at(bound, memory));
    Some(draft(&trend, memory, if bounded { Severity::Info } else { severity }))
}

/// Whether it stops by itself before anything else stops it.
fn ends_at(bound: &OwnBound, memory: &MemoryGrowth<'_>) -> bool {
    let rest = bound.with_overhead().checked_sub(memory.anon_bytes);
    rest.is_some_and(|rest| memory.limit.is_none_or(|limit| rest <= limit.left_bytes))
}

/// Whether it will meet the limit, of which it holds most, before a window is over.
fn is_urgent(trend: &Trend, anon_bytes: u64, left_bytes: u64, window: Duration) -> bool {
    share(anon_bytes, left_bytes) >= URGENT_PERCENT && trend.lasts(left_bytes / 1024) <= window
}

/// What it holds of what it may hold, in percent.
fn share(anon_bytes: u64, left_bytes: u64) -> f64 {
    anon_bytes as f64 * 100.0 / (anon_bytes.saturating_add(left_bytes)) as f64
}

/// Whether it has an end.
fn is_job(process: &ProcessInfo, memory: &MemoryGrowth<'_>, limits: &GrowthLimits) -> bool {
    let young = memory.age < limits.growth_startup + limits.growth_window * YOUNG_WINDOWS;
    let working = memory
        .worked
        .is_some_and(|worked| worked.as_millis() * 100 >= memory.age.as_millis() * WORKING_PERCENT);
    [young, working, programs::is_command(process)].into_iter().filter(|sign| *sign).count() >= 2
}

fn draft(trend: &Trend, memory: &MemoryGrowth<'_>, severity: Severity) -> Draft {
    let bytes = |kib: f64| whole(kib).saturating_mul(1024);
    let grew = MemoryGrowthFact::MemoryGrew {
        sort: memory.sort,
        from_bytes: bytes(trend.from),
        to_bytes: bytes(trend.to),
        over_ms: trend.over_ms(),
        per_minute_bytes: bytes(trend.per_second * 60.0),
    };
    let now = match memory.sort {
        None => MemoryGrowthFact::AnonymousMemory { anon_bytes: memory.anon_bytes },
        Some(sort) => MemoryGrowthFact::MemoryHeld { sort, bytes: memory.anon_bytes },
    };
    let mut facts =
        vec![Statement::new(trend::SOURCE, grew), trend.proof(), Statement::new("proc:status", now)];
    let bound = memory.bound.filter(|bound| ends_at(bound, memory)).cloned();
    facts.extend(bound.map(|bound| Statement::new("proc:cmdline", MemoryGrowthFact::MemoryBound { bound })));
    facts.extend(memory.limit.map(|limit| limit.fact(trend::ms(trend.lasts(limit.left_bytes / 1024)))));
    Draft { kind: IncidentKind::MemoryGrowth, severity, facts, site: String::new() }
}
