//! The signs, one by one, each with what it is not.

mod place;
mod remote;
mod sign;

use super::executed::{EXEC, Executed, poses};
use super::facts::ExecFact;
use crate::kinds::case::Statement;
use crate::model::{ProcessInfo, Severity};
use crate::programs::{Roles, is_shell_name, roles_of};

pub(super) use place::{is_hidden, place};
pub(super) use sign::Sign;

use sign::{PERSONS, is_below};

/// The signs that need no other: memory, deleted, posing, remote shell, rights, preload.
pub(super) fn strong(executed: &Executed<'_>) -> Vec<Sign> {
    let signs = [
        memory(executed),
        deleted(executed),
        posing(executed),
        remote::shell(executed),
        rights(executed),
        preload(executed),
    ];
    signs.into_iter().flatten().collect()
}

fn memory(executed: &Executed<'_>) -> Option<Sign> {
    let it = executed.process;
    let exe = executed.look.map(|look| look.exe.as_str()).or(it.exe.as_deref())?;
    // Since 6.14 an exec by descriptor is named after its file (kernel fs/exec.c, `alloc_bprm`).
    let name = match exe.strip_prefix("/memfd:") {
        Some(name) => name.strip_suffix(" (deleted)").unwrap_or(name),
        None if executed.look.is_none() && is_descriptor(exe) => it.name.strip_prefix("memfd:")?,
        None => return None,
    };
    let root = it.uid == Some(0);
    if root && name.contains("_cloned:") && roles_of(executed.parent_name).contains(Roles::CONTAINER_RUNTIME)
    {
        return None;
    }
    // Whoever rules init rules the host already.
    let of_init = root && it.ppid == 1 && !roles_of(executed.parent_name).contains(Roles::INIT);
    let severity = if of_init { Severity::Info } else { Severity::Warning };
    Some(Sign::new(severity, "proc:exe", ExecFact::ExecFromMemory { memfd: name.into() }, "memfd"))
}

fn deleted(executed: &Executed<'_>) -> Option<Sign> {
    let look = executed.look.filter(|look| look.is_deleted && !look.exe.starts_with("/memfd:"))?;
    if !executed.has_just_begun {
        return None;
    }
    let build = is_below(executed, Roles::BUILDER) || is_below(executed, Roles::PACKAGE_MANAGER);
    let severity = if build { Severity::Info } else { Severity::Warning };
    let path = look.exe.strip_suffix(" (deleted)").unwrap_or(&look.exe).into();
    Some(Sign::new(severity, "proc:exe", ExecFact::ExecFileDeleted { path }, "deleted"))
}

fn posing(executed: &Executed<'_>) -> Option<Sign> {
    let it = executed.process;
    if !is_posing(it) {
        return None;
    }
    let argv0 = it.argv.first().map(|first| first.as_str().into());
    let fact = ExecFact::ExecNamedAsKernelThread { name: it.name.as_str().into(), argv0 };
    Some(Sign::new(Severity::Warning, EXEC, fact, "posing"))
}

/// Root's rights for somebody else: a shell that keeps them, or a file that gives them and is no installed program's.
fn rights(executed: &Executed<'_>) -> Option<Sign> {
    let (it, look) = (executed.process, executed.look?);
    if it.uid == Some(0) {
        return None;
    }
    let kept = ExecFact::ExecRightsKept { uid: it.uid };
    let shell = is_shell_name(&it.name) || is_shell_name(&look.exe);
    if look.gives_rights && look.owner == Some(0) && (shell || !is_installed(&look.exe)) {
        let path = look.exe.strip_suffix(" (deleted)").unwrap_or(&look.exe).into();
        let gives = ExecFact::ExecFileGivesRights { path };
        let mut sign = Sign::new(Severity::Critical, "proc:exe", gives, "rights");
        sign.facts.extend(look.has_rights.then(|| Statement::new("proc:status", kept)));
        return Some(sign);
    }
    let kept =
        (look.has_rights && shell).then(|| Sign::new(Severity::Warning, "proc:status", kept, "rights"));
    kept.filter(|_| !is_below(executed, Roles::PACKAGE_MANAGER))
}

/// Where packages put their programs, and nobody else does.
fn is_installed(exe: &str) -> bool {
    const FOLDERS: [&str; 10] = [
        "/usr/",
        "/bin/",
        "/sbin/",
        "/lib/",
        "/lib64/",
        "/opt/",
        "/snap/",
        "/nix/",
        "/gnu/",
        "/run/wrappers/",
    ];
    FOLDERS.iter().any(|folder| exe.starts_with(folder))
        && !exe.starts_with("/usr/local/")
        && !is_hidden(exe.as_bytes())
}

/// A library that anybody may have put there runs in it before its own code.
fn preload(executed: &Executed<'_>) -> Option<Sign> {
    let look = executed.look?;
    let path = look.preload.clone()?;
    let is_person = executed.process.uid.is_some_and(|uid| uid >= PERSONS);
    // What an AppImage has mounted for itself.
    let is_mounted = path.contains("/.mount_") && is_person;
    if is_mounted || is_below(executed, Roles::PACKAGE_MANAGER) {
        return None;
    }
    let quiet = look.has_terminal && is_person
        || is_below(executed, Roles::BUILDER)
        || is_below(executed, Roles::TEST_RUNNER);
    let severity = if quiet { Severity::Info } else { Severity::Warning };
    Some(Sign::new(severity, "proc:environ", ExecFact::ExecPreload { path: path.into() }, "preload"))
}

fn is_descriptor(exe: &str) -> bool {
    exe.starts_with("/dev/fd/") || exe.starts_with("/proc/") && exe.contains("/fd/")
}

/// Whether a process of user space has a kernel thread's name.
fn is_posing(process: &ProcessInfo) -> bool {
    poses(process.name.as_bytes()) || process.argv.first().is_some_and(|first| poses(first.as_bytes()))
}
