//! Limits on tasks: every thread of every process is one.

use std::fs;
use std::path::Path;

use super::facts::{LimitFact, TaskCeiling, TaskLimitKind};
use crate::cgroup::{self, Hierarchy};
use crate::evidence::start_ticks;
use crate::kinds::case::Statement;
use crate::kinds::watch::View;
use crate::model::ProcessKey;

impl TaskCeiling {
    /// How many more there may be.
    pub const fn left(&self) -> u64 {
        self.allowed.saturating_sub(self.used)
    }

    /// The limit as a fact.
    pub fn fact(&self) -> Statement {
        let source = match self.which {
            TaskLimitKind::Cgroup => "cgroup:pids",
            TaskLimitKind::User => "proc:limits",
            TaskLimitKind::Host => "proc:sys/kernel",
        };
        Statement::new(source, LimitFact::TaskLimit { limit: self.clone() })
    }
}

/// Tasks on the whole host, and how many there may be.
#[derive(Clone, Debug, Default)]
pub struct HostTasks {
    pub(super) used: u64,
    pub(super) limit: Option<u64>,
}

impl HostTasks {
    /// As the last scan counted them.
    pub fn of(view: View<'_>) -> Self {
        let live = view.table.live().filter(|it| !it.kernel_thread);
        let used = live.filter_map(|it| it.sample).map(|sample| sample.threads).sum();
        Self::read(&view.sources.proc_root, used)
    }

    /// The lower of threads-max and pid_max, each the host's (proc_sys_kernel(5)).
    pub(super) fn read(proc_root: &Path, used: u64) -> Self {
        let number = |name: &str| {
            fs::read_to_string(proc_root.join("sys/kernel").join(name)).ok()?.trim().parse().ok()
        };
        let limit = [number("threads-max"), number("pid_max")].into_iter().flatten().min();
        Self { used, limit }
    }

    fn ceiling(&self) -> Option<TaskCeiling> {
        Some(TaskCeiling {
            which: TaskLimitKind::Host,
            cgroup: None,
            uid: None,
            allowed: self.limit?,
            used: self.used,
        })
    }
}

/// The limit on tasks with the least room, and how many forks its cgroup refused so far.
pub fn of_tasks(
    proc_root: &Path,
    hierarchy: &Hierarchy,
    key: ProcessKey,
    host: &HostTasks,
) -> (Option<TaskCeiling>, Option<u64>) {
    let directory = proc_root.join(key.pid.to_string());
    let text = fs::read_to_string(directory.join("cgroup")).ok();
    let text = text.filter(|_| start_ticks(&directory) == Some(key.start_ticks));
    let cgroup = text.and_then(|text| cgroup::task_limit(hierarchy, &text));
    let host = host.ceiling();
    match cgroup {
        Some(it) if host.as_ref().is_none_or(|host| it.left() <= host.left()) => {
            let ceiling = TaskCeiling {
                which: TaskLimitKind::Cgroup,
                cgroup: Some(it.path.into()),
                uid: None,
                allowed: it.limit,
                used: it.used,
            };
            (Some(ceiling), it.refused)
        }
        _ => (host, None),
    }
}

/// RLIMIT_NPROC of a process whose user has `used` tasks. Root and whoever has CAP_SYS_RESOURCE may exceed it
/// (getrlimit(2)), so it is not asked for user 0.
pub fn of_user(proc_root: &Path, key: ProcessKey, uid: u32, used: u64) -> Option<TaskCeiling> {
    if uid == 0 {
        return None;
    }
    let directory = proc_root.join(key.pid.to_string());
    let text = fs::read_to_string(directory.join("limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max processes"))?;
    let allowed = line.split_whitespace().next()?.parse().ok()?;
    let same = start_ticks(&directory) == Some(key.start_ticks);
    same.then_some(TaskCeiling { which: TaskLimitKind::User, cgroup: None, uid: Some(uid), allowed, used })
}
