//! Where the files of a process that just ended can still be reached: through the root directory of another one
//! that saw the same. `/proc/PID/root` leads there (proc_pid_root(5)) for as long as that one lives.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::cgroup;
use crate::kept::Kept;
use crate::model::ExitRecord;
use crate::stack::{KeptFile, Root};
use crate::state::process::{Begun, Process};
use crate::state::table::Table;

/// Others of its container that are tried. One that lives is enough.
const COMPANIONS: usize = 4;

/// The root of an ended process; `elsewhere`: that it was another than the host's was seen while it lived.
pub(super) fn root(
    process: &Process,
    exit: &ExitRecord,
    elsewhere: bool,
    table: &Table,
    proc_root: &Path,
) -> Root {
    let way = |pid: u32| proc_root.join(pid.to_string()).join("root");
    if !elsewhere && !in_container(process, exit) {
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

/// The copies of its files that were kept. One that only forked runs its parent's program; of one that a scan
/// found that is not known.
pub(super) fn kept(process: &Process, table: &Table, kept: &Kept) -> Vec<KeptFile> {
    let parent = Some(process.ppid).filter(|_| process.begun == Begun::End);
    let parent = parent.and_then(|pid| table.by_pid(pid)).map(|it| it.key);
    let keys: Vec<_> = [Some(process.key), parent].into_iter().flatten().collect();
    let container = process.cgroup.as_deref().and_then(cgroup::container_id);
    kept.of(&keys, container.as_deref())
}

/// Has a program's files kept that just began, where they may go with a container.
pub(super) fn keep(process: &Process, ns_pid: Option<u32>, kept: &Kept) {
    let container = process.cgroup.as_deref().and_then(cgroup::container_id);
    if container.is_some() || ns_pid.is_some_and(|pid| pid != process.key.pid) {
        kept.began(process.key, container.map(Cow::into_owned), process.exe.clone());
    }
}

/// The same of one that a scan found: the kernel does not say of each in which root it begins.
pub(super) fn keep_found(process: &Process, kept: &Kept) {
    if !process.kernel_thread {
        let container = process.cgroup.as_deref().and_then(cgroup::container_id);
        kept.found(process.key, container.map(Cow::into_owned));
    }
}

fn in_container(process: &Process, exit: &ExitRecord) -> bool {
    let own_pids = exit.ns_pid.is_some_and(|pid| pid != process.key.pid);
    own_pids || process.cgroup.as_deref().is_some_and(|path| cgroup::container_id(path).is_some())
}
