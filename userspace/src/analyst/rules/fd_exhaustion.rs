//! Open files close to their limit: a leak, and of what, or a limit that is too small.

use super::commands::{logs, step};
use super::frozen::Frozen;
use super::{Opinion, hypothesis, name, who};
use crate::model::{CaseFile, Confidence, Finding, NextStep};

/// What many systems give by default; a busy server outgrows it without any leak.
const DEFAULT_SOFT_LIMIT: u64 = 1024;

pub(super) fn judge(file: &CaseFile, finding: &Finding) -> Opinion {
    let limit = Frozen(file).open_files_limit();
    let told =
        limit.map_or_else(|| "its limit (RLIMIT_NOFILE)".to_owned(), |limit| format!("its limit of {limit}"));
    let leaks = file.facts.iter().any(|fact| fact.source == "scan:history");
    let almost = if leaks {
        format!("{} opens more files all the time, towards {told}", who(file))
    } else {
        format!("{} has almost as many files open as {told} allows", who(file))
    };
    let consequence = "At the limit open(), accept() and socket() fail with EMFILE (\"Too many open files\")";
    let (cause, confidence) = match (mostly(file), limit) {
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
                "{almost}. That is no more than the usual default, which a busy server can outgrow; it may also leak. {consequence}."
            ),
            Confidence::Low,
        ),
        (None, _) => (
            format!(
                "{almost}; so many point to descriptors that are opened and never closed. {consequence}."
            ),
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
            "The limit is too small for the load; then the count follows the number of connections",
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

fn steps(file: &CaseFile, limit: Option<u64>) -> Vec<NextStep> {
    let pid = file.process.pid;
    let wanted = limit.unwrap_or(DEFAULT_SOFT_LIMIT).saturating_mul(4);
    vec![
        step(
            "What is open, by kind, the most frequent first",
            format!(
                "ls -l /proc/{pid}/fd | sed -n 's/.* -> //p' | sed 's/:\\[[0-9]*\\]//' | sort | uniq -c | sort -rn | head -20"
            ),
        ),
        step(
            "Its connections by state; many CLOSE-WAIT: the peer hung up and it does not close",
            format!("ss -tanp | grep 'pid={pid},' | awk '{{print $1}}' | sort | uniq -c"),
        ),
        step(
            "To win time while it runs: a higher limit, without a restart",
            format!("prlimit --pid {pid} --nofile={wanted}:{wanted}"),
        ),
        logs(file),
    ]
}

/// What more than half of the frozen descriptors are, and their share in percent.
fn mostly(file: &CaseFile) -> Option<(&'static str, usize)> {
    const KINDS: [(&str, &str); 5] = [
        ("socket:[", "sockets"),
        ("pipe:[", "pipes"),
        ("anon_inode:[eventpoll]", "epoll instances"),
        ("anon_inode:inotify", "inotify instances"),
        ("/", "files"),
    ];
    let listing = Frozen(file).text("fd")?;
    let targets: Vec<&str> = listing
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(_, target)| target.trim_start_matches("-> ")))
        .collect();
    let count = |start: &str| targets.iter().filter(|target| target.starts_with(start)).count();
    let (what, most) =
        KINDS.map(|(start, what)| (what, count(start))).into_iter().max_by_key(|(_, count)| *count)?;
    (most * 2 > targets.len()).then(|| (what, most * 100 / targets.len()))
}
