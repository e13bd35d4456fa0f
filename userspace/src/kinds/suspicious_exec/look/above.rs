//! The processes above one, as /proc shows them now, up to whoever logged in or was set up to start it: nothing above
//! that has a part in what it does.

use std::fs;
use std::path::{Path, PathBuf};

use super::descriptors::Descriptors;
use super::sockets::{Endpoint, listening};
use crate::programs::{Roles, roles_of};

/// How far up is looked.
const GENERATIONS: usize = 12;

/// A process above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Above {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) has_terminal: bool,
    pub(super) directory: PathBuf,
    /// What its name and its file say that it is.
    pub(super) roles: Roles,
}

/// A process above that serves the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its `comm`.
    pub name: String,
    /// Its pid.
    pub pid: u32,
    /// Where it listens, as far as that was found.
    pub address: Option<Endpoint>,
    /// Whether it is known to be a service that seldom starts others.
    pub is_known: bool,
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) ppid: u32,
    pub(super) has_terminal: bool,
}

pub(super) fn stat(directory: &Path) -> Option<Stat> {
    stat_in(&fs::read(directory.join("stat")).ok()?)
}

/// The name may hold blanks and parentheses: the last one ends it.
fn stat_in(stat: &[u8]) -> Option<Stat> {
    let (begin, end) = (stat.iter().position(|it| *it == b'(')?, stat.iter().rposition(|it| *it == b')')?);
    let name = String::from_utf8_lossy(stat.get(begin + 1..end)?).into_owned();
    let mut fields = std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().skip(1);
    let ppid = fields.next()?.parse().ok()?;
    let has_terminal = fields.nth(2)? != "0";
    Some(Stat { name, ppid, has_terminal })
}

/// Those above, the parent first: not those who log people in, run containers, or are process 1, nor who is above them.
pub(super) fn above(proc_root: &Path, ppid: u32) -> Vec<Above> {
    let mut found = Vec::new();
    let mut next = ppid;
    while next > 1 && found.len() < GENERATIONS {
        let directory = proc_root.join(next.to_string());
        let Some(stat) = stat(&directory) else { break };
        // A name is its own choice; a file is not.
        let exe = fs::read_link(directory.join("exe")).ok();
        let of_file = exe.as_deref().and_then(Path::to_str).map_or(Roles::empty(), roles_of);
        if of_file.intersects(Roles::SOCKET_STARTER | Roles::CONTAINER_RUNTIME | Roles::INIT)
            && !of_file.contains(Roles::SHELL)
        {
            break;
        }
        let roles = of_file | roles_of(&stat.name);
        found.push(Above { pid: next, name: stat.name, has_terminal: stat.has_terminal, directory, roles });
        next = stat.ppid;
    }
    found
}

/// The nearest of these that serves the network: by what it is, or because it listens. What a person started on a
/// terminal serves nobody but that person.
pub(super) fn service(above: &[Above]) -> Option<Service> {
    above.iter().find_map(|it| {
        let is_known = it.roles.contains(Roles::NETWORK_SERVICE);
        if it.has_terminal && !is_known {
            return None;
        }
        let inodes = Descriptors::of(&it.directory).sockets();
        let listening = if inodes.is_empty() { Vec::new() } else { listening(&it.directory) };
        let address = listening.iter().find(|socket| inodes.contains(&socket.inode)).map(|it| it.local);
        let found = is_known || address.is_some();
        found.then(|| Service { name: it.name.clone(), pid: it.pid, address, is_known })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_behind_a_name() {
        let stat = |text: &str| stat_in(text.as_bytes());
        let it = stat("5 (a) b) (c)) S 4 5 5 34816 5 4194304").unwrap();
        assert_eq!(it, Stat { name: "a) b) (c)".into(), ppid: 4, has_terminal: true });
        assert!(!stat("5 (x) S 4 5 5 0 -1 4194304").unwrap().has_terminal);
        assert_eq!((stat("5 (x) S"), stat("")), (None, None));
    }

    #[test]
    fn who_listens_above_is_a_service() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let me = above(Path::new("/proc"), std::process::id());
        assert_eq!(me[0].pid, std::process::id());
        let quiet = Above { has_terminal: false, ..me[0].clone() };
        let found = service(std::slice::from_ref(&quiet)).unwrap();
        assert_eq!((found.pid, found.is_known), (std::process::id(), false));
        let on_terminal = Above { has_terminal: true, ..quiet };
        assert_eq!(service(&[on_terminal]), None, "a person's own");
        drop(listener);
    }
}
