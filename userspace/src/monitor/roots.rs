//! Where the files of a process that just ended can still be reached: through the root directory of another one
//! that saw the same. `/proc/PID/root` leads there (proc_pid_root(5)) for as long as that one lives.

use std::path::{Path, PathBuf};

use crate::cgroup;
use crate::model::ExitRecord;
use crate::stack::Root;
use crate::state::process::Process;
use crate::state::table::Table;

/// Others of its container that are tried. One that lives is enough.
const COMPANIONS: usize = 4;

/// The root of an ended process.
pub(super) fn root(process: &Process, exit: &ExitRecord, table: &Table, proc_root: &Path) -> Root {
    let way = |pid: u32| proc_root.join(pid.to_string()).join("root");
    if !in_container(process, exit) {
        // Not ours where we run in a container ourselves; the same else. The second needs no privilege.
        return Root::Host(vec![way(1), PathBuf::from("/")]);
    }
    // Itself: a core dump may still hold it. Its parent: most are of the same container. Then whoever shares its
    // cgroup, where that is known: not all of those need be in its container, as who joined it.
    let shares = |it: &&Process| it.cgroup.is_some() && it.cgroup == process.cgroup && it.key != process.key;
    let companions = table.live().filter(shares).take(COMPANIONS).map(|it| it.key.pid);
    let ways = [process.key.pid, process.ppid].into_iter().chain(companions).map(way).collect();
    Root::Another { ways, host: way(1) }
}

fn in_container(process: &Process, exit: &ExitRecord) -> bool {
    let own_pids = exit.ns_pid.is_some_and(|pid| pid != process.key.pid);
    own_pids || process.cgroup.as_deref().is_some_and(|path| cgroup::container_id(path).is_some())
}
