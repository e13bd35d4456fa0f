//! File descriptor exhaustion: a process close to its RLIMIT_NOFILE, or leaking towards it.
//!
//! To an operator: at the limit the next accept(2) or open(2) fails with EMFILE. Thresholds: `fd_percent` of the
//! soft limit for `fd_scans` scans in a row; or, long before, steady growth over `growth_window` by `fd_growth` and
//! `fd_growth_percent`, to more than it ever had. Cites the count, the limit, the growth, and what is open, by kind.
//! Near misses: a server with many connections well below its limit, one whose connections rise and fall, a short
//! peak, a start-up.

use std::collections::HashMap;
use std::time::Duration;

use crate::kinds::shared::trend::{self, Least, Past, SOURCE, whole};
use super::{Draft, Statement};
use crate::config::DetectLimits;
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::text;

/// Kinds of descriptors that are named.
const KINDS_NAMED: usize = 3;
/// Longest name of a kind: paths are the process's own choice.
const KIND_CHARS: usize = 60;

/// What the scan saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdUse {
    /// Open descriptors.
    pub open: u64,
    /// RLIMIT_NOFILE, soft.
    pub limit: u64,
    /// For how many scans in a row it has been above the threshold, this one included.
    pub scans: u32,
}

impl FdUse {
    /// Whether this scan counts.
    pub const fn is_high(open: u64, limit: u64, limits: &DetectLimits) -> bool {
        open.saturating_mul(100) >= limit.saturating_mul(limits.fd_percent as u64)
    }
}

/// A finding where the process has been close to its limit for long enough.
pub fn detect(process: &ProcessInfo, fds: FdUse, limits: &DetectLimits) -> Option<Draft> {
    if fds.scans < limits.fd_scans || !FdUse::is_high(fds.open, fds.limit, limits) {
        return None;
    }
    let name = text::printable(&process.name);
    let severity = if fds.open >= fds.limit { Severity::Critical } else { Severity::Warning };
    Some(Draft {
        kind: IncidentKind::FdExhaustion,
        severity,
        summary: format!("{name} has {} of its {} file descriptors open.", fds.open, fds.limit),
        facts: vec![
            Statement::new("proc:fd", format!("{} file descriptors are open", fds.open)),
            Statement::new("proc:limits", format!("the soft limit (RLIMIT_NOFILE) is {}", fds.limit)),
            Statement::new(
                "scan",
                format!("it was above {} % for {} scans in a row", limits.fd_percent, fds.scans),
            ),
        ],
        site: String::new(),
    })
}

/// A finding where descriptors are opened and not closed. `limit` is absent where there is none.
pub fn leak(
    process: &ProcessInfo,
    past: Past<'_>,
    open: u64,
    limit: Option<u64>,
    limits: &DetectLimits,
) -> Option<Draft> {
    let least = Least {
        grown: f64::from(limits.growth.fd_growth),
        percent: limits.growth.fd_growth_percent,
        window: limits.growth.growth_window,
    };
    let trend = trend::growth(past, least)?;
    let time = text::duration(Duration::from_secs_f64(trend.seconds));
    let lasts = limit.map(|limit| trend.lasts(limit.saturating_sub(open)));
    let mut facts = vec![
        Statement::new(
            SOURCE,
            format!("open descriptors grew from {} to {} in {time}", whole(trend.from), whole(trend.to)),
        ),
        trend.proof(),
        Statement::new("proc:fd", format!("{open} file descriptors are open")),
    ];
    let mut end = String::new();
    if let (Some(limit), Some(lasts)) = (limit, lasts) {
        let lasts = text::duration(lasts);
        facts.push(Statement::new(
            "proc:limits",
            format!("the soft limit (RLIMIT_NOFILE) is {limit}: at this rate it is reached in {lasts}"),
        ));
        end = format!("; its limit of {limit} is reached in {lasts}");
    }
    Some(Draft {
        kind: IncidentKind::FdExhaustion,
        severity: trend::severity(lasts, &limits.growth),
        summary: format!(
            "{} (pid {}) opens file descriptors and does not close them: from {} to {} in {time}{end}.",
            text::printable(&process.name),
            process.pid,
            whole(trend.from),
            whole(trend.to)
        ),
        facts,
        site: String::new(),
    })
}

/// What the descriptors are that were looked at, as a fact; `targets` as readlink(2) shows them. `None` for none.
pub fn kinds_fact(targets: &[String], open: u64) -> Option<Statement> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for target in targets {
        *counts.entry(kind(target)).or_default() += 1;
    }
    let mut kinds: Vec<_> = counts.into_iter().collect();
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let named: Vec<_> =
        kinds.iter().take(KINDS_NAMED).map(|(kind, count)| format!("{count} {kind}")).collect();
    let more = if kinds.len() > KINDS_NAMED { " and others" } else { "" };
    let whole_list = u64::try_from(targets.len()).is_ok_and(|looked_at| looked_at >= open);
    let which = if whole_list { "they are".to_owned() } else { format!("the newest {} are", targets.len()) };
    (!named.is_empty()).then(|| Statement::new("proc:fd", format!("{which} {}{more}", named.join(", "))))
}

/// `sockets`, `pipes`, `anon_inode:[eventpoll]`, `deleted files`, or the directory a file is in.
fn kind(target: &str) -> String {
    let name = if target.starts_with("socket:[") {
        "sockets".to_owned()
    } else if target.starts_with("pipe:[") {
        "pipes".to_owned()
    } else if target.starts_with("/memfd:") {
        "memfds".to_owned()
    } else if target.ends_with(" (deleted)") {
        "deleted files".to_owned()
    } else if target.starts_with("/dev/") || !target.starts_with('/') {
        target.to_owned()
    } else {
        let directory = target.rsplit_once('/').map_or("", |(directory, _)| directory);
        format!("files in {}", if directory.is_empty() { "/" } else { directory })
    };
    text::truncate(&text::printable(&name), KIND_CHARS)
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::*;

    #[test]
    fn close_to_the_limit_for_long_enough_is_a_finding() {
        for (open, limit, scans, want) in [
            (922, 1024, 2, Some(Severity::Warning)),
            (921, 1024, 2, None),
            (1000, 1024, 1, None),
            (1024, 1024, 2, Some(Severity::Critical)),
            (50_000, 1_048_576, 9, None),
            (u64::MAX, u64::MAX, 2, Some(Severity::Critical)),
        ] {
            let draft = detect(&process(), FdUse { open, limit, scans }, &DetectLimits::default());
            assert_eq!(draft.map(|it| it.severity), want, "{open} of {limit}, {scans} scans");
        }
    }

    fn points(value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..24).map(|i| (f64::from(i) * 25.0, value(f64::from(i) / 23.0))).collect()
    }

    #[test]
    fn a_leak_is_a_finding_long_before_the_limit() {
        for (name, from, to, limit, want) in [
            ("soon at its limit", 100.0, 400.0, Some(1024), Some(Severity::Critical)),
            ("a high limit", 100.0, 400.0, Some(65_536), Some(Severity::Warning)),
            ("no limit in sight", 100.0, 400.0, Some(1 << 30), Some(Severity::Info)),
            ("no limit", 100.0, 400.0, None, Some(Severity::Warning)),
            ("a few", 100.0, 149.0, Some(1024), None),
            ("few for a large server", 5000.0, 5600.0, Some(65_536), None),
        ] {
            let recent = points(|share| from + (to - from) * share);
            let past = Past { recent: &recent, long: &[], peak_before: &|_| None };
            let draft = leak(&process(), past, whole(to), limit, &DetectLimits::default());
            assert_eq!(draft.map(|it| it.severity), want, "{name}");
        }
        let recent = points(|share| 100.0 + 300.0 * share);
        let past = Past { recent: &recent, long: &[], peak_before: &|_| None };
        let draft = leak(&process(), past, 400, Some(1024), &DetectLimits::default()).unwrap();
        assert_eq!(
            draft.summary,
            "worker (pid 42) opens file descriptors and does not close them: from 100 to 400 in 9 min; its limit of \
             1024 is reached in 19 min."
        );
    }

    #[test]
    fn servers_whose_connections_come_and_go_do_not_leak() {
        for (name, recent, peak) in [
            ("stable", points(|_| 4000.0), None),
            ("rise and fall", points(|share| 500.0 + 400.0 * (share * 9.0).sin()), None),
            ("a peak", points(|share| if (0.4..0.6).contains(&share) { 900.0 } else { 100.0 }), None),
            ("up to what is usual", points(|share| 100.0 + 900.0 * (share * 3.0).min(1.0)), None),
            ("the rise of every morning", points(|share| 100.0 + 900.0 * share), Some(1100)),
        ] {
            let past = Past { recent: &recent, long: &[], peak_before: &|_| peak };
            assert_eq!(leak(&process(), past, 1000, Some(1024), &DetectLimits::default()), None, "{name}");
        }
    }

    #[test]
    fn descriptors_are_counted_by_kind() {
        for (targets, open, want) in [
            (vec!["socket:[1]", "socket:[2]", "pipe:[3]"], 3, Some("they are 2 sockets, 1 pipes")),
            (
                vec![
                    "/var/log/a",
                    "/var/log/b",
                    "/etc/x",
                    "/tmp/y (deleted)",
                    "anon_inode:[eventfd]",
                    "/dev/null",
                ],
                900,
                Some("the newest 6 are 2 files in /var/log, 1 /dev/null, 1 anon_inode:[eventfd] and others"),
            ),
            (vec!["/a", "/memfd:x (deleted)"], 2, Some("they are 1 files in /, 1 memfds")),
            (vec!["/\x1b[2J/x"], 1, Some("they are 1 files in /\u{fffd}[2J")),
            (vec![], 5, None),
        ] {
            let targets: Vec<_> = targets.into_iter().map(str::to_owned).collect();
            assert_eq!(kinds_fact(&targets, open).as_ref().map(|it| it.text()), want, "{targets:?}");
        }
    }
}
