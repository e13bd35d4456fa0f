//! Evidence: the small /proc and cgroup files of one process, read at once, capped in size, and kept only if
//! the process is still the same one after the read.

mod file;
mod threads;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cgroup::Hierarchy;
use crate::model::{EvidenceFile, ProcessKey};
use file::{FILE_MAX, read};

/// Most descriptors whose targets are listed: enough to see which kind there are too many of.
const FDS_MAX: usize = 512;

/// Files of /proc/PID that are small, quick to read and tell something. Not `environ` (secrets), and none
/// that needs the process's memory lock (`cmdline`, `maps`, `smaps`): a hung process would hang the reader with it.
const FILES: [&str; 13] = [
    "status",
    "stat",
    "statm",
    "cgroup",
    "limits",
    "io",
    "sched",
    "schedstat",
    "stack",
    "syscall",
    "wchan",
    "oom_score",
    "oom_score_adj",
];

/// Where /proc and the cgroups are mounted.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Where the host's /proc is mounted; `/proc` unless in a container.
    pub proc_root: PathBuf,
    /// The memory controller's hierarchy.
    pub hierarchy: Hierarchy,
}

/// What was read, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The files that could be read, each cut to its limit.
    pub files: Vec<EvidenceFile>,
    /// What is missing, and why.
    pub missing: Vec<String>,
}

/// Reads what there is of `key`, and of `cgroup` where it is known. Blocks: call it on a blocking thread.
pub fn collect(sources: &Sources, key: ProcessKey, cgroup: Option<&str>) -> Collected {
    let mut collected = of_process(sources, key);
    if let Some(directory) = cgroup.and_then(|path| sources.hierarchy.directory(path)) {
        for name in sources.hierarchy.evidence_files() {
            let path = directory.join(name);
            if let Ok(file) = read(&path, format!("cgroup.{name}"), format!("cgroup:{name}")) {
                collected.files.push(file);
            }
        }
    }
    collected
}

fn of_process(sources: &Sources, key: ProcessKey) -> Collected {
    let directory = sources.proc_root.join(key.pid.to_string());
    let mut files = Vec::new();
    let mut missing = Vec::new();
    for name in FILES {
        match read(&directory.join(name), name.to_owned(), format!("proc:{name}")) {
            // A dying process has no argv and no stack any more: an empty file is no evidence.
            Ok(file) if file.body.is_empty() => {}
            Ok(file) => files.push(file),
            Err(error) if is_gone(&error) => {}
            Err(error) => missing.push(format!("{name}: {error}")),
        }
    }
    files.extend(descriptors(&directory));
    files.extend(threads::of_process(&directory));
    // The pid may have been reused while the files were read, or before.
    if start_ticks(&directory) == Some(key.start_ticks) {
        Collected { files, missing }
    } else {
        let gone = format!("/proc/{}: the process was gone before its files could be read", key.pid);
        Collected { files: Vec::new(), missing: vec![gone] }
    }
}

/// When the process in `/proc/PID` started, in clock ticks since boot; `None` where it is gone.
pub fn start_ticks(directory: &Path) -> Option<u64> {
    start_ticks_in(&fs::read(directory.join("stat")).ok()?)
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may hold blanks and parentheses: the last one ends it.
pub fn start_ticks_in(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = std::str::from_utf8(&stat[after_name..]).ok()?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// What each descriptor is, one `NUMBER TARGET` a line.
fn descriptors(directory: &Path) -> Option<EvidenceFile> {
    let mut numbers: Vec<u32> = fs::read_dir(directory.join("fd"))
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let mut truncated = numbers.len() > FDS_MAX;
    let lines = numbers.iter().take(FDS_MAX).map(|number| {
        let target = fs::read_link(directory.join("fd").join(number.to_string()));
        let target = target.map_or_else(|_| "?".to_owned(), |it| it.to_string_lossy().into_owned());
        format!("{number} {target}\n")
    });
    let mut body = lines.collect::<String>().into_bytes();
    truncated |= body.len() > FILE_MAX;
    body.truncate(FILE_MAX);
    Some(EvidenceFile {
        name: "fd".to_owned(),
        source: "proc:fd".to_owned(),
        body,
        taken_at: Timestamp::now(),
        truncated,
    })
}

/// A process that ends half-way answers ESRCH; one that has ended, ENOENT.
fn is_gone(error: &io::Error) -> bool {
    const ESRCH: i32 = rustix::io::Errno::SRCH.raw_os_error();
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources { proc_root: "/proc".into(), hierarchy: Hierarchy::None }
    }

    fn me() -> ProcessKey {
        let pid = std::process::id();
        let start_ticks = start_ticks(&Path::new("/proc").join(pid.to_string())).unwrap();
        ProcessKey { pid, start_ticks }
    }

    #[test]
    fn a_live_processs_files_are_read() {
        let collected = collect(&sources(), me(), None);
        for name in ["status", "limits", "fd", "cgroup"] {
            assert!(collected.files.iter().any(|it| it.name == name && !it.body.is_empty()), "{name}");
        }
    }

    #[test]
    fn a_reused_pid_is_not_mistaken_for_the_process() {
        let other = ProcessKey { start_ticks: me().start_ticks + 1, ..me() };
        let collected = collect(&sources(), other, None);
        assert!(collected.files.is_empty());
        assert_eq!(collected.missing.len(), 1, "{:?}", collected.missing);
    }

    #[test]
    fn large_files_are_cut_and_names_with_parentheses_are_read_right() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("5");
        fs::create_dir(&directory).unwrap();
        let fields: Vec<_> = (3..=52).map(|n| (n * 10).to_string()).collect();
        fs::write(directory.join("stat"), format!("5 (a) b ) R {}", fields[1..].join(" "))).unwrap();
        fs::write(directory.join("status"), vec![b'x'; FILE_MAX + 1]).unwrap();
        assert_eq!(start_ticks(&directory), Some(220));
        let sources = Sources { proc_root: root.path().to_owned(), hierarchy: Hierarchy::None };
        let collected = collect(&sources, ProcessKey { pid: 5, start_ticks: 220 }, None);
        let status = collected.files.iter().find(|it| it.name == "status").unwrap();
        assert_eq!((status.body.len(), status.truncated), (FILE_MAX, true));
    }
}
