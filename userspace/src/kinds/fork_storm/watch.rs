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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fixture::view::{PID, Short, TEN_MINUTES, World};
    use crate::model::Severity;
    use crate::observation::{SeenProcess, Session};

    fn host(room: u32) -> World<ForkWatch> {
        World::new(ForkWatch::default()).with_file("sys/kernel/threads-max", &format!("{room}\n"))
    }

    /// A process and so many below it, all in its group.
    fn family(world: &World<ForkWatch>, children: u32) -> Vec<SeenProcess> {
        let session = Session { id: PID, group: PID, has_terminal: false };
        let child = |pid| SeenProcess { ppid: PID, session, ..world.process(pid) };
        [world.process(PID)].into_iter().chain((PID + 1..=PID + children).map(child)).collect()
    }

    /// What each scan finds of a family of these sizes on a host with so much room for tasks.
    fn found(room: u32, sizes: &[u32]) -> Vec<Vec<Short>> {
        let mut world = host(room);
        let scan = |children: &u32| {
            let seen = family(&world, *children);
            world.scan(&seen)
        };
        sizes.iter().map(scan).collect()
    }

    #[test]
    fn a_family_that_grows_scan_after_scan_is_found_before_the_room_is_gone() {
        let critical = vec![(PID, Severity::Critical)];
        assert_eq!(found(1000, &[100, 210, 320, 430]), [vec![], vec![], vec![], critical.clone()]);
        let mostly_full = found(1000, &[690, 700, 710, 720]);
        assert_eq!(mostly_full, [vec![], vec![], vec![], critical]);
        let near_misses = [
            ("a build that has all its jobs", 1000, &[100, 300, 500, 500, 500, 500][..]),
            ("a large pool", 1000, &[800, 800, 800, 800, 800]),
            ("jobs that come and go", 1000, &[100, 300, 100, 300, 100, 300]),
            ("room for hours", 1_000_000, &[100, 210, 320, 430, 540]),
            ("a few more each time, with half the room left", 1000, &[300, 310, 320, 330, 340]),
        ];
        for (what, room, sizes) in near_misses {
            assert_eq!(found(room, sizes).concat(), [], "{what}");
        }
    }

    #[test]
    fn what_outlived_its_groups_leader_is_found_by_its_oldest() {
        let mut world = host(1000);
        let scan = |size: u32| {
            let orphans = family(&world, size).into_iter().skip(1);
            let orphans: Vec<_> = orphans.map(|it| SeenProcess { ppid: 1, ..it }).collect();
            world.scan(&orphans)
        };
        let found: Vec<_> = [100, 210, 320, 430].map(scan).concat();
        assert_eq!(found, [(PID + 1, Severity::Critical)]);
    }

    /// What each scan finds of a parent of which the kernel counted so many forks.
    fn churned(forks: &[u64]) -> Vec<Vec<Short>> {
        let mut world = host(1000);
        let parent = [world.process(PID)];
        assert_eq!(world.scan(&parent), []);
        let scan = |forks: &u64| {
            world.forked(PID, *forks);
            world.scan(&parent)
        };
        forks.iter().map(scan).collect()
    }

    #[test]
    fn a_parent_that_forks_without_end_is_found_though_no_child_stays() {
        let warning = vec![(PID, Severity::Warning)];
        assert_eq!(churned(&[100_000, 200_000, 300_000]), [vec![], warning.clone(), warning.clone()]);
        assert_eq!(churned(&[250_000, 250_000]), [warning, vec![]], "it has stopped");
        assert_eq!(churned(&[60_000, 120_000, 199_999]).concat(), [], "a large test suite");
        let slow: Vec<u64> = (1..=60).map(|scan| scan * 6000).collect();
        assert_eq!(churned(&slow).concat(), [], "as many, but over a longer time");
    }

    #[test]
    fn nobody_who_cannot_be_blamed_is() {
        let mut world = host(1000);
        let mut size = 0;
        let found = world.scan_for(TEN_MINUTES / 10, |world, _| {
            size += 110;
            let kernel = |it| SeenProcess { kernel_thread: true, ..it };
            family(world, size).into_iter().map(kernel).collect()
        });
        assert_eq!(found, []);
    }
}
