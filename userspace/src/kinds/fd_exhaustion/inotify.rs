//! inotify instances, of which a user may have only so many (inotify(7)): who has them. A few processes are asked at each
//! scan, so that a round over all of them costs no scan much; what was counted is judged after the round.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::facts::DescriptorFact;
use crate::evidence::start_ticks;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::watch::View;
use crate::model::{ProcessKey, Severity};

/// Most descriptors looked at in one scan.
const LOOKS: usize = 2048;
/// Most descriptors looked at of one process.
const OF_ONE: usize = 512;
/// From such a share of the limit on, in percent, the next program that needs one may not get it.
const NEAR_PERCENT: u64 = 95;
/// What /proc calls such a descriptor.
const INSTANCE: &str = "anon_inode:inotify";

/// A round over all processes, and what it has counted so far.
#[derive(Default)]
pub(super) struct Inotify {
    /// Who is still to be asked.
    waiting: Vec<ProcessKey>,
    counted: HashMap<ProcessKey, Vec<u32>>,
    /// What the round before found.
    near: Vec<(ProcessKey, Use)>,
}

/// How many instances a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Use {
    uid: u32,
    used: u64,
    limit: u64,
    /// Of those, the process's own.
    own: u64,
}

impl Inotify {
    /// The next part of the round. What the last whole round found stands until the next one is over.
    pub(super) fn scanned(&mut self, view: View<'_>) -> Vec<(ProcessKey, Use)> {
        if self.waiting.is_empty() {
            if !self.counted.is_empty() {
                let limit = limit(&view.sources.proc_root);
                self.near = limit.map_or_else(Vec::new, |limit| self.judge(view, limit));
            }
            self.counted.clear();
            self.waiting = view.table.live().filter(|it| !it.kernel_thread).map(|it| it.key).collect();
        }
        let mut looks = LOOKS;
        while let Some(key) = self.waiting.pop() {
            let (numbers, looked) = instances(&view.sources.proc_root, key);
            self.counted.insert(key, numbers);
            looks = looks.saturating_sub(looked.max(1));
            if looks == 0 {
                break;
            }
        }
        self.near.retain(|(key, _)| view.suspect(*key).is_some());
        self.near.clone()
    }

    /// Of each user who has nearly all that are allowed, whoever has the most.
    fn judge(&self, view: View<'_>, limit: u64) -> Vec<(ProcessKey, Use)> {
        let mut users: HashMap<u32, (u64, Option<(ProcessKey, u64)>)> = HashMap::new();
        for (key, numbers) in &self.counted {
            let Some(process) = view.table.get(*key) else { continue };
            let Some(uid) = process.uid else { continue };
            // A child has its parent's by fork(2): they are the same ones.
            let of_parent = view.table.live_by_pid(process.ppid).and_then(|it| self.counted.get(&it.key));
            let inherited = |number: &&u32| of_parent.is_some_and(|numbers| numbers.contains(number));
            let own = numbers.iter().filter(|number| !inherited(number)).count();
            let own = u64::try_from(own).unwrap_or(u64::MAX);
            let (used, largest) = users.entry(uid).or_default();
            *used = used.saturating_add(own);
            if own > 0 && largest.is_none_or(|(_, most)| own > most) && view.suspect(*key).is_some() {
                *largest = Some((*key, own));
            }
        }
        let near = |used: u64| used.saturating_mul(100) >= limit.saturating_mul(NEAR_PERCENT);
        let found = users.into_iter().filter(|(_, (used, _))| near(*used));
        found
            .filter_map(|(uid, (used, largest))| {
                let (key, own) = largest?;
                Some((key, Use { uid, used, limit, own }))
            })
            .collect()
    }
}

impl Use {
    /// The finding on it.
    pub(super) fn draft(self) -> Draft {
        let Self { uid, used, limit, own } = self;
        let fact = DescriptorFact::InotifyInstances { uid, used, limit, own };
        Draft {
            site: "inotify".to_owned(),
            ..super::draft(Severity::Warning, vec![Statement::new("proc:fd", fact)])
        }
    }
}

/// How many instances a user may have.
fn limit(proc_root: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc_root.join("sys/fs/inotify/max_user_instances")).ok()?;
    text.trim().parse().ok().filter(|limit| *limit > 0)
}

/// The numbers of the descriptors that are inotify instances, and how many were looked at.
fn instances(proc_root: &Path, key: ProcessKey) -> (Vec<u32>, usize) {
    let directory = proc_root.join(key.pid.to_string());
    let mut looked = 0;
    let entries = fs::read_dir(directory.join("fd")).into_iter().flatten().flatten().take(OF_ONE);
    let numbers = entries.filter_map(|entry| {
        looked += 1;
        let is_one = fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == INSTANCE);
        if is_one { entry.file_name().to_str()?.parse().ok() } else { None }
    });
    let numbers: Vec<u32> = numbers.collect();
    // The pid may have been given to another meanwhile.
    if start_ticks(&directory) == Some(key.start_ticks) { (numbers, looked) } else { (Vec::new(), looked) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::fd_exhaustion::watch::DescriptorWatch;
    use crate::kinds::fixture::view::World;

    /// A tree like /proc, with a limit of 10 and processes: pid, parent, numbers of inotify descriptors.
    fn tree(processes: &[(u32, &[u32])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let inotify = root.path().join("sys/fs/inotify");
        fs::create_dir_all(&inotify).unwrap();
        fs::write(inotify.join("max_user_instances"), "10\n").unwrap();
        for (pid, numbers) in processes {
            let directory = root.path().join(pid.to_string());
            fs::create_dir_all(directory.join("fd")).unwrap();
            let stat = format!("{pid} (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0");
            fs::write(directory.join("stat"), stat).unwrap();
            std::os::unix::fs::symlink("/dev/null", directory.join("fd/0")).unwrap();
            for number in *numbers {
                std::os::unix::fs::symlink(INSTANCE, directory.join(format!("fd/{number}"))).unwrap();
            }
        }
        root
    }

    #[test]
    fn instances_are_counted_and_a_reused_pids_are_not() {
        let root = tree(&[(42, &[3, 4])]);
        let key = |start_ticks| ProcessKey { pid: 42, start_ticks };
        let (mut numbers, looked) = instances(root.path(), key(100));
        numbers.sort_unstable();
        assert_eq!((numbers, looked), (vec![3, 4], 3));
        assert_eq!(instances(root.path(), key(101)).0, Vec::<u32>::new());
        assert_eq!(limit(root.path()), Some(10));
    }

    #[test]
    fn a_user_who_has_nearly_all_is_found_by_the_largest_holder() {
        let few: &[u32] = &[3, 4, 5];
        let many: &[u32] = &[3, 4, 5, 6, 7, 8, 9];
        for (what, processes, want) in [
            ("all of them", vec![(50, many), (51, few)], Some((50, 10))),
            ("enough are left", vec![(50, many), (51, &[3][..])], None),
            ("none has any", vec![(50, &[][..])], None),
        ] {
            let root = tree(&processes);
            let mut world = World::new(DescriptorWatch::default());
            world.sources.proc_root = root.path().into();
            let seen: Vec<_> = processes
                .iter()
                .map(|(pid, _)| {
                    let mut seen = world.process(*pid);
                    seen.key.start_ticks = 100;
                    seen.details.as_mut().unwrap().uid = Some(7);
                    seen
                })
                .collect();
            // A round, and the scan that judges it.
            let found: Vec<_> = (0..3).flat_map(|_| world.scan_in_full(&seen)).collect();
            let found = found.last().map(|it| {
                let fact = it.draft.facts[0].data.as_descriptors().unwrap();
                let DescriptorFact::InotifyInstances { used, .. } = fact else { panic!("{fact:?}") };
                (it.process.pid, *used)
            });
            assert_eq!(found, want, "{what}");
        }
    }

    #[test]
    fn what_a_child_has_from_its_parent_counts_once() {
        let all: &[u32] = &[3, 4, 5, 6];
        let root = tree(&[(50, all), (51, all), (52, all)]);
        let mut world = World::new(DescriptorWatch::default());
        world.sources.proc_root = root.path().into();
        let seen = [(50, 1), (51, 50), (52, 50)].map(|(pid, ppid)| {
            let mut seen = world.process(pid);
            (seen.key.start_ticks, seen.ppid) = (100, ppid);
            seen.details.as_mut().unwrap().uid = Some(7);
            seen
        });
        for _ in 0..3 {
            assert!(world.scan_in_full(&seen).is_empty());
        }
    }
}
