//! Open files close to their limit: a leak, and of what, or a limit that is too small.

use super::descriptors;
use super::facts::{DescriptorCount, DescriptorFact, DescriptorKind};
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::commands::{logs, step};
use crate::kinds::opinion::frozen::Frozen;
use crate::kinds::opinion::{Opinion, hypothesis, name, who};
use crate::kinds::shared::trend;
use crate::model::{Confidence, NextStep};

/// What many systems give by default; a busy server outgrows it without any leak.
const DEFAULT_SOFT_LIMIT: u64 = 1024;

/// The built-in verdict on a finding of this kind.
pub fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let inotify = file.cited(finding).find_map(|fact| match fact.data.as_descriptors()? {
        DescriptorFact::InotifyInstances { uid, own, .. } => Some((*uid, *own)),
        _ => None,
    });
    if let Some((uid, own)) = inotify {
        return instances(file, finding, (uid, own));
    }
    let limit = limit(file, finding);
    let told =
        limit.map_or_else(|| "its limit (RLIMIT_NOFILE)".to_owned(), |limit| format!("its limit of {limit}"));
    let leaks = trend::says_growth(file, finding);
    let almost = if leaks {
        format!("{} keeps opening more files, towards {told}", who(file))
    } else {
        format!("{} has almost as many open files as {told} allows", who(file))
    };
    let consequence = "At the limit open(), accept() and socket() fail with EMFILE (\"Too many open files\")";
    let (cause, confidence) = match (mostly(file, finding), limit) {
        (Some((what, share)), _) => (
            format!(
                "{almost}, and {share} % of them are {what}: it opens them and does not close them. {consequence}."
            ),
            if leaks { Confidence::High } else { Confidence::Medium },
        ),
        (None, _) if leaks => {
            (format!("{almost}: it opens them and does not close them. {consequence}."), Confidence::Medium)
        }
        (None, Some(limit)) if limit <= DEFAULT_SOFT_LIMIT => (
            format!(
                "{almost}. This limit is no higher than the usual default, which a busy server can outgrow; \
                 it may also be a leak. {consequence}."
            ),
            Confidence::Low,
        ),
        (None, _) => (
            format!("{almost}; so many suggest that descriptors are opened and never closed. {consequence}."),
            Confidence::Medium,
        ),
    };
    let hypotheses = vec![
        hypothesis(
            file,
            finding,
            &["proc:fd", "proc:"],
            format!(
                "{} leaks descriptors on an error path: the count grows with failures, not with load",
                name(file)
            ),
        ),
        hypothesis(
            file,
            finding,
            &["proc:limits", "proc:"],
            "The limit is too low for the load; then the count follows the number of connections",
        ),
    ];
    Opinion {
        cause,
        confidence,
        sources: &["proc:fd", "proc:limits"],
        hypotheses,
        next_steps: steps(file, limit),
    }
}

/// Of a limit that a user has, not a process.
fn instances(file: &CaseFile, finding: &Finding, (uid, own): (u32, u64)) -> Opinion {
    let (who, name) = (who(file), name(file));
    let pid = file.process.pid;
    Opinion {
        cause: format!(
            "{who} holds {own} inotify instances, the most of user {uid}, who has nearly as many as a user may. The next \
             program of that user that watches files fails: inotify_init() returns EMFILE (\"Too many open files\"), \
             though few descriptors are open, and tail -f, file watchers and services that reload do not work."
        ),
        confidence: Confidence::High,
        sources: &["proc:fd"],
        hypotheses: vec![
            hypothesis(
                file,
                finding,
                &["proc:fd"],
                format!("{name} makes an instance for each of its tasks and does not close it"),
            ),
            hypothesis(
                file,
                finding,
                &["proc:fd"],
                "The limit is too low for so many programs of one user, as on hosts with many containers",
            ),
        ],
        next_steps: vec![
            step(
                "Who has them, by process, the most first",
                "find /proc/[0-9]*/fd -lname anon_inode:inotify 2>/dev/null | cut -d/ -f3 | sort | uniq -c | sort -rn | \
                 head",
            ),
            step(
                "What the process watches",
                format!("grep -h ^inotify /proc/{pid}/fdinfo/* 2>/dev/null | wc -l"),
            ),
            step(
                "To raise the limit at once",
                "sysctl fs.inotify.max_user_instances; sysctl -w fs.inotify.max_user_instances=1024",
            ),
            logs(file),
        ],
    }
}

fn steps(file: &CaseFile, limit: Option<u64>) -> Vec<NextStep> {
    let pid = file.process.pid;
    let wanted = limit.unwrap_or(DEFAULT_SOFT_LIMIT).saturating_mul(4);
    vec![
        step(
            "What is open, by type, the most frequent first",
            format!(
                "ls -l /proc/{pid}/fd | sed -n 's/.* -> //p' | sed 's/:\\[[0-9]*\\]//' | sort | uniq -c | sort -rn | head -20"
            ),
        ),
        step(
            "Its connections by state; many in CLOSE-WAIT mean that the peer hung up and this process does \
             not close them",
            format!("ss -tanp | grep 'pid={pid},' | awk '{{print $1}}' | sort | uniq -c"),
        ),
        step(
            "To gain time: a higher limit, without a restart",
            format!("prlimit --pid {pid} --nofile={wanted}:{wanted}"),
        ),
        logs(file),
    ]
}

/// The soft limit, where there is one.
fn limit(file: &CaseFile, finding: &Finding) -> Option<u64> {
    let stated = file.cited(finding).find_map(|fact| match fact.data.as_descriptors() {
        Some(DescriptorFact::DescriptorLimit { limit }) => Some(*limit),
        _ => None,
    });
    stated.or_else(|| Frozen(file).open_files_limit())
}

/// What more than half of the descriptors are, and their share in percent: of the newest, else of the frozen ones.
fn mostly(file: &CaseFile, finding: &Finding) -> Option<(&'static str, u64)> {
    let newest = file.cited(finding).find_map(|fact| match fact.data.as_descriptors() {
        Some(DescriptorFact::NewestDescriptors { looked_at, kinds, .. }) => Some((kinds.clone(), *looked_at)),
        _ => None,
    });
    let (kinds, all) = newest.or_else(|| frozen(file))?;
    let names = ["sockets", "pipes", "epoll instances", "inotify instances", "files"];
    let count =
        |name| kinds.iter().filter(|it| plural(it.kind) == Some(name)).map(|it| it.count).sum::<u64>();
    let (name, most) = names.map(|name| (name, count(name))).into_iter().max_by_key(|(_, count)| *count)?;
    (most * 2 > all).then(|| (name, most * 100 / all))
}

/// The descriptors of the frozen list, by kind, and how many there are.
fn frozen(file: &CaseFile) -> Option<(Vec<DescriptorCount>, u64)> {
    let list = Frozen(file).text("fd")?;
    let targets = list.lines().filter_map(|line| line.split_once(' '));
    let kinds = descriptors::count(targets.map(|(_, target)| target.trim_start_matches("-> ")));
    let all = kinds.iter().map(|it| it.count).sum();
    Some((kinds, all))
}

/// What many of them are in a sentence.
const fn plural(kind: DescriptorKind) -> Option<&'static str> {
    match kind {
        DescriptorKind::Socket => Some("sockets"),
        DescriptorKind::Pipe => Some("pipes"),
        DescriptorKind::Epoll => Some("epoll instances"),
        DescriptorKind::Inotify => Some("inotify instances"),
        DescriptorKind::Memfd
        | DescriptorKind::DeletedFile
        | DescriptorKind::File
        | DescriptorKind::Device => Some("files"),
        DescriptorKind::Other => None,
    }
}

#[cfg(test)]
mod tests;
