//! What the newest descriptors of a process are: a leak's are the newest. Links only, so nothing is opened, and no
//! file server is asked.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::facts::{DescriptorCount, DescriptorFact, DescriptorKind};
use crate::evidence::start_ticks;
use crate::kinds::case::Statement;
use crate::model::ProcessKey;
use crate::text;

/// Most descriptors looked at.
const NEWEST: usize = 512;
/// Kinds that a statement tells of.
const KINDS: usize = 8;
/// Longest name of a kind that is kept: paths are the process's own choice.
const NAME_CHARS: usize = 256;

/// Where the newest descriptors lead; empty where the process is gone or another, or may not be looked at.
pub fn newest(proc_root: &Path, key: ProcessKey) -> Vec<String> {
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

/// What the descriptors are that were looked at, as a fact; `targets` as readlink(2) shows them. `None` for none.
pub fn statement(targets: &[String], open: u64) -> Option<Statement> {
    let mut kinds = count(targets.iter().map(String::as_str));
    kinds.truncate(KINDS);
    let looked_at = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    let fact = DescriptorFact::NewestDescriptors { looked_at, open, kinds };
    (!targets.is_empty()).then(|| Statement::new("proc:fd", fact))
}

/// How many there are of each kind, the most frequent first.
pub fn count<'a>(targets: impl Iterator<Item = &'a str>) -> Vec<DescriptorCount> {
    let mut counts: HashMap<(DescriptorKind, Option<&str>), u64> = HashMap::new();
    for target in targets {
        *counts.entry(kind(target)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(what, count)| (Reverse(*count), *what));
    let counted = |((kind, name), count): ((_, Option<&str>), _)| DescriptorCount {
        kind,
        name: name.map(|name| text::truncate(name, NAME_CHARS).into()),
        count,
    };
    counts.into_iter().map(counted).collect()
}

/// What a descriptor is by where it leads, and the name of it.
fn kind(target: &str) -> (DescriptorKind, Option<&str>) {
    match target {
        "anon_inode:[eventpoll]" => (DescriptorKind::Epoll, None),
        "anon_inode:inotify" => (DescriptorKind::Inotify, None),
        _ if target.starts_with("socket:[") => (DescriptorKind::Socket, None),
        _ if target.starts_with("pipe:[") => (DescriptorKind::Pipe, None),
        _ if target.starts_with("/memfd:") => (DescriptorKind::Memfd, None),
        _ if target.ends_with(" (deleted)") => (DescriptorKind::DeletedFile, None),
        _ if target.starts_with("/dev/") => (DescriptorKind::Device, Some(target)),
        _ => match target.rsplit_once('/') {
            Some(("", _)) => (DescriptorKind::File, Some("/")),
            Some((folder, _)) if folder.starts_with('/') => (DescriptorKind::File, Some(folder)),
            _ => (DescriptorKind::Other, Some(target)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::render;

    #[test]
    fn a_processes_descriptors_are_found_and_a_reused_pids_are_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // Another process: this one's belong to all tests beside this one, by the thousand.
        let mut child =
            Command::new("cat").stdin(Stdio::piped()).stdout(file.reopen().unwrap()).spawn().unwrap();
        let pid = child.id();
        let start_ticks = start_ticks(&Path::new("/proc").join(pid.to_string())).unwrap();
        let targets = newest(Path::new("/proc"), ProcessKey { pid, start_ticks });
        let reused = newest(Path::new("/proc"), ProcessKey { pid, start_ticks: start_ticks + 1 });
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(targets.iter().any(|target| Path::new(target) == file.path()), "{targets:?}");
        assert!(reused.is_empty());
    }

    #[test]
    fn descriptors_are_counted_by_kind() {
        for (targets, open, want) in [
            (vec!["socket:[1]", "socket:[2]", "pipe:[3]"], 3, Some("they are 2 sockets, 1 pipe")),
            (
                vec![
                    "/var/log/a",
                    "/var/log/b",
                    "/etc/x",
                    "/tmp/y (deleted)",
                    "anon_inode:[eventfd]",
                    "/dev/null",
                ],
                900,
                Some("the newest 6 are 2 files in /var/log, 1 deleted file, 1 file in /etc and others"),
            ),
            (vec!["/a", "/memfd:x (deleted)"], 2, Some("they are 1 memfd, 1 file in /")),
            (
                vec!["anon_inode:[eventfd]", "net:[4026531840]"],
                2,
                Some("they are 1 anon_inode:[eventfd], 1 net:[4026531840]"),
            ),
            (vec!["/\x1b[2J/x"], 1, Some("they are 1 file in /\u{fffd}[2J")),
            (vec![], 5, None),
        ] {
            let targets: Vec<_> = targets.into_iter().map(str::to_owned).collect();
            let told = statement(&targets, open).map(|it| render::fact(&it.data));
            assert_eq!(told.as_deref(), want, "{targets:?}");
        }
    }

    #[test]
    fn a_statement_has_an_end() {
        let targets: Vec<_> = (0..500).map(|i| format!("/{}{i}/x", "d".repeat(4000))).collect();
        let Some(Statement { data, .. }) = statement(&targets, 500) else { panic!("nothing is stated") };
        assert!(serde_json::to_string(&data).unwrap().len() < KINDS * (NAME_CHARS + 100));
    }
}
