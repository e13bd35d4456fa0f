//! tracefs, where classic tracepoints have their numbers and formats: as it is mounted, or else mounted for one thread
//! alone, in a mount namespace that ends with it. The host's mounts are never changed.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;

/// Where tracefs belongs, and where it is beside debugfs (kernel Documentation/trace/ftrace.rst): the two places that
/// the loader knows.
const MOUNTED: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Runs `work` where tracefs is at the path it is given.
pub(super) fn with<T: Send>(work: impl FnOnce(&Path) -> Result<T> + Send) -> Result<T> {
    if let Some(mounted) = MOUNTED.map(Path::new).into_iter().find(|path| path.join("events").is_dir()) {
        return work(mounted);
    }
    thread::scope(|scope| {
        let own = thread::Builder::new().name("tracefs".to_owned()).spawn_scoped(scope, || {
            let path = Path::new(MOUNTED[0]);
            mount_privately(path).with_context(|| {
                format!("tracefs is not mounted, and cannot be: mount -t tracefs tracefs {}", path.display())
            })?;
            work(path)
        });
        let joined = own.context("cannot start a thread")?.join();
        joined.unwrap_or_else(|_| Err(anyhow!("the thread with tracefs ended in a panic")))
    })
}

/// Only for the calling thread, which must end after this.
fn mount_privately(path: &Path) -> Result<()> {
    #[expect(deprecated, reason = "unsafe only for descriptor tables, which are left alone")]
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    // What is mounted here must not appear where the namespace was copied from.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount("tracefs", path, "tracefs", flags, None)?;
    fs::read_dir(path.join("events"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_for_the_work_and_nowhere_else() {
        let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
        let before = mounts();
        match with(|path| Ok(path.join("events/sched/sched_process_exit/format").is_file())) {
            Ok(found) => assert!(found),
            Err(error) => super::super::report_skip("it_is_there_for_the_work", &format!("{error:#}")),
        }
        assert_eq!(mounts(), before);
    }
}
