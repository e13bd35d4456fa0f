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
