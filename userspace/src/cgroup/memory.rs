//! Where the memory controller's files are on this host, and what they say of one cgroup.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::observation::CgroupMemory;

/// v1 writes the largest page-aligned number where there is no limit (kernel mm/page_counter.c).
pub const V1_UNLIMITED: u64 = 1 << 62;

/// Which hierarchy the memory controller lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// cgroup v2, mounted here.
    Unified(PathBuf),
    /// cgroup v1's memory controller, mounted here.
    MemoryV1(PathBuf),
    /// Neither version's memory controller was found.
    None,
}

impl Hierarchy {
    /// Looks under `root`, normally `/sys/fs/cgroup`.
    pub fn detect(root: &Path) -> Self {
        if root.join("cgroup.controllers").exists() {
            Self::Unified(root.to_owned())
        } else if root.join("memory").is_dir() {
            Self::MemoryV1(root.join("memory"))
        } else {
            Self::None
        }
    }

    /// The directory of a cgroup; `None` where there is no hierarchy or the path tries to leave it.
    pub fn directory(&self, path: &str) -> Option<PathBuf> {
        let root = self.root()?;
        let inside = path.trim_start_matches('/');
        let safe = inside.split('/').all(|part| part != ".." && part != ".");
        safe.then(|| if inside.is_empty() { root.to_owned() } else { root.join(inside) })
    }

    /// Where the hierarchy is mounted.
    pub fn root(&self) -> Option<&Path> {
        match self {
            Self::Unified(root) | Self::MemoryV1(root) => Some(root),
            Self::None => None,
        }
    }

    /// Names of the small files worth freezing as evidence.
    pub const fn evidence_files(&self) -> &'static [&'static str] {
        match self {
            Self::Unified(_) => &[
                "memory.max",
                "memory.high",
                "memory.current",
                "memory.peak",
                "memory.events",
                "memory.stat",
            ],
            Self::MemoryV1(_) => &[
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "memory.max_usage_in_bytes",
                "memory.failcnt",
                "memory.oom_control",
                "memory.stat",
            ],
            Self::None => &[],
        }
    }

    /// Whether the cgroup's tasks are made to wait from some use on (`memory.high`, v2 only).
    pub fn is_throttled(&self, path: &str) -> bool {
        let Self::Unified(_) = self else { return false };
        self.directory(path).and_then(|directory| number(&directory.join("memory.high"))).is_some()
    }

    /// Limit and use of one cgroup; `None` where it has no limit or is gone.
    pub fn memory(&self, path: &Arc<str>) -> Option<CgroupMemory> {
        let directory = self.directory(path)?;
        let (limit, usage, file) = match self {
            Self::Unified(_) => ("memory.max", "memory.current", ["inactive_file", "active_file"]),
            Self::MemoryV1(_) => (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ["total_inactive_file", "total_active_file"],
            ),
            Self::None => return None,
        };
        let limit_bytes = number(&directory.join(limit)).filter(|limit| *limit < V1_UNLIMITED)?;
        let stat = std::fs::read_to_string(directory.join("memory.stat")).ok()?;
        Some(CgroupMemory {
            path: Arc::clone(path),
            usage_bytes: number(&directory.join(usage))?,
            file_bytes: file.iter().filter_map(|name| field(&stat, name)).sum(),
            limit_bytes,
        })
    }
}

/// The number in a file; `None` for `max`, for what is no number and for what cannot be read.
fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A field of `memory.stat`.
fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::tree;
    use super::*;

    #[test]
    fn a_limited_cgroup_is_read_on_both_versions() {
        let v2 = tree(&[
            ("cgroup.controllers", "memory\n"),
            ("a/memory.max", "1000\n"),
            ("a/memory.current", "900\n"),
            ("a/memory.stat", "anon 1\ninactive_file 60\nactive_file 40\ninactive_file_x 5\n"),
        ]);
        let v1 = tree(&[
            ("memory/a/memory.limit_in_bytes", "1000\n"),
            ("memory/a/memory.usage_in_bytes", "900\n"),
            ("memory/a/memory.stat", "inactive_file 7\ntotal_inactive_file 60\ntotal_active_file 40\n"),
        ]);
        for root in [v2, v1] {
            let got = Hierarchy::detect(root.path()).memory(&"/a".into()).unwrap();
            assert_eq!((got.limit_bytes, got.usage_bytes, got.file_bytes), (1000, 900, 100));
        }
    }

    #[test]
    fn a_cgroup_may_be_made_to_wait_without_a_limit() {
        let v2 = tree(&[
            ("cgroup.controllers", "memory\n"),
            ("a/memory.high", "1000\n"),
            ("b/memory.high", "max\n"),
        ]);
        let hierarchy = Hierarchy::detect(v2.path());
        assert_eq!(["/a", "/b", "/c"].map(|path| hierarchy.is_throttled(path)), [true, false, false]);
        assert_eq!(hierarchy.memory(&"/a".into()), None);
    }

    #[test]
    fn no_limit_is_none() {
        let v2 = tree(&[("cgroup.controllers", ""), ("a/memory.max", "max\n"), ("a/memory.stat", "")]);
        let v1 = tree(&[
            ("memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/a/memory.stat", ""),
        ]);
        for root in [v2, v1] {
            assert_eq!(Hierarchy::detect(root.path()).memory(&"/a".into()), None);
        }
    }

    #[test]
    fn a_path_never_leaves_the_hierarchy() {
        let unified = Hierarchy::Unified("/sys/fs/cgroup".into());
        assert_eq!(unified.directory("/a/b"), Some("/sys/fs/cgroup/a/b".into()));
        assert_eq!(unified.directory("/"), Some("/sys/fs/cgroup".into()));
        for path in ["/../../etc", "/a/../../b", "/a/./b"] {
            assert_eq!(unified.directory(path), None, "{path}");
        }
        assert_eq!(Hierarchy::None.directory("/a"), None);
    }
}
