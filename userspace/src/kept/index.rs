//! Which copies are of which process. Also of those that ended: the word of a crash comes after it.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use super::folder::Digest;
use crate::lookup::{MappedFile, Stamp};
use crate::model::ProcessKey;

/// Processes remembered.
const PROCESSES_MAX: usize = 4096;
/// Containers remembered, and files of each.
const CONTAINERS_MAX: usize = 512;
const FILES_MAX: usize = 256;
/// Files whose copy is known by what tells them from others.
const STAMPS_MAX: usize = 16_384;

/// A file of a process, and what its copy is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) path: PathBuf,
    pub(super) start: Option<u64>,
    pub(super) is_program: bool,
    pub(super) stamp: Stamp,
    pub(super) digest: Digest,
}

impl Copied {
    pub(super) fn new(file: MappedFile, digest: Digest) -> Self {
        let MappedFile { path, start, is_program, stamp } = file;
        Self { path, start, is_program, stamp, digest }
    }
}

/// A map that forgets what came first.
struct Bounded<K, V> {
    entries: HashMap<K, V>,
    order: VecDeque<K>,
    max: usize,
}

impl<K: Clone + Eq + std::hash::Hash, V> Bounded<K, V> {
    fn new(max: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), max }
    }

    fn insert(&mut self, key: K, value: V) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > self.max
            && let Some(first) = self.order.pop_front()
        {
            self.entries.remove(&first);
        }
    }
}

pub(super) struct Index {
    by_process: Bounded<ProcessKey, Arc<[Copied]>>,
    by_container: Bounded<String, Vec<Copied>>,
    by_stamp: Bounded<Stamp, Digest>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            by_process: Bounded::new(PROCESSES_MAX),
            by_container: Bounded::new(CONTAINERS_MAX),
            by_stamp: Bounded::new(STAMPS_MAX),
        }
    }
}

impl Index {
    /// The copy of this very file.
    pub(super) fn digest(&self, stamp: &Stamp) -> Option<&Digest> {
        self.by_stamp.entries.get(stamp)
    }

    pub(super) fn copied(&mut self, stamp: Stamp, digest: Digest) {
        self.by_stamp.insert(stamp, digest);
    }

    /// All that a process has mapped now.
    pub(super) fn set(&mut self, key: ProcessKey, container: Option<&str>, files: Vec<Copied>) {
        if let Some(container) = container {
            let mut all = self.by_container.entries.remove(container).unwrap_or_default();
            let known = self.by_container.order.iter().any(|it| it == container);
            // Another process has it elsewhere, or has another program.
            let fresh = files.iter().map(|it| Copied { start: None, is_program: false, ..it.clone() });
            for file in fresh {
                all.retain(|it| it.path != file.path);
                all.push(file);
            }
            let surplus = all.len().saturating_sub(FILES_MAX);
            all.drain(..surplus);
            if known {
                self.by_container.entries.insert(container.to_owned(), all);
            } else {
                self.by_container.insert(container.to_owned(), all);
            }
        }
        self.by_process.insert(key, files.into());
    }

    /// It runs another program now.
    pub(super) fn forget(&mut self, key: ProcessKey) {
        if let Some(files) = self.by_process.entries.get_mut(&key) {
            *files = Arc::from([]);
        }
    }

    /// What is known of the first of these processes that anything is known of; else of the container.
    pub(super) fn of(&self, keys: &[ProcessKey], container: Option<&str>) -> Vec<Copied> {
        let of = |key: &ProcessKey| self.by_process.entries.get(key).filter(|it| !it.is_empty());
        if let Some(files) = keys.iter().find_map(of) {
            return files.to_vec();
        }
        container.and_then(|it| self.by_container.entries.get(it)).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey { pid, start_ticks: 1 }
    }

    fn file(path: &str) -> Copied {
        let stamp = serde_json::json!({"device": 1, "inode": path.len(), "bytes": 3, "changed": [4, 5]});
        let stamp = serde_json::from_value(stamp).unwrap();
        let digest = path.replace('/', "d");
        Copied { path: path.into(), start: Some(7), is_program: true, stamp, digest }
    }

    #[test]
    fn a_process_is_known_by_itself_its_parent_or_its_container() {
        let mut index = Index::default();
        index.set(key(1), Some("box"), vec![file("/bin/a"), file("/lib/c")]);
        index.set(key(2), Some("box"), vec![file("/bin/b"), file("/lib/c")]);
        assert_eq!(index.of(&[key(1)], None), [file("/bin/a"), file("/lib/c")]);
        assert_eq!(index.of(&[key(9), key(2)], None).len(), 2, "by its parent");
        let shared = index.of(&[key(9)], Some("box"));
        let paths: Vec<_> = shared.iter().map(|it| it.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["/bin/a", "/bin/b", "/lib/c"]);
        assert!(shared.iter().all(|it| it.start.is_none() && !it.is_program), "of other processes");
        index.forget(key(1));
        assert_eq!(index.of(&[key(1)], None), []);
        assert_eq!(index.of(&[key(9)], Some("other")), []);
    }

    #[test]
    fn all_of_it_is_bounded() {
        let mut index = Index::default();
        for number in 0..u32::try_from(PROCESSES_MAX).unwrap() + 5 {
            index.set(key(number), Some(&number.to_string()), vec![file("/a")]);
        }
        assert_eq!(index.by_process.entries.len(), PROCESSES_MAX);
        assert_eq!(index.by_process.order.len(), PROCESSES_MAX);
        assert_eq!(
            (index.by_container.entries.len(), index.by_container.order.len()),
            (CONTAINERS_MAX, CONTAINERS_MAX)
        );
        let many = (0..FILES_MAX + 5).map(|it| file(&format!("/{it}"))).collect();
        index.set(key(1), Some("box"), many);
        assert_eq!(index.of(&[], Some("box")).len(), FILES_MAX);
    }
}
