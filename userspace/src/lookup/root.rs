//! The root directory of a process that may be gone, and the mount tables that say what is mounted in it.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use serde::{Deserialize, Serialize};

use super::mounts::Mounts;

/// The root directory of a process that may be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// The one we see ourselves.
    #[default]
    Ours,
    /// Another, to be reached by the first of `ways` that can be opened and leads elsewhere than `host`. By none:
    /// its files are gone with it, and others of the same names are not taken for them.
    Another {
        /// Paths to try.
        ways: Vec<PathBuf>,
        /// The host's root directory.
        host: PathBuf,
    },
    /// The host's, whatever ours is: by the first of these that can be opened.
    Host(Vec<PathBuf>),
}

/// A root directory that is open.
pub struct Base {
    pub(super) directory: OwnedFd,
    /// The mount namespace that it is seen in (namespaces(7)), where that may be asked.
    namespace: Option<PathBuf>,
    pub(super) mounts: Mounts,
}

/// The root directory; an error where it can't be reached any more.
pub fn base(root: &Root) -> Result<Base> {
    let found = match root {
        Root::Ours => directory(Path::new("/")),
        Root::Host(ways) => ways.iter().find_map(|way| directory(way)),
        Root::Another { ways, host } => {
            // Where that of the first process may not be looked at, as in some sandboxes, it is the one we see.
            let host = directory(host).or_else(|| directory(Path::new("/")));
            let differs = |it: &Base| !host.as_ref().is_some_and(|host| it.is(host));
            ways.iter().filter_map(|way| directory(way)).find(differs)
        }
    };
    found.context("the process's root directory, such as its container's, is gone")
}

fn directory(path: &Path) -> Option<Base> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty()).ok()?;
    // Beside a process's root in /proc is its namespace; of our own root it is ours.
    let process = path.parent().unwrap_or(Path::new("/proc/self"));
    let namespace = fs::read_link(process.join("ns/mnt")).ok();
    Some(Base { directory, namespace, mounts: Mounts::seen_from(path) })
}

impl Base {
    /// By what its file system says, which is asked only where it can't keep anybody waiting. In another mount namespace
    /// other files are in it, even if it is the same directory.
    pub(super) fn is(&self, other: &Self) -> bool {
        let elsewhere = |(own, others): (&PathBuf, &PathBuf)| own != others;
        if self.namespace.as_ref().zip(other.namespace.as_ref()).is_some_and(elsewhere) {
            return false;
        }
        let id = |it: &Self| {
            it.mounts.check(&it.directory).ok()?;
            fstat(&it.directory).ok().map(|stat| (stat.st_dev, stat.st_ino))
        };
        id(self).is_some() && id(self) == id(other)
    }
}
