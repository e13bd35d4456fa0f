//! What the newest descriptors of a process are: a leak's are the newest. Links only, so nothing is opened, and no
//! file server is asked.

use std::fs;
use std::path::Path;

use crate::evidence::start_ticks;
use crate::model::ProcessKey;

/// Most descriptors looked at.
const NEWEST: usize = 512;

/// Where the newest descriptors lead; empty where the process is gone or another, or may not be looked at.
pub(super) fn newest(proc_root: &Path, key: ProcessKey) -> Vec<String> {
    let directory = proc_root.join(key.pid.to_string());
    let Ok(entries) = fs::read_dir(directory.join("fd")) else { return Vec::new() };
    let mut numbers: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    let newest = numbers.iter().rev().take(NEWEST);
    let link = |number: &u32| fs::read_link(directory.join("fd").join(number.to_string())).ok();
    let targets: Vec<_> = newest.filter_map(link).map(|it| it.to_string_lossy().into_owned()).collect();
    if start_ticks(&directory) == Some(key.start_ticks) { targets } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_descriptors_are_found_and_a_reused_pids_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pid = std::process::id();
        let start_ticks = start_ticks(&Path::new("/proc").join(pid.to_string())).unwrap();
        let targets = newest(Path::new("/proc"), ProcessKey { pid, start_ticks });
        assert!(targets.iter().any(|target| Path::new(target) == file.path()), "{targets:?}");
        assert!(newest(Path::new("/proc"), ProcessKey { pid, start_ticks: start_ticks + 1 }).is_empty());
    }
}
