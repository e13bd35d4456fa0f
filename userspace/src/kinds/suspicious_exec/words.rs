//! The sentences of this room.

use super::facts::{ExecFact, Socket};
use crate::kinds::case::{CaseFile, Finding};
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
        ExecFact::ExecFromOpenFolder { .. } => Some("was run from a world-writable folder"),
        ExecFact::ExecFileOwner { .. }
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

const fn kind(socket: Socket) -> &'static str {
    match socket {
        Socket::Network => "a network socket",
        Socket::Local => "a local socket",
        Socket::OtherFamily => "a socket that is neither local nor an internet socket",
    }
}
