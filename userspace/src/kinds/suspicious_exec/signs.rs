//! The signs, one by one, each with what it is not.

use super::executed::{EXEC, Executed, Stdin, poses};
use super::facts::{ExecFact, Socket};
use crate::config::ExecLimits;
use crate::kinds::case::Statement;
use crate::model::{ProcessInfo, Severity};
use crate::programs::{self, Roles, roles_of};

/// One reason to suspect an exec.
pub(super) struct Sign {
    pub(super) severity: Severity,
    pub(super) facts: Vec<Statement>,
    pub(super) site: String,
}

impl Sign {
    fn new(severity: Severity, source: &str, fact: ExecFact, site: &str) -> Self {
        Self { severity, facts: vec![Statement::new(source, fact)], site: site.to_owned() }
    }
}

/// The signs that need no other: memory, deleted, posing, remote shell.
pub(super) fn strong(executed: &Executed<'_>) -> Vec<Sign> {
    let signs = [memory(executed), deleted(executed), posing(executed), remote_shell(executed)];
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

fn remote_shell(executed: &Executed<'_>) -> Option<Sign> {
    let it = executed.process;
    let stdin = executed.look?.stdin.filter(|_| programs::is_shell_name(&it.name))?;
    // A command or a script, beside which stdin is only input.
    let bare = it.argv.iter().skip(1).all(|argument| argument.starts_with('-') && !argument.ends_with('c'));
    let configured = roles_of(executed.parent_name).contains(Roles::SOCKET_STARTER);
    let by_ssh = executed.ancestors.iter().any(|above| roles_of(above).contains(Roles::SOCKET_STARTER));
    // The site is as it always was: a fault keeps its fingerprint.
    let (severity, socket, site) = match stdin {
        Stdin::Network if configured && !bare => return None,
        Stdin::Network => (Severity::Critical, Socket::Network, "a network socket"),
        Stdin::Local | Stdin::OtherSocket if !bare || by_ssh => return None,
        Stdin::Local => (Severity::Info, Socket::Local, "a local socket"),
        Stdin::OtherSocket => {
            (Severity::Warning, Socket::OtherFamily, "a socket that is neither local nor an internet socket")
        }
        Stdin::Ordinary => return None,
    };
    Some(Sign::new(severity, "proc:fd", ExecFact::ExecShellOnSocket { socket }, site))
}

/// The place a program was run from.
pub(super) struct Place {
    pub(super) sign: Sign,
    /// Whether anything makes it worse. By itself it is no reason to suspect anybody.
    pub(super) has_signs: bool,
}

/// The place it was run from, with what makes that worse.
pub(super) fn place(executed: &Executed<'_>, limits: &ExecLimits) -> Option<Place> {
    let it = executed.process;
    let looked = executed.look.map(|look| look.exe.as_str());
    let folder = |path: &str| limits.exec_folders.iter().find(|root| path.starts_with(root.as_str()));
    let path = [it.exe.as_deref(), looked].into_iter().flatten().find(|path| folder(path).is_some())?;
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let root = folder(path)?.as_str();
    let served =
        executed.ancestors.first().is_some_and(|parent| roles_of(parent).contains(Roles::NETWORK_SERVICE))
            || roles_of(executed.parent_name).contains(Roles::NETWORK_SERVICE);
    if (it.uid != Some(0) && !served) || is_below(executed, Roles::PACKAGE_MANAGER) {
        return None;
    }
    let owner = executed.look.and_then(|look| look.owner).filter(|owner| *owner != 0);
    let signs = [
        owner.map(|uid| ExecFact::ExecFileOwner { uid }),
        is_hidden(&path.as_bytes()[root.len()..]).then_some(ExecFact::ExecNameHidden {}),
        (root == "/dev/shm/").then_some(ExecFact::ExecFromSharedMemory {}),
        served.then(|| ExecFact::ExecByNetworkService { service: executed.parent_name.into() }),
    ];
    let folder = root.trim_end_matches('/').into();
    let mut facts = vec![Statement::new(EXEC, ExecFact::ExecFromOpenFolder { folder })];
    facts.extend(signs.into_iter().flatten().map(|sign| Statement::new("monitor:process", sign)));
    let has_signs = facts.len() > 1;
    let quiet = !has_signs || is_below(executed, Roles::BUILDER);
    let severity = if quiet { Severity::Info } else { Severity::Warning };
    Some(Place { sign: Sign { severity, facts, site: "place, with signs".to_owned() }, has_signs })
}

/// A hidden file, or below a hidden folder; not Rust's and AppImage's temporary folders.
pub(super) fn is_hidden(path: &[u8]) -> bool {
    let is_temporary = |part: &[u8]| part.starts_with(b".tmp") || part.starts_with(b".mount_");
    path.split(|byte| *byte == b'/').any(|part| part.starts_with(b".") && !is_temporary(part))
}

fn is_below(executed: &Executed<'_>, role: Roles) -> bool {
    executed.ancestors.iter().any(|above| roles_of(above).contains(role))
}

fn is_descriptor(exe: &str) -> bool {
    exe.starts_with("/dev/fd/") || exe.starts_with("/proc/") && exe.contains("/fd/")
}

/// Whether a process of user space has a kernel thread's name.
fn is_posing(process: &ProcessInfo) -> bool {
    poses(process.name.as_bytes()) || process.argv.first().is_some_and(|first| poses(first.as_bytes()))
}
