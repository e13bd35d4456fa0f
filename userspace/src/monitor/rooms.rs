//! What a process can grow into: the limit of memory or tasks that binds it first. Small files of the kernel's, read
//! for suspects only; none of them can be held up by a process.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::cgroup::{self, Hierarchy};
use crate::detect::{MemoryRoom, TaskRoom};
use crate::evidence::start_ticks;
use crate::model::ProcessKey;
use crate::observation::CgroupMemory;
use crate::text;

/// Longest name of a cgroup in a sentence: whoever makes a container chooses it.
const PATH_CHARS: usize = 120;
/// Most threads asked how long they waited for a CPU.
const THREADS: usize = 64;

/// Tasks on the whole host, and how many there may be.
#[derive(Clone, Debug, Default)]
pub(super) struct HostTasks {
    pub(super) used: u64,
    pub(super) limit: Option<u64>,
}

impl HostTasks {
    /// The lower of threads-max and pid_max, each the host's (proc_sys_kernel(5)).
    pub(super) fn read(proc_root: &Path, used: u64) -> Self {
        let number = |name: &str| {
            fs::read_to_string(proc_root.join("sys/kernel").join(name)).ok()?.trim().parse().ok()
        };
        let limit = [number("threads-max"), number("pid_max")].into_iter().flatten().min();
        Self { used, limit }
    }

    fn room(&self) -> Option<TaskRoom> {
        let what = "the host's limit of tasks (threads-max, pid_max)".to_owned();
        Some(TaskRoom { what, source: "proc:sys/kernel", limit: self.limit?, used: self.used })
    }
}

/// The limit on tasks with the least room, and how many forks its cgroup refused so far.
pub(super) fn of_tasks(
    proc_root: &Path,
    hierarchy: &Hierarchy,
    key: ProcessKey,
    host: &HostTasks,
) -> (Option<TaskRoom>, Option<u64>) {
    let directory = proc_root.join(key.pid.to_string());
    let text = fs::read_to_string(directory.join("cgroup")).ok();
    let text = text.filter(|_| start_ticks(&directory) == Some(key.start_ticks));
    let cgroup = text.and_then(|text| cgroup::task_limit(hierarchy, &text));
    let host = host.room();
    match cgroup {
        Some(it) if host.as_ref().is_none_or(|host| it.left() <= host.left()) => {
            let what = format!("pids.max of {}", shown(&it.path));
            (Some(TaskRoom { what, source: "cgroup:pids", limit: it.limit, used: it.used }), it.refused)
        }
        _ => (host, None),
    }
}

/// RLIMIT_NPROC of a process whose user has `used` tasks. Root and whoever has CAP_SYS_RESOURCE may exceed it
/// (getrlimit(2)), so it is not asked for user 0.
pub(super) fn of_user(proc_root: &Path, key: ProcessKey, uid: u32, used: u64) -> Option<TaskRoom> {
    if uid == 0 {
        return None;
    }
    let directory = proc_root.join(key.pid.to_string());
    let text = fs::read_to_string(directory.join("limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max processes"))?;
    let limit = line.split_whitespace().next()?.parse().ok()?;
    let what = format!("RLIMIT_NPROC of user {uid}");
    let same = start_ticks(&directory) == Some(key.start_ticks);
    same.then_some(TaskRoom { what, source: "proc:limits", limit, used })
}

/// The memory limit with the least room: of the cgroups the process is in, as the walk read them, or the host's.
pub(super) fn of_memory<'a>(
    cgroup: Option<&str>,
    limited: impl Iterator<Item = &'a CgroupMemory>,
    host_left_bytes: Option<u64>,
) -> Option<MemoryRoom> {
    let above = limited.filter(|it| cgroup.is_some_and(|path| inside(&it.path, path)));
    let cgroups = above.map(|it| MemoryRoom {
        what: format!("the memory limit of {}", shown(&it.path)),
        source: "cgroup:memory",
        // Pages of files are given back before anything dies.
        left_bytes: it.limit_bytes.saturating_sub(it.usage_bytes.saturating_sub(it.file_bytes)),
    });
    let host = host_left_bytes.map(|left_bytes| MemoryRoom {
        what: "the host's memory (MemAvailable and SwapFree)".to_owned(),
        source: "proc:meminfo",
        left_bytes,
    });
    cgroups.chain(host).min_by_key(|room| room.left_bytes)
}

/// How long the process's threads that are alive have waited for a CPU, as far as the first of them say
/// (kernel Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat).
pub(super) fn queued(proc_root: &Path, key: ProcessKey) -> Option<Duration> {
    let directory = proc_root.join(key.pid.to_string());
    let threads = fs::read_dir(directory.join("task")).ok()?.flatten().take(THREADS);
    let waited = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let waited = waited.fold(0_u64, u64::saturating_add);
    (start_ticks(&directory) == Some(key.start_ticks)).then(|| Duration::from_nanos(waited))
}

/// What the host can still give: MemAvailable and SwapFree.
pub(super) fn host_memory_left(proc_root: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc_root.join("meminfo")).ok()?;
    let kb = |field| {
        let value = text.lines().find_map(|line| line.strip_prefix(field))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    kb("MemAvailable:")?.checked_add(kb("SwapFree:").unwrap_or(0))?.checked_mul(1024)
}

/// Whether `path` is `cgroup` or below it.
pub(super) fn inside(cgroup: &str, path: &str) -> bool {
    path.strip_prefix(cgroup).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn shown(path: &str) -> String {
    text::truncate(&text::printable(path), PATH_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_holds_itself_and_what_is_below() {
        for (path, want) in [("/a", true), ("/a/b", true), ("/ab", false), ("/", false), ("/b/a", false)] {
            assert_eq!(inside("/a", path), want, "{path}");
        }
    }

    #[test]
    fn the_memory_limit_that_binds_first_is_the_one_with_the_least_room() {
        let limited = |path: &str, usage_bytes, file_bytes, limit_bytes| CgroupMemory {
            path: path.into(),
            usage_bytes,
            file_bytes,
            limit_bytes,
        };
        let cgroups =
            [limited("/a", 900, 500, 1000), limited("/a/b", 300, 0, 1000), limited("/c", 999, 0, 1000)];
        for (cgroup, host, want) in [
            (Some("/a/b"), Some(5000), Some(("the memory limit of /a", 600))),
            (Some("/a/b"), Some(50), Some(("the host's memory (MemAvailable and SwapFree)", 50))),
            (Some("/x"), Some(5000), Some(("the host's memory (MemAvailable and SwapFree)", 5000))),
            (None, Some(5000), Some(("the host's memory (MemAvailable and SwapFree)", 5000))),
            (None, None, None),
        ] {
            let room = of_memory(cgroup, cgroups.iter(), host);
            let room = room.as_ref().map(|room| (room.what.as_str(), room.left_bytes));
            // /a leaves 600: 1000 less 400 that are no pages of files.
            assert_eq!(room, want, "{cgroup:?} {host:?}");
        }
    }

    #[test]
    fn this_hosts_limits_are_read() {
        let proc_root = Path::new("/proc");
        let host = HostTasks::read(proc_root, 100);
        assert!(host.limit.is_some_and(|limit| limit >= 301), "{host:?}");
        assert!(host_memory_left(proc_root).is_some_and(|left| left > 1 << 20));
        let pid = std::process::id();
        let start_ticks = start_ticks(&proc_root.join(pid.to_string())).unwrap();
        let me = ProcessKey { pid, start_ticks };
        let (room, _) = of_tasks(proc_root, &Hierarchy::None, me, &host);
        assert_eq!(room.map(|room| room.limit), host.limit);
        assert_eq!(of_user(proc_root, me, 0, 5), None, "root has no such limit");
        let other = ProcessKey { start_ticks: start_ticks + 1, ..me };
        assert_eq!(of_user(proc_root, other, 1000, 5), None, "a reused pid");
    }
}
