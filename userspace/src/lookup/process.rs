//! What can only be told of a running process by looking at files: who owns its program, and whether that is still in
//! place under its name.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::mounts::{MayHang, Mounts};
use super::names::{LastLink, find};
use super::root::{Base, Root, base};

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfProcess {
    /// Whether its root can be reached: that of one that has ended can't (proc_pid_root(5)).
    pub has_root: bool,
    /// Whether there is a file at the path asked about. `None`: its file system may hang, and is not asked.
    pub in_place: Option<bool>,
    /// Who owns its program. `None`: it is gone, or its file system may hang.
    pub owner: Option<u32>,
    /// Whether its program gives who runs it its owner's rights (set-user-ID, inode(7)).
    pub gives_rights: bool,
}

/// Looks at the process in `directory`, `/proc/PID`, for the file that its program was.
pub fn of_process(directory: &Path, program: Option<&Path>, owner: bool) -> OfProcess {
    let root = base(&Root::Host(vec![directory.join("root")])).ok();
    let in_place = program.and_then(|path| {
        // Its own root: a container's path means nothing here.
        let there = root.as_ref().map_or(Some(false), |root| is_there(root, path));
        match there {
            Some(false) if shares_our_mounts(directory) => {
                base(&Root::Ours).map_or(Some(false), |ours| is_there(&ours, path))
            }
            there => there,
        }
    });
    let program = if owner { self::program(directory) } else { None };
    let (owner, gives_rights) = program.unzip();
    OfProcess { has_root: root.is_some(), in_place, owner, gives_rights: gives_rights == Some(true) }
}

/// A link that leads nowhere is there, too.
fn is_there(root: &Base, path: &Path) -> Option<bool> {
    match find(root, path, LastLink::Itself) {
        Ok(_) => Some(true),
        Err(error) if error.is::<MayHang>() => None,
        Err(_) => Some(false),
    }
}

/// In chroot(2) and in our own mount namespace the path is as seen from here (kernel fs/d_path.c, d_path).
fn shares_our_mounts(directory: &Path) -> bool {
    let namespace = |directory: &Path| fs::metadata(directory.join("ns/mnt")).ok().map(|it| it.ino());
    let ours = namespace(Path::new("/proc/self"));
    ours.is_some() && namespace(directory) == ours
}

/// Who owns the program, and whether it gives that user's rights.
fn program(directory: &Path) -> Option<(u32, bool)> {
    let exe = openat(CWD, directory.join("exe"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    Mounts::seen_from(&directory.join("root")).check(&exe).ok()?;
    fstat(&exe).ok().map(|it| (it.st_uid, Mode::from_raw_mode(it.st_mode).contains(Mode::SUID)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_program_is_in_place_or_gone_and_has_an_owner() {
        let folder = tempfile::tempdir().unwrap();
        symlink("nowhere", folder.path().join("link")).unwrap();
        let own = std::env::current_exe().unwrap();
        let me = Path::new("/proc/self");
        for (path, want) in [
            (own.as_path(), Some(true)),
            (&folder.path().join("link"), Some(true)),
            (&folder.path().join("gone"), Some(false)),
            (Path::new("/proc/version"), None),
        ] {
            let found = of_process(me, Some(path), false);
            assert_eq!(
                found,
                OfProcess { has_root: true, in_place: want, ..OfProcess::default() },
                "{path:?}"
            );
        }
        let user = fs::metadata(&own).unwrap().uid();
        let found = of_process(me, None, true);
        assert_eq!((found.in_place, found.owner, found.gives_rights), (None, Some(user), false));
        assert_eq!(
            of_process(Path::new("/proc/0"), Some(&own), true),
            OfProcess { in_place: Some(false), ..OfProcess::default() }
        );
    }
}
