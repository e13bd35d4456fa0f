//! Which limit binds first, and how limits are told of.

use std::path::Path;

use expect_test::expect;

use super::facts::{LimitFact, MemoryCeiling, MemoryLimitKind, TaskCeiling, TaskLimitKind};
use super::*;
use crate::cgroup::Hierarchy;
use crate::evidence::start_ticks;
use crate::kinds::fixture;
use crate::model::{Name, ProcessKey};
use crate::observation::CgroupMemory;

#[test]
fn the_memory_limit_that_binds_first_is_the_one_with_the_least_room() {
    let limited = |path: &str, usage_bytes, file_bytes, limit_bytes| CgroupMemory {
        path: path.into(),
        usage_bytes,
        file_bytes,
        limit_bytes,
    };
    let cgroups = [limited("/a", 900, 500, 1000), limited("/a/b", 300, 0, 1000), limited("/c", 999, 0, 1000)];
    for (cgroup, host, want) in [
        (Some("/a/b"), Some(5000), Some((MemoryLimitKind::Cgroup, Some("/a"), 600))),
        (Some("/a/b"), Some(50), Some((MemoryLimitKind::Host, None, 50))),
        (Some("/x"), Some(5000), Some((MemoryLimitKind::Host, None, 5000))),
        (None, Some(5000), Some((MemoryLimitKind::Host, None, 5000))),
        (None, None, None),
    ] {
        let limit = of_memory(cgroup, &cgroups, host);
        // /a leaves 600: 1000 less 400 that are no pages of files.
        let found = limit.as_ref().map(|it| (it.which, it.cgroup.as_ref().map(Name::raw), it.left_bytes));
        assert_eq!(found, want, "{cgroup:?} {host:?}");
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
    let (limit, _) = of_tasks(proc_root, &Hierarchy::None, me, &host);
    assert_eq!(limit.map(|it| it.allowed), host.limit);
    assert_eq!(of_user(proc_root, me, 0, 5), None, "root has no such limit");
    let other = ProcessKey { start_ticks: start_ticks + 1, ..me };
    assert_eq!(of_user(proc_root, other, 1000, 5), None, "a reused pid");
}

#[test]
fn statements_are_values_first() {
    let tasks = |which, cgroup: Option<&str>, uid| LimitFact::TaskLimit {
        limit: TaskCeiling { which, cgroup: cgroup.map(Into::into), uid, allowed: 100, used: 95 },
    };
    let memory = |which, cgroup: Option<&str>| LimitFact::MemoryLeft {
        limit: MemoryCeiling { which, cgroup: cgroup.map(Into::into), left_bytes: 100 << 20 },
        lasts_ms: 600_000,
    };
    let statements = [
        tasks(TaskLimitKind::Cgroup, Some("/a\x1b[2J\n/b"), None),
        tasks(TaskLimitKind::User, None, Some(1000)),
        tasks(TaskLimitKind::Host, None, None),
        memory(MemoryLimitKind::Cgroup, Some("/app")),
        memory(MemoryLimitKind::Host, None),
    ];
    fixture::check_statements(
        &statements.map(Into::into),
        &expect![[r#"
        {"type":"task_limit","limit":{"which":"cgroup","cgroup":"/a\u001b[2J\n/b","uid":null,"allowed":100,"used":95}}
          pids.max of /a�[2J /b is 100, and 95 tasks count against it
        {"type":"task_limit","limit":{"which":"user","cgroup":null,"uid":1000,"allowed":100,"used":95}}
          RLIMIT_NPROC of user 1000 is 100, and 95 tasks count against it
        {"type":"task_limit","limit":{"which":"host","cgroup":null,"uid":null,"allowed":100,"used":95}}
          the host's limit of tasks (threads-max, pid_max) is 100, and 95 tasks count against it
        {"type":"memory_left","limit":{"which":"cgroup","cgroup":"/app","left_bytes":104857600},"lasts_ms":600000}
          the memory limit of /app leaves 100.0 MiB: at this rate it lasts 10 min
        {"type":"memory_left","limit":{"which":"host","cgroup":null,"left_bytes":104857600},"lasts_ms":600000}
          the host's memory (MemAvailable and SwapFree) leaves 100.0 MiB: at this rate it lasts 10 min
    "#]],
    );
}
