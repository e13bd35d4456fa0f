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
    /// `pids.max`.
    pub limit: u64,
    /// `pids.current`.
    pub used: u64,
    /// How many forks failed by it since the cgroup was made (`max` in `pids.events`); absent on old kernels.
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
    let levels = Path::new(path).ancestors().take(LEVELS).filter(|_| safe);
    levels.filter_map(Path::to_str).filter_map(|path| at(&root, path)).min_by_key(TaskLimit::left)
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

fn at(root: &Path, path: &str) -> Option<TaskLimit> {
    let directory = root.join(path.trim_start_matches('/'));
    let read = |name| fs::read_to_string(directory.join(name)).ok();
    let number = |name| read(name)?.trim().parse().ok();
    let events = read("pids.events");
    let refused =
        events.and_then(|text| text.lines().find_map(|line| line.strip_prefix("max ")?.trim().parse().ok()));
    Some(TaskLimit {
        path: path.to_owned(),
        limit: number("pids.max")?,
        used: number("pids.current")?,
        refused,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, body) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
        }
        root
    }

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
