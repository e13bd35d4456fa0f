//! Suspicious exec: a program that began in a way that installed programs do not.
//!
//! To an operator: unless it is known, somebody has got in. Signs, each cited:
//!
//! - *memory*: it runs from a memfd. Warning. Not: a container runtime's clone of itself; info where the host's own,
//!   unusual init starts its helpers so;
//! - *deleted*: its file is gone though it has just begun, and nothing is in its place. Warning; info below a build. Not:
//!   a program that was replaced (the path is there again);
//! - *place*: run from /tmp, /var/tmp or /dev/shm by root. Info alone, for test suites do that; a warning from /dev/shm
//!   and together with: a file that another user owns, a hidden name, a parent that serves the network (then whoever
//!   runs it). Never more than info below a build; not below a package manager;
//! - *posing*: a kernel thread's name on a program of user space. Warning;
//! - *remote shell*: a shell whose stdin is a network socket. Critical. Info for a bare shell on a local socket, which
//!   editors and agents start too. Not: what inetd and systemd start for a connection, a shell on sshd's socket pair.
//!
//! Limits: `exec_folders` and `exec_fresh` (deleted).
//!
//! Two of memory, deleted, posing and remote shell are critical. What was gone before it could be looked at is judged
//! by what the kernel said of the exec alone.

pub mod facts;
pub mod verdict;
pub mod words;

use crate::config::ExecLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Who;
use crate::kinds::room::{Nature, Room, at_once};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::programs::{self, Roles, is_kernel_thread, roles_of};
use facts::{ExecFact, Socket};

/// This kind.
pub const ROOM: Room = Room {
    label: "Suspicious exec",
    nature: Nature::Happens,
    // Programs in temporary folders have ever new names.
    is_of_cgroup: |site| site.starts_with(PLACE),
    explains: &[],
    patience: at_once,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
};

/// What fd 0 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// A socket of the internet's families.
    Network,
    /// A socket of this host (unix(7)).
    Local,
    /// A socket of another family.
    OtherSocket,
    /// No socket.
    Ordinary,
}

/// What a look at the process found, a moment after its exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Where `/proc/PID/exe` points.
    pub exe: String,
    /// Whether that file is gone, with nothing in its place.
    pub is_deleted: bool,
    /// The file's owner.
    pub owner: Option<u32>,
    /// Its fd 0, where it is a shell.
    pub stdin: Option<Stdin>,
}

/// A program that began, and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub struct Executed<'a> {
    /// Who; `exe` as given to execve(2), or where it points.
    pub process: &'a ProcessInfo,
    /// The name of the parent at the exec.
    pub parent_name: &'a str,
    /// The programs above it, the parent first.
    pub ancestors: &'a [String],
    /// Whether the exec was a moment ago: of an older process nothing follows from a file that is gone.
    pub has_just_begun: bool,
    /// What is to be seen of it; `None` where it was gone by then.
    pub look: Option<&'a Look>,
}

/// What has to be looked at before an exec can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The executable.
    pub exe: bool,
    /// The executable again, after a moment.
    pub exe_later: bool,
    /// fd 0.
    pub stdin: bool,
    /// The executable, because the process has a kernel thread's name.
    pub posing: bool,
}

impl Wanted {
    /// Whether there is anything to look at.
    pub const fn any(self) -> bool {
        self.exe || self.stdin
    }
}

/// What to look at for a program with these names; decided for each exec, so without allocating.
pub fn wanted(comm: &[u8], argv: &[u8], exe: Option<&[u8]>, uid: Option<u32>, limits: &ExecLimits) -> Wanted {
    let exe = exe.unwrap_or_default();
    let descriptor =
        exe.starts_with(b"/dev/fd/") || exe.starts_with(b"/proc/") || exe.starts_with(b"/memfd:");
    let temporary = limits.exec_folders.iter().any(|root| exe.starts_with(root.as_bytes()));
    // A relative path may lead there.
    let relative = !exe.is_empty() && !exe.starts_with(b"/") && uid == Some(0);
    let first = argv.split(|byte| *byte == 0).next().unwrap_or_default();
    let posing = poses(comm) || poses(first);
    let shell = std::str::from_utf8(comm).is_ok_and(programs::is_shell_name);
    let exe = descriptor || temporary || relative || posing || shell;
    Wanted { exe, exe_later: temporary, stdin: shell, posing }
}

/// Whether a process of user space has a kernel thread's name.
fn is_posing(process: &ProcessInfo) -> bool {
    poses(process.name.as_bytes()) || process.argv.first().is_some_and(|first| poses(first.as_bytes()))
}

/// The finding on an exec, if any.
pub fn detect(executed: &Executed<'_>, limits: &ExecLimits) -> Option<Draft> {
    let strong: Vec<Sign> = [memory(executed), deleted(executed), posing(executed), remote_shell(executed)]
        .into_iter()
        .flatten()
        .collect();
    let place = place(executed, limits);
    let severity =
        strong.iter().map(|sign| sign.severity).chain(place.as_ref().map(|it| it.severity)).max()?;
    let telling = strong.iter().filter(|sign| sign.severity >= Severity::Warning).count();
    let severity = if telling > 1 { Severity::Critical } else { severity };
    let mut signs: Vec<Sign> = strong.into_iter().chain(place).collect();
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.severity));
    let site = signs.first().map(|sign| sign.site.clone()).unwrap_or_default();
    let mut facts: Vec<_> = signs.into_iter().flat_map(|sign| sign.facts).collect();
    facts.push(Statement::new(EXEC, began(executed)));
    if executed.look.is_none() {
        facts.push(Statement::new("monitor:process", ExecFact::ExecUnseen {}));
    }
    Some(Draft { kind: IncidentKind::SuspiciousExec, severity, facts, site, summary: String::new() })
}

/// The kernel's record of the exec.
const EXEC: &str = "kernel:sched_process_exec";

/// One reason to suspect an exec.
struct Sign {
    severity: Severity,
    facts: Vec<Statement>,
    site: String,
}

impl Sign {
    fn new(severity: Severity, source: &str, fact: ExecFact, site: &str) -> Self {
        Self { severity, facts: vec![Statement::new(source, fact)], site: site.to_owned() }
    }
}

fn began(executed: &Executed<'_>) -> ExecFact {
    let it = executed.process;
    let path = it.exe.as_deref().map(Into::into);
    ExecFact::ExecStarted {
        path,
        uid: it.uid,
        parent: Who { name: executed.parent_name.into(), pid: it.ppid },
    }
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
        Stdin::OtherSocket => (
            Severity::Warning,
            Socket::OtherFamily,
            "a socket of a family that is neither local nor the internet's",
        ),
        Stdin::Ordinary => return None,
    };
    Some(Sign::new(severity, "proc:fd", ExecFact::ExecShellOnSocket { socket }, site))
}

fn place(executed: &Executed<'_>, limits: &ExecLimits) -> Option<Sign> {
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
        is_hidden(&path[root.len()..]).then_some(ExecFact::ExecNameHidden {}),
        (root == "/dev/shm/").then_some(ExecFact::ExecFromSharedMemory {}),
        served.then(|| ExecFact::ExecByNetworkService { service: executed.parent_name.into() }),
    ];
    let folder = root.trim_end_matches('/').into();
    let mut facts = vec![Statement::new(EXEC, ExecFact::ExecFromOpenFolder { folder })];
    facts.extend(signs.into_iter().flatten().map(|sign| Statement::new("monitor:process", sign)));
    let quiet = facts.len() == 1 || is_below(executed, Roles::BUILDER);
    let severity = if quiet { Severity::Info } else { Severity::Warning };
    let site = if facts.len() > 1 {
        "place, with signs".to_owned()
    } else {
        format!("{PLACE}{root}{}", stable_name(path))
    };
    Some(Sign { severity, facts, site })
}

/// How the site of a finding on nothing but the place begins: one for all programs of a name there, and one for all
/// those whose names look made up.
pub const PLACE: &str = "place ";

/// The file's name where it is a word; mktemp(3) and its kin make names of digits and letters of both cases.
fn stable_name(path: &str) -> &str {
    let name = programs::base(path);
    let is_word = name.len() <= NAME_MAX && name.chars().all(|c| c.is_ascii_lowercase() || "-_.".contains(c));
    if is_word { name } else { "" }
}

/// A longer name is no word.
const NAME_MAX: usize = 32;

/// A hidden file, or below a hidden folder; not Rust's and AppImage's temporary folders.
fn is_hidden(path: &str) -> bool {
    path.split('/')
        .any(|part| part.starts_with('.') && !part.starts_with(".tmp") && !part.starts_with(".mount_"))
}

fn is_below(executed: &Executed<'_>, role: Roles) -> bool {
    executed.ancestors.iter().any(|above| roles_of(above).contains(role))
}

fn is_descriptor(exe: &str) -> bool {
    exe.starts_with("/dev/fd/") || exe.starts_with("/proc/") && exe.contains("/fd/")
}

fn poses(name: &[u8]) -> bool {
    let name = name.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).unwrap_or(name);
    is_kernel_thread(name)
}

#[cfg(test)]
mod tests;
