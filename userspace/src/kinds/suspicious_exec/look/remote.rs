//! Whether what a shell reads comes over the network: because its standard input is a connection, or because whoever
//! holds the other end of its terminal or its pipes has one. Bounded, and by names in /proc alone.

use std::fs;
use std::path::Path;

use super::above::Above;
use super::descriptors::{self, Descriptors, may_be_pipe, socket, terminal};
use super::sockets::{Socket, is_local, with_inodes};
use crate::programs::Roles;

/// Most descriptors of a program that does nothing but pass on what it reads: more has a browser, an editor, an agent.
const SMALL: usize = 16;
/// Most connections of such a program.
const CONNECTIONS: usize = 2;
/// Most children of the parent that are looked at for the other ends of pipes.
const SIBLINGS: usize = 64;
/// Most programs from the connection to the shell: `nc`, then `cat` of a FIFO, as a rule.
const HOPS: usize = 4;

/// What fd 0 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdin {
    /// A socket of the internet's families.
    Network,
    /// A socket of this host (unix(7)).
    Local,
    /// A socket of another family.
    OtherSocket,
    /// A terminal that a program holds the other end of (pty(7)).
    Terminal,
    /// Anything else.
    Ordinary,
}

/// How what comes over a connection gets to a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a terminal, whose other end the carrier holds.
    Terminal,
    /// By pipes, or a FIFO, there and back.
    Pipes,
    /// By a socket of this host.
    LocalSocket,
}

/// Who passes on what comes over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// Its `comm`.
    pub name: String,
    /// Its pid.
    pub pid: u32,
    /// How it does.
    pub way: Way,
}

/// The connection that a shell's commands come over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The connection.
    pub connection: Socket,
    /// Who has it, where it is not the shell's own standard input.
    pub carrier: Option<Carrier>,
}

/// A shell that takes its commands from its standard input, and what is around it.
pub(super) struct Shell<'a> {
    pub(super) directory: &'a Path,
    pub(super) pid: u32,
    pub(super) ppid: u32,
    pub(super) above: &'a [Above],
    /// Whether it was told to treat its standard input as a person's.
    pub(super) is_interactive: bool,
}

/// What a look found.
#[derive(Default)]
pub(super) struct Input {
    pub(super) stdin: Option<Stdin>,
    pub(super) remote: Option<Remote>,
    /// Whether another look may find more: programs of a pipeline begin together, and connect later.
    pub(super) unsettled: bool,
}

/// Where its commands come from.
pub(super) fn input(shell: &Shell<'_>) -> Input {
    let Some(name) = descriptors::name(shell.directory, 0) else { return Input::default() };
    let mut found = Input::default();
    if let Some(inode) = socket(&name) {
        let connection = with_inodes(shell.directory, &[inode]).first().copied();
        found.remote = connection.map(|connection| Remote { connection, carrier: None });
        found.stdin = Some(match connection {
            Some(_) => Stdin::Network,
            None if is_local(shell.directory, inode) => Stdin::Local,
            None => Stdin::OtherSocket,
        });
        if found.stdin == Some(Stdin::Local) {
            found.remote = by_parent(shell, Way::LocalSocket, |_| true);
        }
    } else if let Some(index) = terminal(&name) {
        (found.stdin, found.remote) = (Some(Stdin::Terminal), by_terminal(shell, index));
    } else {
        found.stdin = Some(Stdin::Ordinary);
        let out = descriptors::name(shell.directory, 1);
        if let Some(out) = out.filter(|out| may_be_pipe(out) && may_be_pipe(&name)) {
            let both = |held: &Descriptors| held.has(&name) && held.has(&out);
            found.remote = by_pipeline(shell, &name, &out).or_else(|| by_parent(shell, Way::Pipes, both));
            found.unsettled = found.remote.is_none();
        }
    }
    found
}

/// Who of those above holds the other end of this terminal, and has a connection that it may come from.
fn by_terminal(shell: &Shell<'_>, index: u32) -> Option<Remote> {
    let (holder, held) = shell.above.iter().find_map(|it| {
        let held = Descriptors::of(&it.directory);
        held.holds_terminal(index).then_some((it, held))
    })?;
    let connections = connections(&holder.directory, &held);
    let is_small = held.len() <= SMALL
        && connections.len() <= CONNECTIONS
        // sudo(8) and su(1) make a terminal of their own, and some write their log to another host.
        && !holder.roles.contains(Roles::RELAY);
    let connection = connections.into_iter().find(|it| is_small || held.is_standard(it.inode))?;
    Some(remote(connection, &holder.name, holder.pid, Way::Terminal))
}

/// The parent has a connection, and both ends of what the shell reads and writes.
fn by_parent(shell: &Shell<'_>, way: Way, holds: impl Fn(&Descriptors) -> bool) -> Option<Remote> {
    let parent = shell.above.first()?;
    let held = Descriptors::of(&parent.directory);
    if !holds(&held) {
        return None;
    }
    let is_client = parent.roles.contains(Roles::COMMAND);
    let is_small = held.len() <= SMALL;
    let may_carry = |it: &Socket| {
        held.is_standard(it.inode) || is_small && (is_client || shell.is_interactive && way == Way::Pipes)
    };
    let connection = connections(&parent.directory, &held).into_iter().find(may_carry)?;
    Some(remote(connection, &parent.name, parent.pid, way))
}

/// A pipeline that is closed to a ring: what the shell writes goes to a program with a connection, and what that writes
/// comes back to the shell. One way alone is `curl … | sh`.
fn by_pipeline(shell: &Shell<'_>, stdin: &str, stdout: &str) -> Option<Remote> {
    let proc_root = shell.directory.parent()?;
    let siblings = children(proc_root, shell.ppid);
    let ends: Vec<_> = siblings
        .into_iter()
        .filter(|pid| *pid != shell.pid)
        .take(SIBLINGS)
        .filter_map(|pid| {
            let held = Descriptors::of(&proc_root.join(pid.to_string()));
            Some((pid, held.output()?.to_owned(), held))
        })
        .collect();
    let mut written = stdout.to_owned();
    let mut carrier = None;
    for _ in 0..HOPS {
        let (pid, out, held) = ends.iter().find(|(_, _, held)| held.reads(&written))?;
        let directory = proc_root.join(pid.to_string());
        carrier = carrier.or_else(|| {
            let connection = connections(&directory, held).into_iter().next()?;
            Some(remote(connection, &super::above::stat(&directory)?.name, *pid, Way::Pipes))
        });
        if out == stdin {
            return carrier;
        }
        written.clone_from(out);
    }
    None
}

fn remote(connection: Socket, name: &str, pid: u32, way: Way) -> Remote {
    Remote { connection, carrier: Some(Carrier { name: name.to_owned(), pid, way }) }
}

fn connections(directory: &Path, held: &Descriptors) -> Vec<Socket> {
    let inodes = held.sockets();
    let found = if inodes.is_empty() { Vec::new() } else { with_inodes(directory, &inodes) };
    found.into_iter().filter(|it| !it.listens && it.peer.is_some()).collect()
}

/// The shells above that read what this process reads, or a connection: what they tell of is the same break-in.
pub(super) fn shells_above(directory: &Path, above: &[Above]) -> Vec<u32> {
    let shells: Vec<_> = above.iter().filter(|it| it.roles.contains(Roles::SHELL)).collect();
    let stdin = if shells.is_empty() { None } else { descriptors::name(directory, 0) };
    let same = shells.into_iter().filter(|it| {
        let Some(theirs) = descriptors::name(&it.directory, 0) else { return false };
        let inode = socket(&theirs);
        let is_network = || inode.is_some_and(|inode| !with_inodes(&it.directory, &[inode]).is_empty());
        let is_input = inode.is_some() || terminal(&theirs).is_some() || theirs.starts_with("pipe:[");
        is_input && stdin.as_ref() == Some(&theirs) || is_network()
    });
    same.map(|it| it.pid).collect()
}

/// The children of a process, of whichever of its threads (proc_tid_children(5)).
fn children(proc_root: &Path, pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(proc_root.join(pid.to_string()).join("task")).into_iter().flatten().flatten();
    let lists = tasks.take(SIBLINGS).filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|it| it.parse().ok()).collect::<Vec<_>>())
        .collect()
}
