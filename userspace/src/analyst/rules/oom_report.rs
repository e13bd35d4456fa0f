//! OOM kills of which the kernel's own report is frozen: it says whose limit ran out and who had the memory, so
//! nothing needs to be guessed.

use super::commands::step;
use super::{MAX_NAME_CHARS, name, size};
use crate::model::{CaseFile, Confidence, NextStep};
use crate::model::{Constraint, OomReport, TaskRow};
use crate::text;

/// Longest path of a cgroup shown.
const MAX_PATH_CHARS: usize = 200;

/// The frozen report of this case. Of a cgroup's limit it must hold more than the kill itself, for which the
/// cgroup's frozen files tell more.
pub(super) fn of(file: &CaseFile) -> Option<OomReport> {
    let frozen = file.evidence.iter().find(|it| it.name == OomReport::EVIDENCE)?;
    let report = OomReport::from_text(&String::from_utf8_lossy(&frozen.body))?;
    let tells = !report.tasks.is_empty() || report.constraint != Some(Constraint::Memcg);
    (report.names(file.process.pid) && tells).then_some(report)
}

/// The largest task, where it is not the victim.
pub(super) fn neighbour(report: &OomReport) -> Option<&TaskRow> {
    report.tasks.first().filter(|task| !report.is_victim(task))
}

pub(super) fn cause(file: &CaseFile, report: &OomReport) -> (String, Confidence) {
    if report.invoker.as_ref().is_some_and(|it| it.order == -1) {
        let cause = format!(
            "Memory had not run out: somebody called the OOM killer by sysrq, and it chose {}, the task with the \
             highest score.",
            name(file)
        );
        return (cause, Confidence::High);
    }
    let limit = limit(report);
    let held = size(report.victim.rss_bytes());
    if let Some(unseen) = outside_tasks(report) {
        let cause = format!(
            "{limit} The tasks under it held only {} in all, {} {held} of it; the other {} is in its page cache, \
             tmpfs files or the kernel's own memory, which outlives a kill.",
            size(resident(report)),
            name(file),
            size(unseen)
        );
        return (cause, Confidence::Medium);
    }
    if report.tasks.is_empty() {
        let cause = format!(
            "{limit} {} held {held}. Who else had memory the kernel did not write, as after many OOM kills at once.",
            name(file)
        );
        return (cause, Confidence::Medium);
    }
    let Some(other) = neighbour(report) else {
        let of = match report.task_count {
            1 => "as the only task".to_owned(),
            count => format!("more than any other of the {count} tasks"),
        };
        let cause = format!("{limit} {} held {held}, {of}, and the kernel killed it.", name(file));
        return (cause, confidence(has_most(report, report.victim.rss_bytes())));
    };
    let other_rss = report.rss_bytes(other);
    let most = has_most(report, other_rss);
    let who_had = if most {
        format!("Most of it was with its neighbour {}, {}", who(other), size(other_rss))
    } else {
        format!("No task had most of it; the largest was {} with {}", who(other), size(other_rss))
    };
    let so =
        if most { "it is the victim, not the cause" } else { "it is more likely the victim than the cause" };
    let chosen = chosen_for(report, other);
    (format!("{limit} {who_had}; {} held only {held} and was {chosen}: {so}.", name(file)), confidence(most))
}

fn confidence(most: bool) -> Confidence {
    if most { Confidence::High } else { Confidence::Medium }
}

/// Whether this is at least half of what was used.
fn has_most(report: &OomReport, rss_bytes: u64) -> bool {
    let limited = report.memory.filter(|_| !is_host_wide(report)).map(|it| it.usage_bytes);
    rss_bytes >= limited.unwrap_or_else(|| resident(report)) / 2
}

/// Whose limit, as a sentence.
fn limit(report: &OomReport) -> String {
    match report.constraint {
        Some(Constraint::Memcg) => {
            let path =
                report.oom_memcg.as_deref().map_or_else(String::new, |path| format!(" {}", shown(path)));
            let limit = report.memory.map_or_else(String::new, |it| format!(" of {}", size(it.limit_bytes)));
            format!("Cgroup{path} had used up its memory limit{limit}.")
        }
        Some(Constraint::Cpuset) => "The memory nodes that a cpuset allows were used up.".to_owned(),
        Some(Constraint::MemoryPolicy) => {
            "The memory nodes that a memory policy allows were used up.".to_owned()
        }
        Some(Constraint::Host) | None => {
            "The whole host had run out of memory: the limit is the machine's, not a cgroup's.".to_owned()
        }
    }
}

/// Why the kernel took the victim and not the largest.
fn chosen_for(report: &OomReport, other: &TaskRow) -> String {
    match report.victim.oom_score_adj {
        Some(adj) if adj > other.oom_score_adj => {
            format!("chosen for its oom_score_adj of {adj} (the neighbour's is {})", other.oom_score_adj)
        }
        _ => "what the kernel's score chose".to_owned(),
    }
}

/// What a limited cgroup had used beyond its tasks' own memory, where that is more than theirs.
fn outside_tasks(report: &OomReport) -> Option<u64> {
    let usage = report.memory.filter(|_| report.constraint == Some(Constraint::Memcg))?.usage_bytes;
    // With rows left out the sum says nothing.
    let whole = report.tasks.len() == report.task_count;
    usage.checked_sub(resident(report)).filter(|unseen| whole && *unseen > usage / 2)
}

fn resident(report: &OomReport) -> u64 {
    report.tasks.iter().map(|task| report.rss_bytes(task)).fold(0, u64::saturating_add)
}

/// Whether no cgroup's limit ran out.
pub(super) fn is_host_wide(report: &OomReport) -> bool {
    report.constraint != Some(Constraint::Memcg)
}

/// What to look at while the neighbour lives.
pub(super) fn neighbour_now(other: &TaskRow) -> NextStep {
    let pid = other.tgid;
    step(
        "Whether the neighbour that had the most still grows",
        format!("ps -o pid,rss,etime,args -p {pid}; grep -E '^(Name|Vm|Rss)' /proc/{pid}/status"),
    )
}

pub(super) fn who(task: &TaskRow) -> String {
    format!("{} (pid {})", text::truncate(&text::printable(&task.name), MAX_NAME_CHARS), task.tgid)
}

fn shown(path: &str) -> String {
    text::truncate(&text::printable(path), MAX_PATH_CHARS)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::judge;
    use super::super::tests::check;
    use super::*;
    use crate::kinds::fixture::{facts, frozen, oom};

    /// The kernel's report on the process of [`oom`]: it held 12 MiB, its neighbour `other` pages.
    fn with_report(limit: &str, other: u64, adj: i32) -> CaseFile {
        let mut file = oom();
        let report = format!(
            "# Sizes in the table of tasks are in pages. Bytes a page: 4096\n\
             db invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n\
             memory: usage 262144kB, limit 262144kB, failcnt 94\n\
             [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n\
             [  13674]     0 13674     9000     3072    57344        0             {adj} python3\n\
             [     77]     0    77    99000     {other}    81920        0             0 db\n\
             oom-kill:constraint=CONSTRAINT_{limit},task=python3,pid=13674,uid=0\n\
             Out of memory: Killed process 13674 (python3) total-vm:36000kB, anon-rss:12288kB, file-rss:0kB, \
             shmem-rss:0kB, UID:0 pgtables:56kB oom_score_adj:{adj}\n"
        );
        file.evidence.push(frozen("oom-report.txt", &report));
        file.facts.extend(
            facts(&[("", ""), ("", ""), ("", ""), ("kernel:kmsg", "the largest of the 2 tasks")]).pop(),
        );
        file
    }

    const IN_CGROUP: &str =
        "MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/oomtest,task_memcg=/oomtest";
    const ON_HOST: &str = "NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/oomtest";

    #[test]
    fn an_oom_kill_for_a_neighbour() {
        check(
            &with_report(IN_CGROUP, 60_000, 1000),
            &expect![[r#"
                python3 (pid 13674) was killed by the OOM killer
                Cgroup /oomtest had used up its memory limit of 256 MiB. Most of it was with its neighbour db (pid 77), 234 MiB; python3 held only 12 MiB and was chosen for its oom_score_adj of 1000 (the neighbour's is 0): it is the victim, not the cause.
                High, by F1 F2 F3 F4
                ? db (pid 77) leaks memory, or was given more work at once than it can hold [F1 F2 F4]
                ? The limit is smaller than what its tasks need together in ordinary work [F3]
                - Whether the neighbour that had the most still grows
                  $ ps -o pid,rss,etime,args -p 77; grep -E '^(Name|Vm|Rss)' /proc/77/status
                - The cgroup's limit, use and OOM count
                  $ grep -sH '' /sys/fs/cgroup/oomtest/memory.{max,high,current,peak,events}
                - What it said last
                  $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
            "#]],
        );
    }

    #[test]
    fn an_oom_kill_on_a_full_host() {
        check(
            &with_report(ON_HOST, 60_000, 0),
            &expect![[r#"
                python3 (pid 13674) was killed by the OOM killer
                The whole host had run out of memory: the limit is the machine's, not a cgroup's. Most of it was with its neighbour db (pid 77), 234 MiB; python3 held only 12 MiB and was what the kernel's score chose: it is the victim, not the cause.
                High, by F1 F2 F3 F4
                ? db (pid 77) leaks memory, or was given more work at once than it can hold [F1 F2 F4]
                ? There is too little memory for all that runs there; limits on each would show who takes it [F4]
                - Whether the neighbour that had the most still grows
                  $ ps -o pid,rss,etime,args -p 77; grep -E '^(Name|Vm|Rss)' /proc/77/status
                - Who has the host's memory now
                  $ free -m; ps -eo pid,rss,comm --sort=-rss | head
                - What it said last
                  $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
            "#]],
        );
    }

    #[test]
    fn the_kernels_report_decides_the_cause() {
        for (limit, other, adj, want, confidence) in [
            (IN_CGROUP, 60_000, 1000, "chosen for its oom_score_adj of 1000", Confidence::High),
            (IN_CGROUP, 60_000, 0, "what the kernel's score chose", Confidence::High),
            (IN_CGROUP, 100, 0, "tasks under it held only 12.3 MiB", Confidence::Medium),
            (IN_CGROUP, 30_000, 0, "No task had most of it; the largest was db (pid 77)", Confidence::Medium),
            (ON_HOST, 100, 0, "held 12 MiB, more than any other of the 2 tasks", Confidence::High),
            (ON_HOST, 60_000, 0, "The whole host had run out of memory", Confidence::High),
            ("CPUSET,cpuset=a,task_memcg=/x", 60_000, 0, "that a cpuset allows", Confidence::High),
            // The table cannot be joined to the kill: its line alone.
            ("x", 60_000, 0, "the kernel did not write", Confidence::Medium),
        ] {
            let verdict = judge(&with_report(limit, other, adj));
            assert!(verdict.probable_cause.contains(want), "{limit}: {}", verdict.probable_cause);
            assert_eq!(verdict.confidence, confidence, "{limit}");
        }
        // Another process's report, and one that is none, leave the frozen files to judge by.
        let mut file = with_report(IN_CGROUP, 60_000, 0);
        let report = file.evidence.last_mut().unwrap();
        report.body = String::from_utf8(report.body.clone()).unwrap().replace("13674", "13675").into_bytes();
        assert_eq!(judge(&file).probable_cause, judge(&oom()).probable_cause);
        file.evidence.last_mut().unwrap().body = b"\xff\n# nonsense".to_vec();
        assert_eq!(judge(&file).probable_cause, judge(&oom()).probable_cause);
    }
}
