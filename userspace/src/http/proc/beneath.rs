//! Opening what is below a root or a process's folder, never through a link, and what it means when that fails.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
}

/// Why there is nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The process is gone, or has been replaced by another with its pid.
    Gone,
    /// The process is there, the file is not: this kernel, or this process, has none.
    NoFile,
    /// The daemon lacks the privilege.
    Denied,
    /// It is not the plain file or directory it should be.
    NotPlain,
    /// Anything else.
    Failed(Errno),
}

/// Opens one name in a directory, or one below a process's; never through a link of any kind.
pub(super) fn open_beneath(directory: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    debug_assert!(!name.split('/').any(|it| it.is_empty() || it.starts_with('.')), "plain names");
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(directory, name, flags, Mode::empty(), beneath) {
        // Before 5.6, or behind a seccomp filter that does not know it (some of those say EPERM). With one
        // plain name and O_NOFOLLOW the old call leads nowhere else either; a process's folder is no link.
        Err(Errno::NOSYS | Errno::PERM) => openat(directory, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// What an error means where the process itself was looked for.
pub(super) fn process_refusal(errno: Errno) -> Refusal {
    match Refusal::from(errno) {
        Refusal::NoFile => Refusal::Gone,
        refusal => refusal,
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::SRCH => Self::Gone,
            // EINVAL: such as the mounts of a zombie (kernel fs/proc_namespace.c).
            Errno::NOENT | Errno::INVAL => Self::NoFile,
            Errno::ACCESS | Errno::PERM => Self::Denied,
            Errno::LOOP | Errno::XDEV | Errno::ISDIR | Errno::NOTDIR => Self::NotPlain,
            other => Self::Failed(other),
        }
    }
}
