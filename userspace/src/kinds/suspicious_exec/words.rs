//! The sentences of this room.

use super::facts::{Carriage, ExecFact, Socket};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::pieces::Who;
use crate::kinds::words::who;
use crate::model::Name;
use crate::text;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let signs: Vec<_> = file.cited(finding).filter_map(|fact| sign(fact.data.as_exec()?)).collect();
    let signs = if signs.is_empty() { "started in an unusual way".to_owned() } else { signs.join(" and ") };
    format!("{} {signs}.", text::printable(&file.process.name))
}

/// What the facts that are signs by themselves say in the summary, after the name.
const fn sign(fact: &ExecFact) -> Option<&'static str> {
    match fact {
        ExecFact::ExecFromMemory { .. } => Some("runs from memory, without a file"),
        ExecFact::ExecFileDeleted { .. } => Some("runs from a deleted file"),
        ExecFact::ExecNamedAsKernelThread { .. } => Some("poses as a kernel thread"),
        ExecFact::ExecShellOnSocket { .. } => Some("is a shell that takes its commands from a socket"),
        ExecFact::ExecCommandsCarried { .. } => Some("is a shell that takes its commands from the network"),
        ExecFact::ExecShellOnTerminal {} => Some("is a shell on a terminal below a network service"),
        ExecFact::ExecRightsKept { .. } => Some("is a shell with root's rights that another user started"),
        ExecFact::ExecFileGivesRights { .. } => Some("gives root's rights to whoever runs it"),
        ExecFact::ExecPreload { .. } => Some("loads a library from a world-writable folder"),
        ExecFact::ExecFromOpenFolder { .. } => Some("was run from a world-writable folder"),
        ExecFact::ExecConnection { .. }
        | ExecFact::ExecBelowService { .. }
        | ExecFact::ExecBesideService { .. }
        | ExecFact::ExecRunsFile { .. }
        | ExecFact::ExecFileOwner { .. }
        | ExecFact::ExecNameHidden {}
        | ExecFact::ExecFromSharedMemory {}
        | ExecFact::ExecByNetworkService { .. }
        | ExecFact::ExecStarted { .. }
        | ExecFact::ExecUnseen {} => None,
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &ExecFact) -> String {
    match fact {
        ExecFact::ExecFromMemory { memfd } => {
            format!("it runs from memory: its executable is the memfd {}, not a file", memfd.shown())
        }
        ExecFact::ExecFileDeleted { path } => format!(
            "its executable {} was deleted right after it started, and nothing took its place",
            path.shown()
        ),
        ExecFact::ExecNamedAsKernelThread { name, argv0 } => format!(
            "it is named {} (argv[0] {}), as only kernel threads are, but it is a user-space program",
            name.shown(),
            argv0.as_ref().map_or_else(|| "not known".to_owned(), Name::shown)
        ),
        ExecFact::ExecShellOnSocket { socket } => {
            format!("its standard input is {}: it takes its commands from there", kind(*socket))
        }
        ExecFact::ExecCommandsCarried { by, carrier } => carried(*by, carrier),
        ExecFact::ExecConnection { local_address, local_port, peer_address, peer_port } => {
            let here = endpoint(local_address, *local_port);
            match (peer_address, peer_port) {
                (Some(address), Some(port)) => {
                    format!(
                        "the other end of the connection is {}; this end is {here}",
                        endpoint(address, *port)
                    )
                }
                _ => format!("the socket is {here}, without another end"),
            }
        }
        ExecFact::ExecShellOnTerminal {} => {
            "it is an interactive shell on a terminal, which no service needs: somebody types there"
                .to_owned()
        }
        ExecFact::ExecBelowService { service, address, port } => match (address, port) {
            (Some(address), Some(port)) => {
                format!("it runs below {}, which listens on {}", who(service), endpoint(address, *port))
            }
            _ => format!("it runs below {}, which serves the network", who(service)),
        },
        ExecFact::ExecBesideService { service } => {
            format!("it is in the same service or container as {}, which serves the network", who(service))
        }
        ExecFact::ExecRightsKept { uid } => {
            let user = uid.map_or_else(|| "another user".to_owned(), |uid| format!("user {uid}"));
            format!("it acts as root, but {user} started it")
        }
        ExecFact::ExecFileGivesRights { path } => format!(
            "{} gives root's rights to whoever runs it (set-user-ID), and no package installs such a program",
            path.shown()
        ),
        ExecFact::ExecPreload { path } => format!(
            "its environment has {} loaded into it before all its libraries, and anybody can write where that is",
            path.shown()
        ),
        ExecFact::ExecRunsFile { path } => format!("what it runs is {}", path.shown()),
        ExecFact::ExecFromOpenFolder { folder } => {
            format!("it was run from {}, which is world-writable", folder.shown())
        }
        ExecFact::ExecFileOwner { uid } => {
            format!("the file belongs to user {uid}, who can change what root runs")
        }
        ExecFact::ExecNameHidden {} => "its name is hidden".to_owned(),
        ExecFact::ExecFromSharedMemory {} => {
            "programs do not belong in /dev/shm: it is emptied at the next boot".to_owned()
        }
        ExecFact::ExecByNetworkService { service } => {
            format!("{} is a network service and seldom starts programs", service.shown())
        }
        ExecFact::ExecStarted { path, uid, parent } => {
            let path = path.as_ref().map(|path| format!(" from {}", path.shown())).unwrap_or_default();
            let user = uid.map(|uid| format!(" as user {uid}")).unwrap_or_default();
            format!("it was started{path}{user} by {}", who(parent))
        }
        ExecFact::ExecUnseen {} => {
            "it ended before it could be examined: only the kernel's record of the exec is known".to_owned()
        }
    }
}

fn carried(by: Carriage, carrier: &Who) -> String {
    let carrier = who(carrier);
    let what = match by {
        Carriage::Terminal => "the other end of its terminal",
        Carriage::Pipes => "the other ends of what it reads and writes",
        Carriage::LocalSocket => "the other end of its standard input",
    };
    format!("{carrier}, which has a network connection, holds {what}: its commands come from there")
}

/// An address and a port as they are written together.
fn endpoint(address: &Name, port: u16) -> String {
    let address = address.shown();
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

const fn kind(socket: Socket) -> &'static str {
    match socket {
        Socket::Network => "a network socket",
        Socket::Local => "a local socket",
        Socket::OtherFamily => "a socket that is neither local nor an internet socket",
    }
}
