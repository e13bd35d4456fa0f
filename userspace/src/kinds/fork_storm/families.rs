//! Pure: from the processes of one scan to families, and to the process at the head of each.
//!
//! A process belongs to its parent. One whose parent is not of its process group, and which does not lead a group
//! itself, was left behind when its parent ended (init or a subreaper has it now), or is a later part of a pipeline:
//! it belongs to its group's leader, or, where that has ended, to the group as such. So the parts of a fork bomb
//! whose shells end at once stay together.
//!
//! Heads are looked for from above: as long as one child's descendants are three quarters of a process's, it is the
//! child that matters. So a session, a terminal, a supervisor above a storm is not its head; the process from which
//! it branches is. Below a head there may be others: two jobs of one runner, each in a cgroup of its own. They come
//! after it, and count when it is no storm itself.

use std::collections::HashMap;

use crate::model::ProcessKey;

/// Fewer processes are no family.
const MEMBERS_MIN: u32 = 20;
/// Most families looked at, the largest first.
const FAMILIES: usize = 64;

/// A live process, as a scan saw it.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The process, by pid and start time.
    pub key: ProcessKey,
    /// The pid of its parent.
    pub ppid: u32,
    /// The id of its process group.
    pub pgrp: u32,
    /// Number of threads of the process.
    pub threads: u64,
}

/// What stays the same of a family from scan to scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FamilyId {
    /// The head and what it started.
    Of(ProcessKey),
    /// What is left of a process group whose leader has ended.
    Group(u32),
}

/// A process and its descendants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kin {
    /// What it is known by.
    pub id: FamilyId,
    /// The head; the oldest of a group without one.
    pub head: ProcessKey,
    /// Live processes in the family.
    pub members: u32,
    /// Threads of all of them.
    pub tasks: u64,
    /// The pids of all processes of the family.
    pub pids: Vec<u32>,
}

/// One place in the tree: a process, or a group whose leader has ended (`key` is `None`).
struct TreeNode {
    key: Option<ProcessKey>,
    group: u32,
    up: Option<usize>,
    children: Vec<usize>,
    members: u32,
    tasks: u64,
}

/// The families of these processes, largest first.
pub fn families(nodes: &[Node]) -> Vec<Kin> {
    if nodes.len() < MEMBERS_MIN as usize {
        return Vec::new();
    }
    let mut places = tree(nodes);
    if !add_up(&mut places) {
        return Vec::new();
    }
    let mut heads = Vec::new();
    let mut below: Vec<usize> = (0..places.len()).filter(|i| places[*i].up.is_none()).collect();
    while let Some(at) = below.pop() {
        let place = &places[at];
        if place.members < MEMBERS_MIN {
            continue;
        }
        let heavy = place
            .children
            .iter()
            .copied()
            .find(|child| u64::from(places[*child].members) * 4 >= u64::from(place.members) * 3);
        match heavy {
            // Init started everything: it is never to blame, and what it has are families of their own.
            _ if place.key.is_some_and(|key| key.pid == 1) => below.extend(&place.children),
            Some(child) => below.push(child),
            None => {
                heads.push(at);
                below.extend(&place.children);
            }
        }
    }
    heads.sort_by_key(|at| std::cmp::Reverse(places[*at].members));
    heads.truncate(FAMILIES);
    heads.into_iter().filter_map(|at| kin(&places, at)).collect()
}

fn tree(nodes: &[Node]) -> Vec<TreeNode> {
    let by_pid: HashMap<u32, usize> = nodes.iter().enumerate().map(|(i, node)| (node.key.pid, i)).collect();
    let mut places: Vec<TreeNode> = nodes
        .iter()
        .map(|node| TreeNode {
            key: Some(node.key),
            group: node.pgrp,
            up: None,
            children: Vec::new(),
            members: 1,
            tasks: node.threads,
        })
        .collect();
    let mut groups: HashMap<u32, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        let parent = by_pid.get(&node.ppid).copied();
        let at_home =
            node.key.pid == node.pgrp || parent.is_some_and(|parent| nodes[parent].pgrp == node.pgrp);
        let up = if at_home {
            parent
        } else if let Some(leader) = by_pid.get(&node.pgrp) {
            Some(*leader)
        } else {
            Some(*groups.entry(node.pgrp).or_insert_with(|| {
                let group = TreeNode {
                    key: None,
                    group: node.pgrp,
                    up: None,
                    children: Vec::new(),
                    members: 0,
                    tasks: 0,
                };
                places.push(group);
                places.len() - 1
            }))
        };
        places[i].up = up.filter(|up| *up != i);
        if let Some(up) = places[i].up {
            places[up].children.push(i);
        }
    }
    places
}

/// Adds each place's processes to those above, from the leaves up. `false` where the links are a circle: processes
/// come and go while they are read.
fn add_up(places: &mut [TreeNode]) -> bool {
    let mut waiting: Vec<usize> = places.iter().map(|place| place.children.len()).collect();
    let mut ready: Vec<usize> = (0..places.len()).filter(|i| waiting[*i] == 0).collect();
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        let (members, tasks) = (places[at].members, places[at].tasks);
        let Some(up) = places[at].up else { continue };
        places[up].members += members;
        places[up].tasks += tasks;
        waiting[up] -= 1;
        if waiting[up] == 0 {
            ready.push(up);
        }
    }
    done == places.len()
}

fn kin(places: &[TreeNode], head: usize) -> Option<Kin> {
    let mut keys = Vec::new();
    let mut below = vec![head];
    while let Some(at) = below.pop() {
        keys.extend(places[at].key);
        below.extend(&places[at].children);
    }
    let place = &places[head];
    let oldest = keys.iter().copied().min_by_key(|key| (key.start_ticks, key.pid))?;
    Some(Kin {
        id: place.key.map_or(FamilyId::Group(place.group), FamilyId::Of),
        head: place.key.unwrap_or(oldest),
        members: place.members,
        tasks: place.tasks,
        pids: keys.iter().map(|key| key.pid).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(pid, ppid, pgrp)`; the start time follows the pid.
    fn node((pid, ppid, pgrp): (u32, u32, u32)) -> Node {
        Node { key: ProcessKey { pid, start_ticks: u64::from(pid) }, ppid, pgrp, threads: 2 }
    }

    /// Init, a session of a shell with a few others, and these.
    fn check(name: &str, more: impl IntoIterator<Item = (u32, u32, u32)>, want: &[(u32, u32)]) {
        let host = [(1, 0, 1), (50, 1, 50), (60, 50, 60), (61, 60, 61), (70, 1, 70), (71, 70, 70)];
        let nodes: Vec<_> = host.into_iter().chain(more).map(node).collect();
        let all = families(&nodes);
        let outermost = all
            .iter()
            .enumerate()
            .filter(|(i, kin)| !all[..*i].iter().any(|above| above.pids.contains(&kin.head.pid)));
        let found: Vec<_> = outermost.map(|(_, kin)| (kin.head.pid, kin.members)).collect();
        assert_eq!(found, want, "{name}");
    }

    #[test]
    fn the_head_is_where_it_branches() {
        check("nothing much", (100..110).map(|pid| (pid, 61, 61)), &[]);
        check("a runaway parent under a shell", (100..200).map(|pid| (pid, 61, 61)), &[(61, 101)]);
        check("children in sessions of their own", (100..200).map(|pid| (pid, 61, pid)), &[(61, 101)]);
        let binary = (100..228).map(|pid| (pid, if pid < 102 { 61 } else { (pid - 100) / 2 + 99 }, 61));
        check("a bomb that doubles", binary, &[(61, 129)]);
        let two = (100..200)
            .map(|pid| (pid, if pid % 2 == 0 { 61 } else { 71 }, if pid % 2 == 0 { 61 } else { 70 }));
        check("two at once", two, &[(71, 51), (61, 51)]);
        check("a service's workers", (100..140).map(|pid| (pid, 71, 70)), &[(71, 41)]);
    }

    #[test]
    fn two_jobs_of_one_runner_are_families_too() {
        let jobs = (100..220).map(|pid| (pid, if pid < 160 { 98 } else { 99 }, 61));
        let host = [(1, 0, 1), (61, 1, 61), (98, 61, 61), (99, 61, 61)];
        let nodes: Vec<_> = host.into_iter().chain(jobs).map(node).collect();
        let mut found: Vec<_> = families(&nodes).iter().map(|kin| (kin.head.pid, kin.members)).collect();
        assert_eq!(found.remove(0), (61, 123), "the runner first");
        found.sort_unstable();
        assert_eq!(found, [(98, 61), (99, 61)]);
    }

    #[test]
    fn orphans_stay_with_their_group() {
        check("the leader lives", (100..200).map(|pid| (pid, 1, 61)), &[(61, 101)]);
        check("the leader has ended", (100..200).map(|pid| (pid, 1, 99)), &[(100, 100)]);
        let nodes: Vec<_> =
            [(1, 0, 1)].into_iter().chain((100..150).map(|pid| (pid, 1, 99))).map(node).collect();
        let kin = families(&nodes);
        assert_eq!((kin[0].id, kin[0].tasks, kin[0].pids.len()), (FamilyId::Group(99), 100, 50));
        check("daemons are no family", (100..200).map(|pid| (pid, 1, pid)), &[]);
    }

    #[test]
    fn circles_are_nobodys_family() {
        // A leader whose descendant's descendant it is: read while it changed.
        let circle =
            (100..150).map(|pid| (pid, 61, 61)).chain([(300, 301, 302), (301, 1, 300), (302, 300, 302)]);
        let nodes: Vec<_> = circle.map(node).collect();
        families(&nodes);
        let both = [(300, 301, 300), (301, 300, 301)].into_iter().chain((1..40).map(|pid| (pid, 0, pid)));
        assert_eq!(families(&both.map(node).collect::<Vec<_>>()), []);
    }

    #[test]
    fn no_more_families_than_the_limit() {
        let many = (0..u32::try_from(FAMILIES).unwrap() + 5).flat_map(|f| {
            (0..30)
                .map(move |i| (1000 + f * 100 + i, if i == 0 { 1 } else { 1000 + f * 100 }, 1000 + f * 100))
        });
        let nodes: Vec<_> = many.map(node).collect();
        assert_eq!(families(&nodes).len(), FAMILIES);
    }
}
