//! Memory growth: the anonymous memory of a process grows steadily, as a leak does.
//!
//! To an operator: it will meet its limit, or the host's, and be killed; there is time to act. What counts is
//! RssAnon and VmSwap: page cache and shared files are given back when they are needed. Thresholds:
//! `growth_window` of steady growth after `growth_startup` (or three of them, for slow leaks, up to `growth_history`), by at least
//! `memory_growth_bytes` and `memory_growth_percent`, to more than it ever was. Critical when the limit is near in
//! time (`growth_critical`) and half of it is gone, or when most of it is used and the rest will not last the window.
//! Cites the growth, its steadiness, the limit and the time to it. Near misses: a start-up, a cache that fills up to a
//! plateau, a garbage collector's sawtooth, a large allocation, the rise of every morning. A job (a compiler, a link, a
//! load of data) has an end, and grows until then: info alone, until its limit is near. Two of three tell a job: it is
//! young, it has worked without a rest all its life, it is a command that is run for a result.

use std::time::Duration;

use crate::kinds::shared::trend::{self, Least, Past, SOURCE, Trend, whole};
use super::{Draft, Statement, programs};
use crate::config::{DetectLimits, GrowthLimits};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::text;

/// From so much of the limit on, in percent, fast growth need not last the window.
const URGENT_PERCENT: f64 = 60.0;
/// With less of the limit used, in percent, nothing is about to happen: what grows so fast is young.
const PRESSED_PERCENT: f64 = 50.0;
/// Running, or waiting for a CPU, in percent of its life, from which on a process works something off.
const WORKING_PERCENT: u128 = 70;
/// What is as old as the start-up and so many windows works without an end.
const YOUNG_WINDOWS: u32 = 3;

/// One process's anonymous memory over time. Points are in KiB.
#[derive(Clone, Copy)]
pub struct MemoryGrowth<'a> {
    /// Its history.
    pub past: Past<'a>,
    /// The window's points, start-up included.
    pub from_start: &'a [(f64, f64)],
    /// Its anonymous memory now.
    pub anon_bytes: u64,
    /// What it can grow into, where that is known.
    pub room: Option<&'a MemoryRoom>,
    /// How old its program is.
    pub age: Duration,
    /// The time its threads were running or waiting for a CPU, where it was measured.
    pub worked: Option<Duration>,
}

/// The limit that binds first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRoom {
    /// What it is, in words: `the memory limit of /app`.
    pub what: String,
    /// Where it was read.
    pub source: &'static str,
    /// What is left of it.
    pub left_bytes: u64,
}

/// A finding where the process leaks.
pub fn detect(process: &ProcessInfo, memory: &MemoryGrowth<'_>, limits: &DetectLimits) -> Option<Draft> {
    let limits = &limits.growth;
    let least = Least {
        grown: limits.memory_growth_bytes as f64 / 1024.0,
        percent: limits.memory_growth_percent,
        window: limits.growth_window,
    };
    let left = memory.room.map(|room| room.left_bytes);
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
    Some(draft(process, &trend, memory, severity))
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

fn draft(process: &ProcessInfo, trend: &Trend, memory: &MemoryGrowth<'_>, severity: Severity) -> Draft {
    let kib = |kib: f64| text::size(whole(kib).saturating_mul(1024));
    let (grown, time) = (kib(trend.grown()), text::duration(Duration::from_secs_f64(trend.seconds)));
    let rate = format!("{} a minute", kib(trend.per_second * 60.0));
    let mut facts = vec![
        Statement::new(
            SOURCE,
            format!(
                "its anonymous memory grew by {grown} in {time}, from {} to {}: {rate}",
                kib(trend.from),
                kib(trend.to)
            ),
        ),
        trend.proof(),
        Statement::new(
            "proc:status",
            format!("{} are anonymous (RssAnon and VmSwap) now", text::size(memory.anon_bytes)),
        ),
    ];
    let mut end = String::new();
    if let Some(room) = memory.room {
        let lasts = text::duration(trend.lasts(room.left_bytes / 1024));
        facts.push(Statement::new(
            room.source,
            format!("{} leaves {}: at this rate it lasts {lasts}", room.what, text::size(room.left_bytes)),
        ));
        end = format!("; what is left lasts {lasts}");
    }
    Draft {
        kind: IncidentKind::MemoryGrowth,
        severity,
        summary: format!(
            "{} (pid {}) grows steadily: by {grown} in {time}, {rate}{end}.",
            text::printable(&process.name),
            process.pid
        ),
        facts,
        site: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::*;

    const MIB: f64 = 1024.0;

    fn line(from_mib: f64, to_mib: f64, seconds: f64) -> Vec<(f64, f64)> {
        let at = |i: i32| f64::from(i) / 19.0;
        (0..20).map(|i| (at(i) * seconds, (from_mib + (to_mib - from_mib) * at(i)) * MIB)).collect()
    }

    fn judge(
        past: &[(f64, f64)],
        from_start: &[(f64, f64)],
        now_mib: u64,
        left_mib: Option<u64>,
    ) -> Option<Draft> {
        judge_worker(past, from_start, (now_mib, left_mib), 30)
    }

    /// A process of 20 minutes that has worked for `worked_s` seconds of them.
    fn judge_worker(
        past: &[(f64, f64)],
        from_start: &[(f64, f64)],
        (now_mib, left_mib): (u64, Option<u64>),
        worked_s: u64,
    ) -> Option<Draft> {
        let room = left_mib.map(|left| MemoryRoom {
            what: "the memory limit of /app".into(),
            source: "cgroup:memory",
            left_bytes: left << 20,
        });
        let memory = MemoryGrowth {
            past: Past { recent: past, long: &[], peak_before: &|_| None },
            from_start,
            anon_bytes: now_mib << 20,
            room: room.as_ref(),
            age: Duration::from_secs(1200),
            worked: Some(Duration::from_secs(worked_s)),
        };
        detect(&process(), &memory, &DetectLimits::default())
    }

    #[test]
    fn a_leak_is_as_bad_as_its_limit_is_near() {
        for (left, want) in [
            (Some(100), Severity::Critical),
            (Some(1000), Severity::Warning),
            (Some(1_000_000), Severity::Info),
            (None, Severity::Warning),
        ] {
            let draft = judge(&line(100.0, 200.0, 600.0), &[], 200, left).unwrap();
            assert_eq!(draft.severity, want, "{left:?}");
        }
        let draft = judge(&line(100.0, 200.0, 600.0), &[], 200, Some(100)).unwrap();
        assert_eq!(
            draft.summary,
            "worker (pid 42) grows steadily: by 100.0 MiB in 10 min, 10.0 MiB a minute; what is left lasts 10 min."
        );
        assert_eq!(
            draft.facts[0].text(),
            "its anonymous memory grew by 100.0 MiB in 10 min, from 100.0 MiB to 200.0 MiB: 10.0 MiB a minute"
        );
        assert_eq!(
            draft.facts[3].text(),
            "the memory limit of /app leaves 100.0 MiB: at this rate it lasts 10 min"
        );
    }

    #[test]
    fn a_young_program_that_works_without_a_rest_has_an_end() {
        let link = line(1000.0, 4000.0, 600.0);
        for (what, left, worked_s, want) in [
            ("a link on a large host", Some(20_000), 1100, Severity::Info),
            ("on four cores", Some(20_000), 4400, Severity::Info),
            ("where nothing is known of the limit", None, 1100, Severity::Info),
            ("with the limit near", Some(1000), 1100, Severity::Critical),
            ("a server that leaks as fast", Some(20_000), 300, Severity::Warning),
            ("a server with the limit near in time, and little used", Some(5000), 300, Severity::Warning),
        ] {
            let draft = judge_worker(&link, &[], (4000, left), worked_s).unwrap();
            assert_eq!(draft.severity, want, "{what}");
        }
        let memory = |minutes: u64| MemoryGrowth {
            past: Past { recent: &[], long: &[], peak_before: &|_| None },
            from_start: &[],
            anon_bytes: 0,
            room: None,
            age: Duration::from_secs(minutes * 60),
            worked: Some(Duration::from_secs(minutes * 60)),
        };
        let limits = GrowthLimits::default();
        let (it, rustc) = (process(), ProcessInfo { exe: Some("/usr/bin/rustc".into()), ..process() });
        assert!(
            is_job(&it, &memory(39), &limits) && !is_job(&it, &memory(40), &limits),
            "it works without an end"
        );
        let idle = |minutes| MemoryGrowth { worked: Some(Duration::ZERO), ..memory(minutes) };
        for (what, process, memory, want) in [
            ("a long compilation", &rustc, memory(400), true),
            ("one that waits for the disk", &rustc, idle(10), true),
            ("a command that stays and mostly waits", &rustc, idle(400), false),
            ("a young server", &it, idle(10), false),
        ] {
            assert_eq!(is_job(process, &memory, &limits), want, "{what}");
        }
    }

    #[test]
    fn small_growth_is_none() {
        for (from, to) in [(100.0, 131.0), (1000.0, 1199.0), (100.0, 100.0), (200.0, 100.0)] {
            assert_eq!(judge(&line(from, to, 600.0), &[], 200, Some(1)), None, "{from} {to}");
        }
    }

    #[test]
    fn a_fast_start_is_urgent_only_when_most_of_the_limit_is_gone() {
        let start = line(10.0, 700.0, 100.0);
        for (left, want) in [(300, true), (460, true), (480, false), (5000, false)] {
            let draft = judge(&[], &start, 700, Some(left));
            assert_eq!(draft.map(|it| it.severity), want.then_some(Severity::Critical), "{left} MiB left");
        }
        assert_eq!(judge(&[], &start, 700, None), None, "a start-up on a host of unknown size");
        assert_eq!(judge(&[], &line(690.0, 700.0, 100.0), 700, Some(50)), None, "hardly growing");
    }
}
