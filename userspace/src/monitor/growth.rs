//! Growth over walks: which processes leak memory, descriptors or threads. Walks add to the history; when one is
//! over, those that grew are looked at closely, and the rest costs a comparison each.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use super::Monitor;
use super::descriptors;
use super::ends::is_own;
use super::families::Node;
use super::rooms::{self, HostTasks};
use super::storms::Storms;
use crate::config::DetectLimits;
use crate::detect::{self, Draft, MemoryGrowth, Past, TaskRoom, ThreadUse};
use crate::model::{IncidentKind, ProcessInfo, ProcessKey};
use crate::observation::{CgroupMemory, SeenProcess};
use crate::state::process::Process;
use crate::state::{Measure, Series};

/// Fewer threads are never close to a limit that makes sense.
const THREADS_WORTH_A_LIMIT: u64 = 16;
/// Most processes whose task limits are read in one walk.
const TASK_LIMITS: usize = 256;
/// Most processes whose descriptors are looked at in one walk.
const LISTINGS: usize = 8;

/// What growth needs to remember from one walk to the next.
#[derive(Default)]
pub(super) struct Growth {
    pub(super) storms: Storms,
    /// The live processes of the walk under way.
    pub(super) nodes: Vec<Node>,
    /// Scans in a row near a limit of tasks.
    near: HashMap<ProcessKey, u32>,
    /// What grew at the last scan.
    going_on: HashSet<(ProcessKey, IncidentKind)>,
    listings: usize,
}

impl Growth {
    /// Adds what the newest descriptors are to a finding about them, unless enough were looked at in this walk.
    pub(super) fn add_kinds(&mut self, draft: &mut Draft, proc_root: &Path, key: ProcessKey, open: u64) {
        if self.listings < LISTINGS {
            self.listings += 1;
            draft.facts.extend(detect::fd_kinds(&descriptors::newest(proc_root, key), open));
        }
    }
}

impl Monitor {
    /// A walk saw a process that is no zombie.
    pub(super) fn note_growth(&mut self, seen: &SeenProcess, now: Duration) {
        if seen.kernel_thread {
            return;
        }
        let Some(process) = self.table.get(seen.key) else { return };
        let node = Node { key: seen.key, ppid: seen.ppid, pgrp: seen.session.group, threads: seen.threads };
        self.growth.nodes.push(node);
        let began = process.began.unwrap_or_else(|| self.host.ticks_to_duration(seen.key.start_ticks));
        self.history.add(seen, began, now);
    }

    /// A walk is over.
    pub(super) fn judge_growth(&mut self, began: Duration, now: Duration) {
        self.history.forget_unseen(began);
        self.metrics.count_turned_away("history", std::mem::take(&mut self.history.refused));
        let tasks = self.growth.nodes.iter().map(|node| node.threads).sum();
        let host = HostTasks::read(&self.examiner.sources.proc_root, tasks);
        let drafts: Vec<_> = self
            .memory_drafts(now)
            .into_iter()
            .chain(self.fd_drafts())
            .chain(self.thread_drafts(&host))
            .collect();
        self.growth.going_on = drafts.iter().map(|(draft, process)| (process.key(), draft.kind)).collect();
        for (draft, process) in drafts {
            self.raise_condition(draft, process, now);
        }
        self.judge_storms(&host, now);
        self.growth.nodes.clear();
        self.growth.nodes.shrink_to(1024);
        self.growth.listings = 0;
    }

    fn memory_drafts(&self, now: Duration) -> Vec<(Draft, ProcessInfo)> {
        let window = self.limits.growth.growth_window;
        let going_on = self.going_on_limits();
        let mut host_left = None;
        let mut drafts = Vec::new();
        for (key, series) in self.history.iter() {
            let Some(kib) = series.latest(Measure::AnonKib) else { continue };
            let limits = self.limits_of(key, IncidentKind::MemoryGrowth, &going_on);
            let points = Points::of(series, Measure::AnonKib, limits);
            let from_start = series.recent(Measure::AnonKib, window, Duration::ZERO);
            let least = limits.growth.memory_growth_bytes as f64 / 1024.0;
            if !points.grew_by(least) && !grew_by(&from_start, least) {
                continue;
            }
            let Some(process) = self.suspect(key) else { continue };
            let left =
                *host_left.get_or_insert_with(|| rooms::host_memory_left(&self.examiner.sources.proc_root));
            let room = rooms::of_memory(process.cgroup.as_deref(), self.limited_cgroups(), left);
            let peak_before = |since| series.peak_before(Measure::AnonKib, since);
            let memory = MemoryGrowth {
                past: points.past(&peak_before),
                from_start: &from_start,
                anon_bytes: kib << 10,
                room: room.as_ref(),
                age: now.saturating_sub(series.began()),
                worked: process.sample.map(|sample| {
                    let queued = rooms::queued(&self.examiner.sources.proc_root, key).unwrap_or_default();
                    self.host.ticks_to_duration(sample.cpu_ticks) + queued
                }),
            };
            let info = process.info();
            drafts.extend(detect::memory_growth(&info, &memory, limits).map(|draft| (draft, info)));
        }
        drafts
    }

    fn fd_drafts(&mut self) -> Vec<(Draft, ProcessInfo)> {
        let going_on = self.going_on_limits();
        let mut drafts = Vec::new();
        for (key, series) in self.history.iter() {
            let Some(open) = series.latest(Measure::Fds) else { continue };
            let limits = self.limits_of(key, IncidentKind::FdExhaustion, &going_on);
            let points = Points::of(series, Measure::Fds, limits);
            if !points.grew_by(f64::from(limits.growth.fd_growth)) {
                continue;
            }
            // Close to the limit it was raised as that already.
            let Some(process) = self.suspect(key).filter(|it| it.fd_scans < limits.fd_scans) else {
                continue;
            };
            let peak_before = |since| series.peak_before(Measure::Fds, since);
            let (info, past) = (process.info(), points.past(&peak_before));
            drafts.extend(
                detect::fd_leak(&info, past, open, process.fd_limit, limits).map(|draft| (draft, info, open)),
            );
        }
        let root = &self.examiner.sources.proc_root;
        let listed = drafts.into_iter().map(|(mut draft, info, open)| {
            self.growth.add_kinds(&mut draft, root, info.key(), open);
            (draft, info)
        });
        listed.collect()
    }

    fn thread_drafts(&mut self, host: &HostTasks) -> Vec<(Draft, ProcessInfo)> {
        let going_on = self.going_on_limits();
        let sources = &self.examiner.sources;
        let users = self.tasks_by_user();
        let mut near = HashMap::new();
        let mut drafts = Vec::new();
        let mut looked_at = 0;
        for (key, series) in self.history.iter() {
            let Some(threads) = series.latest(Measure::Threads).filter(|it| *it >= THREADS_WORTH_A_LIMIT)
            else {
                continue;
            };
            let Some(process) = self.suspect(key) else { continue };
            looked_at += 1;
            if looked_at > TASK_LIMITS {
                continue;
            }
            let limits = self.limits_of(key, IncidentKind::ThreadExplosion, &going_on);
            let (room, _) = rooms::of_tasks(&sources.proc_root, &sources.hierarchy, key, host);
            let user = process.uid.and_then(|uid| {
                rooms::of_user(&sources.proc_root, key, uid, users.get(&uid).copied().unwrap_or(0))
            });
            let room = room.into_iter().chain(user).min_by_key(TaskRoom::left);
            let is_near = room.as_ref().is_some_and(|room| room.is_near(threads, limits));
            let near_scans =
                if is_near { self.growth.near.get(&key).map_or(1, |scans| scans + 1) } else { 0 };
            if is_near {
                near.insert(key, near_scans);
            }
            let points = Points::of(series, Measure::Threads, limits);
            let peak_before = |since| series.peak_before(Measure::Threads, since);
            let threads =
                ThreadUse { threads, past: points.past(&peak_before), room: room.as_ref(), near_scans };
            let info = process.info();
            drafts.extend(detect::threads(&info, &threads, limits).map(|draft| (draft, info)));
        }
        let unread = looked_at.saturating_sub(TASK_LIMITS);
        self.metrics.count_turned_away("task_limits", u64::try_from(unread).unwrap_or(u64::MAX));
        self.growth.near = near;
        drafts
    }

    fn going_on_limits(&self) -> DetectLimits {
        DetectLimits { growth: self.limits.growth.going_on(), ..self.limits.clone() }
    }

    /// By which limits this process is judged: what grew at the last scan needs less to be still growing.
    fn limits_of<'a>(
        &'a self,
        key: ProcessKey,
        kind: IncidentKind,
        going_on: &'a DetectLimits,
    ) -> &'a DetectLimits {
        if self.growth.going_on.contains(&(key, kind)) { going_on } else { &self.limits }
    }

    /// A live process that may be blamed.
    pub(super) fn suspect(&self, key: ProcessKey) -> Option<&Process> {
        self.table.get(key).filter(|it| it.end.is_none() && !it.kernel_thread && !is_own(it))
    }

    fn limited_cgroups(&self) -> impl Iterator<Item = &CgroupMemory> {
        self.cgroups.iter()
    }

    fn tasks_by_user(&self) -> HashMap<u32, u64> {
        let mut users = HashMap::new();
        for process in self.table.live() {
            if let (Some(uid), Some(sample)) = (process.uid, process.sample) {
                *users.entry(uid).or_default() += sample.threads;
            }
        }
        users
    }
}

/// The points of one measure.
struct Points {
    recent: Vec<(f64, f64)>,
    long: Vec<(f64, f64)>,
}

impl Points {
    fn of(series: &Series, measure: Measure, limits: &DetectLimits) -> Self {
        let (window, startup) = (limits.growth.growth_window, limits.growth.growth_startup);
        Self { recent: series.recent(measure, window, startup), long: series.long(measure, startup) }
    }

    /// Whether it can be growth at all.
    fn grew_by(&self, least: f64) -> bool {
        grew_by(&self.recent, least) || grew_by(&self.long, least)
    }

    fn past<'a>(&'a self, peak_before: &'a dyn Fn(f64) -> Option<u64>) -> Past<'a> {
        Past { recent: &self.recent, long: &self.long, peak_before }
    }
}

/// Half of the least growth from the first point to the last is reason to look closely.
fn grew_by(points: &[(f64, f64)], least: f64) -> bool {
    matches!(points, [(_, first), .., (_, last)] if last - first >= least / 2.0)
}
