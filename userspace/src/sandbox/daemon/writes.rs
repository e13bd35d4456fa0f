//! Whether the daemon can still write what belongs to the system. Landlock would forbid that for good, but a domain of it
//! may not look at processes outside of it (kernel security/landlock/task.c, `hook_ptrace_access_check`):
//! /proc/PID/exe, root, fd, maps and environ of all others would be gone, and with them most of what the daemon is for.
//! So it is for who starts it, by another user or by file systems that are read-only to it; here it is looked at.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

/// Where what is run, configured and started again is kept, and what the kernel is told.
const PLACES: [&str; 6] = ["/", "/etc", "/usr", "/var/lib", "/root", "/proc/sys/kernel/core_pattern"];

pub(super) fn only_ones_own(data_dir: &Path) -> Result<()> {
    let mut open = Vec::new();
    for place in PLACES.into_iter().filter(|it| !Path::new(it).starts_with(data_dir)) {
        if can_write(place)? {
            open.push(place);
        }
    }
    ensure!(
        open.is_empty(),
        "it can write to {}: landlock would hide /proc/PID/exe, root, fd and maps of other processes; the systemd unit \
         and the containers make all but its data folder read-only to it",
        open.join(", ")
    );
    Ok(())
}

fn can_write(place: &str) -> Result<bool> {
    match accessat(CWD, place, Access::WRITE_OK, AtFlags::EACCESS) {
        Ok(()) => Ok(true),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::NOENT) => Ok(false),
        Err(error) => bail!("whether it can write to {place} is unknown: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let said = only_ones_own(dir.path());
        match can_write("/etc").unwrap() {
            true => assert!(said.unwrap_err().to_string().contains("/etc, ")),
            false => assert!(said.is_ok()),
        }
        assert!(!can_write("/nonexistent").unwrap());
        assert!(!can_write("/proc/version").unwrap() || rustix::process::geteuid().is_root());
        assert!(can_write(dir.path().to_str().unwrap()).unwrap());
    }
}
