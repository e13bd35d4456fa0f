//! Thread explosion: a process that has, or soon will have, as many threads as it may.
//!
//! To an operator: the next thread, or the next fork of anything under the same limit, fails with EAGAIN. Every
//! thread counts as a task against pids.max of the cgroup, the user's RLIMIT_NPROC, and the host's threads-max and
//! pid_max. Thresholds: `thread_percent` of such a limit for two scans, most of the tasks being the process's own;
//! or steady growth over `growth_window` by `thread_growth` and `thread_growth_percent`, to more than it ever had.
//! Cites the count, the limit, the growth. Near misses: a JVM's start, a pool that reaches its size and stays, a
//! process in a full cgroup whose tasks are mostly others'.

use std::time::Duration;

use crate::kinds::shared::trend::{self, Least, Past, SOURCE, Trend, whole};
use super::{Draft, Statement};
use crate::config::DetectLimits;
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::text;

/// For so many scans in a row a limit has to be near.
const SCANS: u32 = 2;

/// One process's threads.
#[derive(Clone, Copy)]
pub struct ThreadUse<'a> {
    /// Now.
    pub threads: u64,
    /// Over time.
    pub past: Past<'a>,
    /// The limit that binds first, where one is known.
    pub room: Option<&'a TaskRoom>,
    /// For how many scans in a row [`TaskRoom::is_near`], this one included.
    pub near_scans: u32,
}

/// A limit on tasks, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRoom {
    /// What it is, in words: `pids.max of /app`.
    pub what: String,
    /// Where it was read.
    pub source: &'static str,
    /// The limit.
    pub limit: u64,
    /// Tasks under it now.
    pub used: u64,
}

impl TaskRoom {
    /// How many more there may be.
    pub const fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Whether tasks are close to it, most of them these.
    pub const fn is_near(&self, tasks: u64, limits: &DetectLimits) -> bool {
        let percent = limits.growth.thread_percent as u64;
        tasks.saturating_mul(2) >= self.used
            && self.used.saturating_mul(100) >= self.limit.saturating_mul(percent)
    }

    /// The limit as a fact.
    pub(super) fn fact(&self) -> Statement {
        Statement::new(
            self.source,
            format!("{} is {}, and {} tasks count against it", self.what, self.limit, self.used),
        )
    }
}

/// A finding where the process has, or will soon have, too many threads.
pub fn detect(process: &ProcessInfo, threads: &ThreadUse<'_>, limits: &DetectLimits) -> Option<Draft> {
    let near =
        threads.room.filter(|room| threads.near_scans >= SCANS && room.is_near(threads.threads, limits));
    let least = Least {
        grown: f64::from(limits.growth.thread_growth),
        percent: limits.growth.thread_growth_percent,
        window: limits.growth.growth_window,
    };
    let trend = trend::growth(threads.past, least);
    let name = format!("{} (pid {})", text::printable(&process.name), process.pid);
    let mut facts = vec![Statement::new("proc:stat", format!("it has {} threads", threads.threads))];
    facts.extend(threads.room.map(TaskRoom::fact));
    let (severity, summary) = match (near, &trend) {
        (Some(room), _) => {
            let severity = if room.left() == 0 { Severity::Critical } else { Severity::Warning };
            let summary = format!(
                "{name} has {} threads, and {} of {} tasks are in use ({}).",
                threads.threads, room.used, room.limit, room.what
            );
            (severity, summary)
        }
        (None, Some(trend)) => {
            let lasts = threads.room.map(|room| trend.lasts(room.left()));
            (trend::severity(lasts, &limits.growth), growing(&name, trend, lasts))
        }
        (None, None) => return None,
    };
    if let Some(trend) = trend {
        facts.push(Statement::new(
            SOURCE,
            format!(
                "they grew from {} to {} in {}",
                whole(trend.from),
                whole(trend.to),
                text::duration(Duration::from_secs_f64(trend.seconds))
            ),
        ));
        facts.push(trend.proof());
    }
    Some(Draft { kind: IncidentKind::ThreadExplosion, severity, summary, facts, site: String::new() })
}

fn growing(name: &str, trend: &Trend, lasts: Option<Duration>) -> String {
    let end = lasts
        .map_or_else(String::new, |lasts| format!("; its limit is reached in {}", text::duration(lasts)));
    format!(
        "{name} starts threads that do not end: from {} to {} in {}{end}.",
        whole(trend.from),
        whole(trend.to),
        text::duration(Duration::from_secs_f64(trend.seconds))
    )
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::*;

    fn room(limit: u64, used: u64) -> TaskRoom {
        TaskRoom { what: "pids.max of /app".into(), source: "cgroup:pids", limit, used }
    }

    fn judge(threads: u64, recent: &[(f64, f64)], room: Option<&TaskRoom>, near_scans: u32) -> Option<Draft> {
        let past = Past { recent, long: &[], peak_before: &|_| None };
        detect(&process(), &ThreadUse { threads, past, room, near_scans }, &DetectLimits::default())
    }

    #[test]
    fn a_limit_that_is_near_for_long_enough_is_a_finding() {
        for (threads, limit, used, scans, want) in [
            (90, 100, 90, 2, Some(Severity::Warning)),
            (90, 100, 100, 2, Some(Severity::Critical)),
            (90, 100, 90, 1, None),
            (89, 100, 89, 9, None),
            (40, 100, 95, 9, None),
            (300, 4096, 350, 9, None),
        ] {
            let draft = judge(threads, &[], Some(&room(limit, used)), scans);
            assert_eq!(draft.map(|it| it.severity), want, "{threads} of {used} of {limit}, {scans} scans");
        }
        assert_eq!(judge(50_000, &[], None, 0), None, "no limit is known");
    }

    #[test]
    fn threads_that_do_not_end_are_a_finding_before_the_limit() {
        let line = |from: f64, to: f64| -> Vec<_> {
            (0..20).map(|i| (f64::from(i) * 31.0, from + (to - from) * f64::from(i) / 19.0)).collect()
        };
        for (from, to, left, want) in [
            (20.0, 120.0, 100, Some(Severity::Critical)),
            (20.0, 120.0, 10_000, Some(Severity::Warning)),
            (250.0, 350.0, 100, None),
            (20.0, 80.0, 100, None),
        ] {
            let draft = judge(whole(to), &line(from, to), Some(&room(120 + left, 120)), 0);
            assert_eq!(draft.map(|it| it.severity), want, "{from} to {to}, {left} left");
        }
        let draft = judge(120, &line(20.0, 120.0), Some(&room(220, 120)), 0).unwrap();
        assert_eq!(
            draft.summary,
            "worker (pid 42) starts threads that do not end: from 20 to 120 in 9 min; its limit is reached in 9 min."
        );
        let start: Vec<_> =
            (0..20).map(|i| (f64::from(i) * 31.0, f64::from((20 + i * 40).min(160)))).collect();
        assert_eq!(judge(160, &start, None, 0), None, "a pool that reaches its size");
    }
}
