//! Fork storms over walks: how large each family of processes was, what the kernel refused it, and who forks without
//! end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::Monitor;
use super::families::{FamilyId, Kin, families};
use super::rooms::{self, HostTasks};
use crate::config::GrowthLimits;
use crate::detect::{self, Children, Draft, Family};
use crate::model::{ProcessInfo, ProcessKey};
use crate::state::process::lossy;

/// Sizes of a family remembered over the window.
const SIZES: u32 = 24;
/// A parent with fewer forks in its life is not watched.
const FORKS_WORTH_IT: u64 = 1000;
/// Most such parents.
const PARENTS: usize = 1024;
/// Counts of one parent's forks over the window.
const COUNTS: u32 = 16;

/// What storms need to remember.
#[derive(Default)]
pub(super) struct Storms {
    families: HashMap<FamilyId, Sizes>,
    parents: HashMap<ProcessKey, Counts>,
}

/// How large a family was.
#[derive(Default)]
struct Sizes {
    scans: Vec<(f64, u64)>,
    window: VecDeque<(f64, f64)>,
    refused_total: Option<u64>,
    refused: u64,
    refused_scans: u32,
}

/// A parent's forks: totals, and when they were read. The first is where the window begins.
#[derive(Default)]
struct Counts {
    totals: VecDeque<(f64, u64)>,
    per_second: f64,
    last: Option<(f64, u64)>,
}

impl Sizes {
    fn add(
        &mut self,
        (at, members): (f64, u64),
        refused_total: Option<u64>,
        is_full: bool,
        limits: &GrowthLimits,
    ) {
        self.scans.push((at, members));
        let keep = usize::try_from(limits.fork_scans).unwrap_or(16) + 1;
        if self.scans.len() > keep {
            self.scans.remove(0);
        }
        spaced(&mut self.window, (at, members as f64), limits.fork_window.as_secs_f64(), SIZES);
        // Of those before the first scan it is not known when they were; where there is no room, it is just now.
        let just_met =
            self.refused_total.is_none() && is_full && refused_total.is_some_and(|total| total > 0);
        self.refused =
            refused_total.zip(self.refused_total).map_or(0, |(now, before)| now.saturating_sub(before));
        self.refused_total = refused_total;
        self.refused_scans =
            if self.refused > 0 || just_met { self.refused_scans.saturating_add(1) } else { 0 };
    }
}

impl Counts {
    /// `began` is when the parent did, and so had no children.
    fn add(&mut self, at: f64, total: u64, began: f64, window: f64) -> Children {
        if self.last.is_none() {
            let first = if at - began <= window { (began, 0) } else { (at, total) };
            self.totals.push_back(first);
        }
        let before = self.last.or(self.totals.front().copied()).unwrap_or((at, total));
        self.per_second = total.saturating_sub(before.1) as f64 / (at - before.0).max(0.1);
        self.last = Some((at, total));
        spaced(&mut self.totals, (at, total), window, COUNTS);
        let (since, first) = self.totals.front().copied().unwrap_or((at, total));
        Children { count: total.saturating_sub(first), seconds: at - since, per_second: self.per_second }
    }
}

/// Adds a point, keeping only so many within the window: the last place is always the latest's.
fn spaced<T: Copy>(points: &mut VecDeque<(f64, T)>, point: (f64, T), window: f64, most: u32) {
    let last = points.len().checked_sub(2).map(|before| points[before].0);
    if last.is_some_and(|before| points[points.len() - 1].0 - before < window / f64::from(most)) {
        points.pop_back();
    }
    points.push_back(point);
    // The one just before the window stays: the window begins there.
    while points.get(1).is_some_and(|(at, _)| point.0 - at >= window) {
        points.pop_front();
    }
}

impl Monitor {
    /// Looks at every family and every busy parent of the walk that is over.
    pub(super) fn judge_storms(&mut self, host: &HostTasks, now: Duration) {
        let children = self.count_children(now.as_secs_f64());
        let kin = families(&self.growth.nodes);
        let mut known = std::mem::take(&mut self.growth.storms.families);
        let mut raised = Vec::new();
        let mut in_storm: HashSet<u32> = HashSet::new();
        for kin in &kin {
            let mut sizes = known.remove(&kin.id).unwrap_or_default();
            let draft = self.family_draft(kin, &mut sizes, host, children.get(&kin.head).copied(), now);
            // The larger come first: what is part of one that is raised is no storm of its own.
            if let Some(draft) = draft.filter(|_| !in_storm.contains(&kin.head.pid)) {
                in_storm.extend(&kin.pids);
                raised.push(draft);
            }
            self.growth.storms.families.insert(kin.id, sizes);
        }
        for (key, children) in children {
            if !in_storm.contains(&key.pid) && detect::is_churn(children, &self.limits.growth) {
                raised.extend(self.churn_draft(key, children));
            }
        }
        for (draft, process) in raised {
            self.raise_condition(draft, process, now);
        }
    }

    fn family_draft(
        &self,
        kin: &Kin,
        sizes: &mut Sizes,
        host: &HostTasks,
        children: Option<Children>,
        now: Duration,
    ) -> Option<(Draft, ProcessInfo)> {
        let sources = &self.examiner.sources;
        let (room, refused) = rooms::of_tasks(&sources.proc_root, &sources.hierarchy, kin.head, host);
        let is_full = room.as_ref().is_some_and(|room| room.left() == 0);
        let members = (now.as_secs_f64(), u64::from(kin.members));
        sizes.add(members, refused, is_full, &self.limits.growth);
        let head = self.suspect(kin.head)?;
        let (name, count) = self.most_frequent(&kin.pids);
        let family = Family {
            scans: &sizes.scans,
            window: sizes.window.make_contiguous(),
            tasks: kin.tasks,
            room: room.as_ref(),
            refused: sizes.refused,
            refused_scans: sizes.refused_scans,
            common: (&name, count),
            orphans_of: match kin.id {
                FamilyId::Group(group) => Some(group),
                FamilyId::Of(_) => None,
            },
            children,
        };
        let info = head.info();
        detect::forks(&info, &family, &self.limits).map(|draft| (draft, info))
    }

    /// A parent whose children do not stay, so that it is no family's head.
    fn churn_draft(&self, key: ProcessKey, children: Children) -> Option<(Draft, ProcessInfo)> {
        let info = self.suspect(key)?.info();
        let tasks = self.suspect(key)?.sample.map_or(1, |sample| sample.threads);
        let family = Family {
            scans: &[],
            window: &[],
            tasks,
            room: None,
            refused: 0,
            refused_scans: 0,
            common: (&info.name, 1),
            orphans_of: None,
            children: Some(children),
        };
        detect::forks(&info, &family, &self.limits).map(|draft| (draft, info.clone()))
    }

    /// The parents that have forked much, with what they forked within the window.
    fn count_children(&mut self, now: f64) -> HashMap<ProcessKey, Children> {
        let window = self.limits.growth.fork_window.as_secs_f64();
        let mut known = std::mem::take(&mut self.growth.storms.parents);
        let mut children = HashMap::new();
        let mut refused = 0;
        for process in self.table.live() {
            let Some(total) = process.forks.filter(|forks| *forks >= FORKS_WORTH_IT) else { continue };
            if self.growth.storms.parents.len() >= PARENTS {
                refused += 1;
                continue;
            }
            let mut counts = known.remove(&process.key).unwrap_or_default();
            let began = self.host.ticks_to_duration(process.key.start_ticks).as_secs_f64();
            children.insert(process.key, counts.add(now, total, began, window));
            self.growth.storms.parents.insert(process.key, counts);
        }
        self.metrics.count_turned_away("fork_parents", refused);
        children
    }

    /// The name that most of these processes have, and how many.
    fn most_frequent(&self, pids: &[u32]) -> (String, u64) {
        let mut names: HashMap<&[u8], u64> = HashMap::new();
        for process in pids.iter().filter_map(|pid| self.table.live_by_pid(*pid)) {
            *names.entry(&process.comm).or_default() += 1;
        }
        let most = names.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)));
        most.map_or_else(|| (String::new(), 0), |(name, count)| (lossy(name), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_counted_over_the_window() {
        let mut counts = Counts::default();
        let young = counts.add(1010.0, 5000, 1000.0, 300.0);
        assert_eq!(young, Children { count: 5000, seconds: 10.0, per_second: 500.0 });
        for scan in 1..=100 {
            counts.add(
                1010.0 + f64::from(scan) * 10.0,
                5000 + u64::try_from(scan).unwrap() * 100,
                1000.0,
                300.0,
            );
        }
        let later = counts.add(2020.0, 15_200, 1000.0, 300.0);
        assert!((300.0..340.0).contains(&later.seconds), "{later:?}");
        assert!((3000..3500).contains(&later.count) && (later.per_second - 20.0).abs() < 1e-6, "{later:?}");
        assert!(counts.totals.len() <= COUNTS as usize + 2);
        let old = Counts::default().add(9000.0, 70_000, 1000.0, 300.0);
        assert_eq!(old.count, 0, "when those were is not known");
    }

    #[test]
    fn refusals_are_counted_from_scan_to_scan() {
        let limits = GrowthLimits::default();
        let mut sizes = Sizes::default();
        for (at, total, want) in [
            (10.0, Some(500), (0, 0)),
            (20.0, Some(540), (40, 1)),
            (30.0, Some(541), (1, 2)),
            (40.0, Some(541), (0, 0)),
            (50.0, None, (0, 0)),
            (60.0, Some(900), (0, 0)),
        ] {
            sizes.add((at, 95), total, false, &limits);
            assert_eq!((sizes.refused, sizes.refused_scans), want, "{at}");
        }
        assert_eq!(sizes.scans.len(), 4);
        for (total, is_full, want) in
            [(Some(9), true, 1), (Some(9), false, 0), (Some(0), true, 0), (None, true, 0)]
        {
            let mut sizes = Sizes::default();
            sizes.add((10.0, 95), total, is_full, &limits);
            assert_eq!(
                (sizes.refused, sizes.refused_scans),
                (0, want),
                "at first sight: {total:?} {is_full}"
            );
        }
    }
}
