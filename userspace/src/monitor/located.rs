//! In which container a process is, and who reads what that is called.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use crate::cgroup;
use crate::children::Toucher;
use crate::lookup::{self, Root};
use crate::runtimes::{Access, Containers};
use crate::state::Process;

/// Longest wait for one file of a runtime's.
const FILE_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for one process's arguments, and most bytes of them.
const ARGV_PATIENCE: Duration = Duration::from_millis(200);
const ARGV_BYTES_MAX: u64 = 16 << 10;

/// Says with the process in which container it is. Costs a look into a map.
pub(super) fn locate(containers: &mut Containers, process: &mut Process) {
    let Some(cgroup) = &process.cgroup else { return };
    process.container = containers.of(cgroup, [process.key.pid, process.ppid], |path| {
        // Machines of systemd-nspawn and LXC have names already.
        cgroup::container_id(path).filter(|id| cgroup::is_hex_id(id)).map(Cow::into_owned)
    });
}

/// The containers of this host, about which a helper reads what their runtimes wrote; without one, a thread of a command
/// that ends soon. `refused` counts those that there is no time for.
pub fn containers(proc_root: &Path, toucher: Option<&Arc<Toucher>>, refused: Counter) -> Containers {
    let proc_root = proc_root.to_owned();
    // The host's, where we are in a container ourselves.
    let root = Root::Host(vec![proc_root.join("1/root"), "/".into()]);
    let arguments_of = proc_root.clone();
    let cmdline = move |pid: u32| File::open(arguments_of.join(pid.to_string()).join("cmdline")).ok();
    let access = match toucher.cloned() {
        Some(toucher) => {
            let asked = Arc::clone(&toucher);
            Access {
                first: Box::new(move |paths, max| toucher.first(&root, paths, max, FILE_PATIENCE)),
                argv: Box::new(move |pid| asked.read(cmdline(pid)?, ARGV_BYTES_MAX, ARGV_PATIENCE)),
                proc_root,
            }
        }
        None => Access {
            first: Box::new(move |paths, max| first(&root, paths, max)),
            argv: Box::new(move |pid| read(cmdline(pid)?, ARGV_BYTES_MAX)),
            proc_root,
        },
    };
    Containers::new(access, refused)
}

fn first(root: &Root, paths: &[PathBuf], max: u64) -> Option<(usize, Vec<u8>)> {
    let (number, file) = lookup::first(&lookup::base(root).ok()?, paths.iter().cloned())?;
    Some((number, read(file, max)?))
}

fn read(file: File, max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
