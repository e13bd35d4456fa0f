//! From a name to what it names, one component after another, so that each mount is looked at before it is entered.
//! No name leads out of the root: `..` goes back to where we came from, an absolute link to the root.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};

use super::root::Base;

/// As many as the kernel follows (kernel include/linux/namei.h, `MAXSYMLINKS`).
const LINKS_MAX: usize = 40;
/// Components, those of links included: longer is no honest name.
const COMPONENTS_MAX: usize = 512;

/// What was found: open, but neither for reading nor for writing.
pub(super) struct Found {
    /// By `O_PATH`.
    pub(super) fd: OwnedFd,
    /// What it is.
    pub(super) kind: FileType,
}

/// What of a link that a path ends in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLink {
    /// It is what is meant.
    Itself,
    /// What it leads to is meant.
    Followed,
}

/// Finds `path` as a process with this root would.
pub(super) fn find(base: &Base, path: &Path, last: LastLink) -> Result<Found> {
    if !path.is_absolute() {
        bail!("its name is not absolute");
    }
    base.mounts.check(&base.directory)?;
    let mut inside: Vec<OwnedFd> = vec![];
    let mut rest: Vec<OsString> = components(path.as_os_str());
    let (mut links, mut steps) = (0, 0);
    while let Some(name) = rest.pop() {
        steps += 1;
        if steps > COMPONENTS_MAX {
            bail!("its name has too many parts");
        }
        if name == ".." {
            inside.pop();
            continue;
        }
        let here = inside.last().unwrap_or(&base.directory);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(here, &name, flags, Mode::empty())?;
        base.mounts.check(&fd)?;
        match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
            FileType::Directory => inside.push(fd),
            FileType::Symlink if last == LastLink::Followed || !rest.is_empty() => {
                links += 1;
                if links > LINKS_MAX {
                    bail!("its name leads through too many links");
                }
                let target = OsString::from_vec(readlinkat(&fd, "", vec![])?.into_bytes());
                if Path::new(&target).is_absolute() {
                    inside.clear();
                }
                rest.extend(components(&target));
            }
            kind if rest.is_empty() => return Ok(Found { fd, kind }),
            _ => bail!("a part of its name is no directory"),
        }
    }
    let fd = inside.pop().map_or_else(|| base.directory.try_clone(), Ok).context("no more descriptors")?;
    Ok(Found { fd, kind: FileType::Directory })
}

/// The last one first.
fn components(path: &OsStr) -> Vec<OsString> {
    let parts = path.as_bytes().split(|byte| *byte == b'/');
    let parts = parts.filter(|part| !part.is_empty() && *part != b".");
    parts.rev().map(|part| OsStr::from_bytes(part).to_owned()).collect()
}
