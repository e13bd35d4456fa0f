//! The pids controller: how many tasks (threads of all processes) a cgroup and those above it may have, on v1 and
//! v2, and how often the kernel refused one.

use std::fs;
use std::path::{Path, PathBuf};

use super::Hierarchy;

/// Levels looked at: the limit that bites may be set further up.
const LEVELS: usize = 32;

/// A cgroup's limit of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLimit {
    /// The cgroup that has it.
    pub path: String,
    /// Most tasks that the cgroup may have (`pids.max`).
    pub limit: u64,
    /// Tasks in the cgroup now (`pids.current`).
    pub used: u64,
    /// How many forks have failed from the process's cgroup up to this one (`max` in `pids.events`); absent on old
    /// kernels.
    pub refused: Option<u64>,
}

impl TaskLimit {
    /// How many more there may be.
    pub const fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The limit with the least room, among those of the cgroup that `/proc/PID/cgroup` (its text) names and of those
/// above it; `None` where there is none.
pub fn task_limit(hierarchy: &Hierarchy, cgroup_text: &str) -> Option<TaskLimit> {
    let (root, path) = place(hierarchy, cgroup_text)?;
    let safe = path.split('/').all(|part| part != ".." && part != ".");
    let levels = Path::new(path).ancestors().take(LEVELS).filter(|_| safe).filter_map(Path::to_str);
    // v1, v2 before 6.10, and v2 mounted with pids_localevents count a refusal in the cgroup of the task that forked,
    // later kernels in the one that has the limit and those above it (kernel/cgroup/pids.c, pids_event).
    let mut refused_below = None;
    let limits = levels.filter_map(|path| {
        let directory = root.join(path.trim_start_matches('/'));
        if let Some(refused) = refused(&directory) {
            refused_below = Some(refused_below.unwrap_or(0_u64).saturating_add(refused));
        }
        at(&directory, path, refused_below)
    });
    limits.min_by_key(TaskLimit::left)
}

/// Where the controller is mounted, and the process's path in it.
fn place<'a>(hierarchy: &Hierarchy, text: &'a str) -> Option<(PathBuf, &'a str)> {
    let path_of = |wanted: fn(&str, &str) -> bool| {
        text.lines().find_map(|line| {
            // hierarchy-ID:controller-list:path (cgroups(7)); the path may itself contain colons.
            let mut fields = line.splitn(3, ':');
            let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            wanted(id, controllers).then_some(path)
        })
    };
    match hierarchy {
        Hierarchy::Unified(root) => Some((root.clone(), path_of(|id, list| id == "0" && list.is_empty())?)),
        Hierarchy::MemoryV1(memory) => {
            let path = path_of(|_, list| list.split(',').any(|it| it == "pids"))?;
            Some((memory.parent()?.join("pids"), path))
        }
        Hierarchy::None => None,
    }
}

fn at(directory: &Path, path: &str, refused: Option<u64>) -> Option<TaskLimit> {
    let number = |name| fs::read_to_string(directory.join(name)).ok()?.trim().parse().ok();
    Some(TaskLimit {
        path: path.to_owned(),
        limit: number("pids.max")?,
        used: number("pids.current")?,
        refused,
    })
}

fn refused(directory: &Path) -> Option<u64> {
    let events = fs::read_to_string(directory.join("pids.events")).ok()?;
    events.lines().find_map(|line| line.strip_prefix("max ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::tree;
    use super::*;

    #[test]
    fn the_tightest_limit_counts_on_both_versions() {
        let v1 = tree(&[
            ("pids/a/pids.max", "100\n"),
            ("pids/a/pids.current", "90\n"),
            ("pids/a/pids.events", "max 7\n"),
            ("pids/a/b/pids.max", "50\n"),
            ("pids/a/b/pids.current", "20\n"),
        ]);
        let v2 = tree(&[
            ("a/pids.max", "100\n"),
            ("a/pids.current", "90\n"),
            ("a/pids.events", "max 7\n"),
            ("a/b/pids.max", "max\n"),
            ("a/b/pids.current", "20\n"),
        ]);
        let want = Some(TaskLimit { path: "/a".into(), limit: 100, used: 90, refused: Some(7) });
        for (hierarchy, text) in [
            (Hierarchy::MemoryV1(v1.path().join("memory")), "9:name=systemd:/\n8:pids:/a/b\n4:memory:/x\n"),
            (Hierarchy::Unified(v2.path().into()), "0::/a/b\n"),
        ] {
            assert_eq!(task_limit(&hierarchy, text), want);
        }
    }

    #[test]
    fn refusals_are_read_where_the_kernel_counts_them() {
        for (what, events, want) in [
            ("v1, and v2 with pids_localevents: where the task is", [("a/b/c", 9)].as_slice(), Some(9)),
            ("since 6.10: at the limit and above", &[("a", 7), ("", 7)], Some(7)),
            ("below, by a limit of its own, and here", &[("a/b/c", 2), ("a/b", 3), ("a", 4)], Some(9)),
            ("in a cgroup beside it", &[("a/other", 5)], None),
        ] {
            let root = tree(&[("a/pids.max", "100"), ("a/pids.current", "99"), ("a/b/c/pids.max", "max")]);
            for (path, count) in events {
                let directory = root.path().join(path);
                fs::create_dir_all(&directory).unwrap();
                fs::write(directory.join("pids.events"), format!("max {count}\n")).unwrap();
            }
            let found = task_limit(&Hierarchy::Unified(root.path().into()), "0::/a/b/c\n").unwrap();
            assert_eq!((found.path.as_str(), found.refused), ("/a", want), "{what}");
        }
    }

    #[test]
    fn no_limit_and_no_way_out_are_none() {
        let root = tree(&[
            ("a/pids.max", "max\n"),
            ("a/pids.current", "5\n"),
            ("pids.max", "9"),
            ("pids.current", "1"),
        ]);
        let hierarchy = Hierarchy::Unified(root.path().join("a"));
        for text in ["0::/", "0::/..", "0::/../", "8:pids:/", "", "0", "0::/gone"] {
            assert_eq!(task_limit(&hierarchy, text), None, "{text:?}");
        }
        assert_eq!(task_limit(&Hierarchy::None, "0::/"), None);
    }
}
