//! After each scan: how large each family of processes is, what the kernel refused it, and who forks without end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::families::{FamilyId, Kin, Node, families};
use super::sizes::{Counts, Sizes};
use super::{Children, Family, detect, is_churn};
use crate::kinds::shared::limits::{HostTasks, of_tasks};
use crate::kinds::watch::{Found, View, Watch};
use crate::model::ProcessKey;
use crate::state::Process;
use crate::state::process::lossy;

/// A parent with fewer forks in its life is not watched.
const FORKS_WORTH_IT: u64 = 1000;
/// Most parents whose forks are remembered.
const PARENTS: usize = 1024;

/// The families and busy parents of the last scan.
#[derive(Default)]
pub struct ForkWatch {
    families: HashMap<FamilyId, Sizes>,
    parents: HashMap<ProcessKey, Counts>,
}

impl Watch for ForkWatch {
    fn scanned(&mut self, _began: Duration, view: View<'_>, found: &mut Vec<Found>) {
        let children = self.count_children(view);
        let host = HostTasks::of(view);
        let mut known = std::mem::take(&mut self.families);
        let mut in_storm: HashSet<u32> = HashSet::new();
        for kin in families(&nodes(view)) {
            let mut sizes = known.remove(&kin.id).unwrap_or_default();
            let storm = judge_family(&kin, &mut sizes, &host, children.get(&kin.head).copied(), view);
            // The larger come first: what is part of one that is raised is no storm of its own.
            if let Some(storm) = storm.filter(|_| !in_storm.contains(&kin.head.pid)) {
                in_storm.extend(&kin.pids);
                found.push(storm);
            }
            self.families.insert(kin.id, sizes);
        }
        for (key, children) in children {
            if !in_storm.contains(&key.pid) && is_churn(children, &view.limits.growth) {
                found.extend(judge_parent(key, children, view));
            }
        }
    }
}

impl ForkWatch {
    /// The parents that have forked much, with what they forked within the window.
    fn count_children(&mut self, view: View<'_>) -> HashMap<ProcessKey, Children> {
        let (now, window) = (view.now.as_secs_f64(), view.limits.growth.fork_window.as_secs_f64());
        let mut known = std::mem::take(&mut self.parents);
        let mut children = HashMap::new();
        let mut refused = 0;
        for process in view.table.live() {
            let Some(total) = process.forks.filter(|forks| *forks >= FORKS_WORTH_IT) else { continue };
            if self.parents.len() >= PARENTS {
                refused += 1;
                continue;
            }
            let mut counts = known.remove(&process.key).unwrap_or_default();
            let began = view.host.ticks_to_duration(process.key.start_ticks).as_secs_f64();
            children.insert(process.key, counts.add(now, total, began, window));
            self.parents.insert(process.key, counts);
        }
        view.metrics.count_turned_away("fork_parents", refused);
        children
    }
}

/// The live processes that the scan measured.
fn nodes(view: View<'_>) -> Vec<Node> {
    let live = view.table.live().filter(|it| !it.kernel_thread);
    let node = |it: &Process| {
        let (pgrp, threads) = (it.session?.group, it.sample?.threads);
        Some(Node { key: it.key, ppid: it.ppid, pgrp, threads })
    };
    live.filter_map(node).collect()
}

fn judge_family(
    kin: &Kin,
    sizes: &mut Sizes,
    host: &HostTasks,
    children: Option<Children>,
    view: View<'_>,
) -> Option<Found> {
    let sources = view.sources;
    let (limit, refused) = of_tasks(&sources.proc_root, &sources.hierarchy, kin.head, host);
    let is_full = limit.as_ref().is_some_and(|limit| limit.left() == 0);
    let members = (view.now.as_secs_f64(), u64::from(kin.members));
    sizes.add(members, refused, is_full, &view.limits.growth);
    let head = view.suspect(kin.head)?;
    let (name, count) = most_frequent(&kin.pids, view);
    let family = Family {
        scans: &sizes.scans,
        window: sizes.window.make_contiguous(),
        tasks: kin.tasks,
        limit: limit.as_ref(),
        refused: sizes.refused,
        refused_scans: sizes.refused_scans,
        common: (&name, count),
        orphans_of: match kin.id {
            FamilyId::Group(group) => Some(group),
            FamilyId::Of(_) => None,
        },
        children,
    };
    Some(Found { draft: detect(&family, view.limits)?, process: head.info() })
}

/// A parent whose children do not stay, so that it is no family's head.
fn judge_parent(key: ProcessKey, children: Children, view: View<'_>) -> Option<Found> {
    let parent = view.suspect(key)?;
    let process = parent.info();
    let family = Family {
        scans: &[],
        window: &[],
        tasks: parent.sample.map_or(1, |sample| sample.threads),
        limit: None,
        refused: 0,
        refused_scans: 0,
        common: (&process.name, 1),
        orphans_of: None,
        children: Some(children),
    };
    Some(Found { draft: detect(&family, view.limits)?, process })
}

/// The name that most of these processes have, and how many.
fn most_frequent(pids: &[u32], view: View<'_>) -> (String, u64) {
    let mut names: HashMap<&[u8], u64> = HashMap::new();
    for process in pids.iter().filter_map(|pid| view.table.live_by_pid(*pid)) {
        *names.entry(&process.comm).or_default() += 1;
    }
    let most = names.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)));
    most.map_or_else(|| (String::new(), 0), |(name, count)| (lossy(name), count))
}
