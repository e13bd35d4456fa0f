//! The sentences of this room.

use super::facts::{DescriptorCount, DescriptorFact, DescriptorKind};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::shared::trend;
use crate::kinds::words::{list, subject};
use crate::text;

/// Kinds of descriptors that are named.
const KINDS_NAMED: usize = 3;
/// Longest name of a kind: paths are the process's own choice.
const NAME_CHARS: usize = 60;

/// The finding in one sentence.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    let facts = || file.cited(finding).filter_map(|fact| fact.data.as_descriptors());
    let inotify = facts().find_map(|fact| match fact {
        DescriptorFact::InotifyInstances { uid, used, limit, .. } => Some((*uid, *used, *limit)),
        _ => None,
    });
    if let Some((uid, used, limit)) = inotify {
        let name = subject(file);
        return format!("User {uid} has {used} of {limit} inotify instances, most of them in {name}.");
    }
    let limit = facts().find_map(|fact| match fact {
        DescriptorFact::DescriptorLimit { limit } => Some(*limit),
        _ => None,
    });
    let limit_name = limit.map_or_else(|| "its limit".to_owned(), |limit| format!("its limit of {limit}"));
    if let Some(growth) = trend::words::growth(file, finding, &limit_name) {
        return format!("{} opens file descriptors and does not close them: {growth}.", subject(file));
    }
    let open = facts().find_map(|fact| match fact {
        DescriptorFact::OpenDescriptors { open } => Some(*open),
        _ => None,
    });
    let name = text::printable(&file.process.name);
    match (open, limit) {
        (Some(open), Some(limit)) => format!("{name} has {open} of its {limit} file descriptors open."),
        _ => format!("{name} is close to its limit of open files."),
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &DescriptorFact) -> String {
    match fact {
        DescriptorFact::InotifyInstances { uid, used, limit, own } => format!(
            "user {uid} has {used} inotify instances, {own} of them in this process; a user may have {limit} \
             (fs.inotify.max_user_instances)"
        ),
        DescriptorFact::OpenDescriptors { open } => format!("{open} file descriptors are open"),
        DescriptorFact::DescriptorLimit { limit } => format!("the soft limit (RLIMIT_NOFILE) is {limit}"),
        DescriptorFact::DescriptorsNearLimit { percent, scans } => {
            format!("it was above {percent} % for {scans} scans in a row")
        }
        DescriptorFact::NewestDescriptors { looked_at, open, kinds } => {
            let which =
                if looked_at >= open { "they are".to_owned() } else { format!("the newest {looked_at} are") };
            let more = if kinds.len() > KINDS_NAMED { " and others" } else { "" };
            format!("{which} {}{more}", list(kinds.iter().take(KINDS_NAMED).map(counted)))
        }
    }
}

/// `2 files in /var/log`.
fn counted(it: &DescriptorCount) -> String {
    let named = |default: &str| {
        it.name.as_ref().map_or_else(|| default.to_owned(), |name| name.shown_up_to(NAME_CHARS))
    };
    let (one, many) = match it.kind {
        DescriptorKind::Socket => ("socket", "sockets"),
        DescriptorKind::Pipe => ("pipe", "pipes"),
        DescriptorKind::Epoll => ("epoll instance", "epoll instances"),
        DescriptorKind::Inotify => ("inotify instance", "inotify instances"),
        DescriptorKind::Memfd => ("memfd", "memfds"),
        DescriptorKind::DeletedFile => ("deleted file", "deleted files"),
        DescriptorKind::File => {
            let what = if it.count == 1 { "file" } else { "files" };
            return format!("{} {what} in {}", it.count, named("a folder"));
        }
        DescriptorKind::Device => return format!("{} {}", it.count, named("devices")),
        DescriptorKind::Other => return format!("{} {}", it.count, named("others")),
    };
    format!("{} {}", it.count, if it.count == 1 { one } else { many })
}
