//! After each scan: who is close to a limit on tasks, and whose threads grow.

use std::collections::HashMap;
use std::time::Duration;

use super::{ThreadUse, detect, is_near};
use crate::kinds::shared::limits::facts::TaskCeiling;
use crate::kinds::shared::limits::{HostTasks, of_tasks, of_user};
use crate::kinds::shared::trend::watch::{Growing, Points};
use crate::kinds::watch::{Found, View, Watch};
use crate::model::ProcessKey;
use crate::state::Measure;

/// Fewer threads are never close to a limit that makes sense.
const THREADS_WORTH_A_LIMIT: u64 = 16;
/// Most processes whose task limits are read in one scan.
const TASK_LIMITS: usize = 256;

/// Who was close to a limit, for how many scans in a row, and who was growing, at the last scan.
#[derive(Default)]
pub struct ThreadWatch {
    near: HashMap<ProcessKey, u32>,
    growing: Growing,
}

impl Watch for ThreadWatch {
    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let (host, users) = (HostTasks::of(view), tasks_by_user(view));
        let (proc_root, hierarchy) = (&view.sources.proc_root, &view.sources.hierarchy);
        let mut near_now = HashMap::new();
        let mut looked_at = 0;
        let Self { near, growing } = self;
        let growing = growing.judge_all(view, |key, series, limits| {
            let threads = series.latest(Measure::Threads).filter(|it| *it >= THREADS_WORTH_A_LIMIT)?;
            let process = view.suspect(key)?;
            looked_at += 1;
            if looked_at > TASK_LIMITS {
                return None;
            }
            let (limit, _) = of_tasks(proc_root, hierarchy, key, &host);
            let user = process
                .uid
                .and_then(|uid| of_user(proc_root, key, uid, users.get(&uid).copied().unwrap_or(0)));
            let limit = limit.into_iter().chain(user).min_by_key(TaskCeiling::left);
            let is_near = limit.as_ref().is_some_and(|limit| is_near(limit, threads, limits));
            let near_scans = if is_near { near.get(&key).map_or(1, |scans| scans + 1) } else { 0 };
            if is_near {
                near_now.insert(key, near_scans);
            }
            let points = Points::of(series, Measure::Threads, limits);
            let peak_before = |since| series.peak_before(Measure::Threads, since);
            let past = points.past(&peak_before);
            let threads = ThreadUse { threads, past, limit: limit.as_ref(), near_scans };
            Some(Found { draft: detect(&threads, limits)?, process: process.info() })
        });
        found.extend(growing);
        let unread = looked_at.saturating_sub(TASK_LIMITS);
        view.metrics.count_turned_away("task_limits", u64::try_from(unread).unwrap_or(u64::MAX));
        *near = near_now;
    }
}

fn tasks_by_user(view: View<'_>) -> HashMap<u32, u64> {
    let mut users = HashMap::new();
    for process in view.table.live() {
        if let (Some(uid), Some(sample)) = (process.uid, process.sample) {
            *users.entry(uid).or_default() += sample.threads;
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture::view::{BEGAN, Curve, PID, Short, TEN_MINUTES, World};
    use crate::model::Severity;
    use crate::observation::SeenProcess;

    /// A host that has room for 1000 tasks.
    fn small() -> World<ThreadWatch> {
        World::new(ThreadWatch::default()).with_file("sys/kernel/threads-max", "1000\n")
    }

    fn with_threads(world: &World<ThreadWatch>, pid: u32, threads: u64) -> SeenProcess {
        SeenProcess { threads, ..world.process(pid) }
    }

    /// What each scan of a small host finds on which two processes have so many threads.
    fn near(scans: &[(u64, u64)]) -> Vec<Vec<Short>> {
        let mut world = small();
        let scan = |(one, other): &(u64, u64)| {
            let seen = [with_threads(&world, PID, *one), with_threads(&world, PID + 1, *other)];
            world.scan(&seen)
        };
        scans.iter().map(scan).collect()
    }

    #[test]
    fn who_takes_most_of_the_room_for_tasks_is_found_at_the_second_scan() {
        let (warning, critical) = (vec![(PID, Severity::Warning)], vec![(PID, Severity::Critical)]);
        assert_eq!(near(&[(850, 50), (850, 50)]), [vec![], warning]);
        assert_eq!(near(&[(950, 50), (950, 50)]), [vec![], critical]);
        for (what, scans) in [
            ("just below", &[(849, 50), (849, 50), (849, 50)][..]),
            ("a peak", &[(900, 50), (200, 50), (900, 50), (200, 50)]),
            ("two that share it", &[(440, 445), (440, 445), (440, 445)]),
        ] {
            assert_eq!(near(scans).concat(), [], "{what}");
        }
        let mut world = World::new(ThreadWatch::default());
        let many = with_threads(&world, PID, 900);
        assert_eq!(world.scan_for(TEN_MINUTES, |_, _| vec![many.clone()]), [], "no limit is known");
    }

    #[test]
    fn the_users_limit_counts_as_well() {
        let (zeros, began) = (" 0".repeat(18), BEGAN * 100);
        let stat = format!("{PID} (worker) S{zeros} {began} 0\n");
        let limits = "Max processes             100                  100                  processes \n";
        let mut world =
            small().with_file(&format!("{PID}/stat"), &stat).with_file(&format!("{PID}/limits"), limits);
        let found = |world: &mut World<ThreadWatch>, threads| {
            let seen = with_threads(world, PID, threads);
            world.scan(&[seen])
        };
        assert_eq!(found(&mut world, 89), []);
        assert_eq!(found(&mut world, 89), []);
        assert_eq!(found(&mut world, 95), []);
        assert_eq!(found(&mut world, 95), [(PID, Severity::Warning)]);
    }

    /// What is found of a process with so many threads after so many seconds.
    fn grown(threads: impl Fn(u64) -> u64) -> Vec<(u64, Short)> {
        let mut world = World::new(ThreadWatch::default()).with_file("sys/kernel/threads-max", "1000000\n");
        let first = world
            .scan_for(4 * TEN_MINUTES, |world, age| vec![with_threads(world, PID, threads(age.as_secs()))]);
        first.into_iter().map(|(age, it)| (age.as_secs() / 60, it)).collect()
    }

    #[test]
    fn threads_that_are_started_and_do_not_end_are_found() {
        let leak = grown(|age| 20 + age / 5);
        assert!(matches!(*leak, [(18..=21, (PID, _))]), "{leak:?}");
        let near_misses: [Curve; 4] = [
            ("a large pool", |_| 800),
            ("a pool that breathes", |age| 100 + age % 240),
            ("a start", |age| 20 + age.min(600)),
            ("a few", |age| 20 + age / 60),
        ];
        for (what, threads) in near_misses {
            assert_eq!(grown(threads), [], "{what}");
        }
    }
}
