//! From the cgroup id in a kernel event to its path. The id is the inode number of the cgroup's directory
//! (kernel fs/kernfs/dir.c, `kernfs_ino`), so a path once seen with that inode is the answer for good.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::{Hierarchy, of_process};
use crate::observation::CgroupIds;

/// Paths kept; beyond that all are forgotten and found again.
const CACHE: usize = 8192;
/// Directories looked at in one walk of the hierarchy.
const WALK: usize = 8192;
/// Least time between two walks: a burst of processes in vanished cgroups must not walk for each.
const WALK_PAUSE: Duration = Duration::from_secs(1);

/// Ids to paths, for one hierarchy.
pub struct Paths {
    hierarchy: Hierarchy,
    proc_root: PathBuf,
    known: HashMap<u64, Arc<str>, RandomState>,
    walked: Option<Instant>,
    /// Whether paths of the whole hierarchy, as the kernel side tells them, are what /proc and the mount show here.
    sees_all: bool,
}

/// Inode of the initial cgroup namespace (kernel include/linux/proc_ns.h, PROC_CGROUP_INIT_INO).
const INITIAL_NAMESPACE: u64 = 0xeffffffb;
/// Inode of a hierarchy's root (kernel fs/kernfs/dir.c, kernfs_create_root).
const ROOT: u64 = 1;

impl Paths {
    /// With no cgroup known yet: paths are looked up when they are asked for.
    pub fn new(hierarchy: Hierarchy, proc_root: PathBuf) -> Self {
        let inode = |path: &Path| fs::metadata(path).ok().map(|it| it.ino());
        // In a container our own cgroup may be the root of what we see.
        let sees_all = inode(&proc_root.join("self/ns/cgroup")) == Some(INITIAL_NAMESPACE)
            && hierarchy.root().and_then(inode) == Some(ROOT);
        Self { hierarchy, proc_root, known: HashMap::default(), walked: None, sees_all }
    }

    /// The path of the cgroup that the kernel named for a process: from memory, as the kernel `told` it, from the /proc
    /// file of the process or of its parent (`pids`) while they live, else by looking for the inode. `None` where it is
    /// gone and was never seen.
    pub fn resolve(&mut self, ids: CgroupIds, pids: [u32; 2], told: Option<&str>) -> Option<Arc<str>> {
        let id = match self.hierarchy {
            Hierarchy::Unified(_) => ids.unified,
            Hierarchy::MemoryV1(_) => ids.memory?,
            Hierarchy::None => return None,
        };
        if let Some(path) = self.known.get(&id) {
            return Some(Arc::clone(path));
        }
        if let Some(path) = told.filter(|_| self.sees_all) {
            return Some(self.remember(id, path));
        }
        pids.into_iter().find_map(|pid| self.ask_process(id, pid)).or_else(|| self.walk(id))
    }

    /// The process may have moved since, or its pid may have been reused: only the inode is proof.
    fn ask_process(&mut self, id: u64, pid: u32) -> Option<Arc<str>> {
        let text = fs::read_to_string(self.proc_root.join(pid.to_string()).join("cgroup")).ok()?;
        let path = of_process(&text)?;
        let inode = fs::metadata(self.hierarchy.directory(path)?).ok()?.ino();
        (inode == id).then(|| self.remember(id, path))
    }

    fn walk(&mut self, id: u64) -> Option<Arc<str>> {
        if self.walked.is_some_and(|at| at.elapsed() < WALK_PAUSE) {
            return None;
        }
        self.walked = Some(Instant::now());
        let root = self.hierarchy.root()?.to_owned();
        let mut pending = vec![root.clone()];
        let mut looked = 0;
        while let Some(directory) = pending.pop() {
            looked += 1;
            if looked > WALK {
                break;
            }
            if let Ok(found) = fs::metadata(&directory) {
                self.remember(found.ino(), &inside(&root, &directory));
            }
            let children = fs::read_dir(&directory).into_iter().flatten().flatten();
            pending
                .extend(children.filter(|it| it.file_type().is_ok_and(|it| it.is_dir())).map(|it| it.path()));
        }
        self.known.get(&id).cloned()
    }

    fn remember(&mut self, id: u64, path: &str) -> Arc<str> {
        if self.known.len() >= CACHE {
            self.known.clear();
        }
        let path: Arc<str> = path.into();
        self.known.insert(id, Arc::clone(&path));
        path
    }
}

/// `directory` as a cgroup path: absolute within the hierarchy.
fn inside(root: &Path, directory: &Path) -> String {
    let inside = directory.strip_prefix(root).unwrap_or(directory);
    format!("/{}", inside.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hierarchy with /a/b and a /proc whose process 7 says it is in `cgroup`.
    fn host(cgroup: &str) -> (tempfile::TempDir, Paths, u64) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("cg/a/b")).unwrap();
        fs::create_dir_all(root.path().join("proc/7")).unwrap();
        fs::write(root.path().join("proc/7/cgroup"), format!("0::{cgroup}\n")).unwrap();
        let id = fs::metadata(root.path().join("cg/a/b")).unwrap().ino();
        let paths = Paths::new(Hierarchy::Unified(root.path().join("cg")), root.path().join("proc"));
        (root, paths, id)
    }

    fn ids(unified: u64) -> CgroupIds {
        CgroupIds { unified, memory: None }
    }

    #[test]
    fn the_process_the_walk_and_the_memory_agree() {
        for (says, pid) in [("/a/b", 7), ("/a", 7), ("/gone", 7), ("/a/b", 8)] {
            let (root, mut paths, id) = host(says);
            assert_eq!(paths.resolve(ids(id), [pid, 0], None).as_deref(), Some("/a/b"), "{says} {pid}");
            fs::remove_dir_all(root.path()).unwrap();
            assert_eq!(paths.resolve(ids(id), [9, 0], None).as_deref(), Some("/a/b"), "from memory");
        }
    }

    #[test]
    fn an_unknown_id_is_none_and_does_not_walk_again_at_once() {
        let (root, mut paths, id) = host("/a");
        assert_eq!(paths.resolve(ids(u64::MAX), [7, 0], None), None);
        fs::create_dir(root.path().join("cg/new")).unwrap();
        let new = fs::metadata(root.path().join("cg/new")).unwrap().ino();
        assert_eq!(paths.resolve(ids(new), [8, 0], None), None, "walked a moment ago");
        assert_eq!(paths.resolve(ids(id), [8, 0], None).as_deref(), Some("/a/b"));
    }

    #[test]
    fn a_parent_in_the_same_cgroup_tells_its_path_and_one_elsewhere_does_not() {
        for (parents, want) in [("/a/b", Some("/a/b")), ("/a", None)] {
            let (_root, mut paths, id) = host(parents);
            // No walk.
            paths.walked = Some(Instant::now());
            assert_eq!(paths.resolve(ids(id), [8, 7], None).as_deref(), want, "{parents}");
        }
    }

    #[test]
    fn what_the_kernel_told_is_believed_where_we_see_the_whole_hierarchy_alone() {
        let (_root, mut paths, _) = host("/a");
        paths.walked = Some(Instant::now());
        for (sees_all, want) in [(false, None), (true, Some("/gone"))] {
            paths.sees_all = sees_all;
            assert_eq!(paths.resolve(ids(77), [8, 9], Some("/gone")).as_deref(), want);
        }
        assert_eq!(paths.resolve(ids(77), [8, 9], None).as_deref(), Some("/gone"), "from memory");
    }
}
