//! From an end or a report to the cause: whose limit, and whether the victim itself had the memory.

use std::sync::Arc;

use expect_test::{Expect, expect};

use super::super::report::OomAccount;
use super::super::tests::report;
use super::super::{detect, not_ended};
use super::*;
use crate::analyst::built_in;
use crate::kinds::case::Draft;
use crate::kinds::fixture::{case_of, frozen, healthy, judged};
use crate::kinds::shared::ending::fixture::ended;
use crate::kinds::shared::ending::{Ended, OomTrigger};
use crate::model::{
    Constraint, ExitCause, ExitRecord, MemoryCounter, OomReport, ProcessInfo, ReportedVictim, TaskRow,
};
use crate::observation::CgroupMemory;

/// The process of [`healthy`], killed by an allocation of its own in a cgroup of 256 MiB.
pub(in crate::kinds::oom_kill) fn sample() -> (ProcessInfo, Draft) {
    let process = healthy().process;
    let exit = ExitRecord {
        oom_killed: true,
        peak_rss_bytes: Some(255 << 20),
        ..ExitRecord::sample(ExitCause::Signal(9))
    };
    let whole = 256 << 20;
    let memory =
        CgroupMemory { path: "/oomtest".into(), usage_bytes: whole, file_bytes: 0, limit_bytes: whole };
    let trigger = OomTrigger { pid: process.pid, name: "python3" };
    let draft =
        detect(&Ended { memory: Some(&memory), oom_trigger: Some(trigger), ..ended(&process, &exit) })
            .unwrap();
    (process, draft)
}

/// The process of [`healthy`], killed in a cgroup whose files are frozen.
fn killed() -> CaseFile {
    let process = healthy().process;
    let exit = ExitRecord { oom_killed: true, ..ExitRecord::sample(ExitCause::Signal(9)) };
    let draft = detect(&ended(&process, &exit)).unwrap();
    let evidence = vec![
        frozen("status", "Name:\tpython3\nVmHWM:\t  261120 kB\nVmRSS:\t  261000 kB\n"),
        frozen("cgroup.memory.max", "268435456\n"),
        frozen("cgroup.memory.events", "low 0\nhigh 0\nmax 311\noom 1\noom_kill 1\n"),
    ];
    CaseFile { evidence, ..case_of(&draft) }
}

/// The same with the kernel's report: it held 12 MiB, its neighbour `other` pages, of 256 MiB.
fn reported(constraint: Option<Constraint>, other: u64, adj: i32) -> CaseFile {
    let kernel = report(constraint.unwrap_or(Constraint::Host), 1, 0);
    let task = |tgid, rss_pages, oom_score_adj, name: &str| TaskRow {
        pid: tgid,
        tgid,
        rss_pages,
        oom_score_adj,
        name: name.into(),
        ..TaskRow::default()
    };
    let mut tasks = vec![task(13674, 3072, adj, "python3"), task(77, other, 0, "db")];
    tasks.sort_by_key(|it| std::cmp::Reverse(it.rss_pages));
    let whole = 256 << 20;
    let mut report = OomReport {
        constraint,
        oom_memcg: kernel.oom_memcg.clone().map(|_| "/oomtest".into()),
        task_memcg: Some("/oomtest".into()),
        memory: Some(MemoryCounter { usage_bytes: whole, limit_bytes: whole }),
        memory_swap: None,
        victim_tgid: 13674,
        victim: ReportedVictim {
            anon_rss_bytes: 12 << 20,
            oom_score_adj: Some(adj),
            ..kernel.victim.clone()
        },
        tasks,
        ..kernel
    };
    if constraint.is_none() {
        // The table cannot be joined to the kill: its line alone.
        (report.invoker, report.memory) = (None, None);
        (report.tasks, report.task_count) = (Vec::new(), 0);
    }
    with(report)
}

/// The case of [`killed`] with a report.
fn with(report: OomReport) -> CaseFile {
    let process = healthy().process;
    let exit = ExitRecord { oom_killed: true, ..ExitRecord::sample(ExitCause::Signal(9)) };
    let mut draft = detect(&ended(&process, &exit)).unwrap();
    let addition = OomAccount { report: Arc::new(report), before: Vec::new() }.addition();
    draft.facts.splice(1..1, addition.facts);
    CaseFile { evidence: killed().evidence, ..case_of(&draft) }
}

/// A report of a cgroup of 256 MiB, with these tasks: pid, pages, page tables, name; the first is the victim.
fn report_of(tasks: &[(u32, u64, u64, &str)]) -> OomReport {
    let kernel = report(Constraint::Memcg, 1, 0);
    let row = |(tgid, rss_pages, pgtables_bytes, name): &(u32, u64, u64, &str)| TaskRow {
        pid: *tgid,
        tgid: *tgid,
        rss_pages: *rss_pages,
        pgtables_bytes: *pgtables_bytes,
        name: (*name).into(),
        ..TaskRow::default()
    };
    let (whole, victim) = (256 << 20, tasks[0]);
    let mut rows: Vec<_> = tasks.iter().map(row).collect();
    rows.sort_by_key(|it| std::cmp::Reverse(it.rss_pages));
    OomReport {
        oom_memcg: Some("/oomtest".into()),
        task_memcg: Some("/oomtest".into()),
        memory: Some(MemoryCounter { usage_bytes: whole, limit_bytes: whole }),
        memory_swap: None,
        victim_tgid: victim.0,
        victim: ReportedVictim {
            anon_rss_bytes: victim.1 * 4096,
            pgtables_bytes: Some(victim.2),
            ..kernel.victim.clone()
        },
        task_count: rows.len(),
        tasks: rows,
        ..kernel
    }
}

#[test]
fn many_small_tasks_are_one_cause_together() {
    let many: Vec<_> = (0..40).map(|i| (13674 + i, 1600, 0, "worker")).collect();
    let verdict = built_in(&with(report_of(&many)));
    assert!(
        verdict.probable_cause.contains("40 tasks named worker held 250 MiB of it together"),
        "{}",
        verdict.probable_cause
    );
    assert_eq!(verdict.confidence, Confidence::High);
    for wrong in ["victim, not the cause", "more likely the victim", "page cache"] {
        assert!(!verdict.probable_cause.contains(wrong), "{}", verdict.probable_cause);
    }
    assert!(verdict.summary.contains("40 tasks named worker held 250.0 MiB together"), "{}", verdict.summary);
    // Near misses: one that had most of it, and few of a name beside others.
    for (what, tasks) in [
        ("one of them is large", vec![(1, 100, 0, "worker"), (2, 60000, 0, "worker"), (3, 100, 0, "worker")]),
        ("two of a name", vec![(1, 30000, 0, "a"), (2, 30000, 0, "a"), (3, 100, 0, "b")]),
        (
            "no name has most",
            vec![(1, 9000, 0, "a"), (2, 9000, 0, "b"), (3, 9000, 0, "c"), (4, 9000, 0, "d")],
        ),
    ] {
        let cause = built_in(&with(report_of(&tasks))).probable_cause;
        assert!(!cause.contains("together"), "{what}: {cause}");
    }
}

#[test]
fn page_tables_are_memory_too() {
    let (mib, pages) = (1 << 20, 256);
    let verdict = built_in(&with(report_of(&[(13674, 20 * pages, 230 * mib, "python3")])));
    assert!(verdict.probable_cause.contains("Page tables took most of it, 230 MiB"), "{verdict:?}");
    assert!(verdict.probable_cause.contains("python3 alone had 230 MiB of that"), "{verdict:?}");
    assert!(!verdict.probable_cause.contains("page cache"), "{verdict:?}");
    let shared: Vec<_> = (0..30).map(|i| (13674 + i, pages, 7 * mib, "postgres")).collect();
    let cause = built_in(&with(report_of(&shared))).probable_cause;
    assert!(cause.contains("many processes map the same memory"), "{cause}");
    let few = built_in(&with(report_of(&[(13674, 240 * pages, mib, "python3")]))).probable_cause;
    assert!(!few.contains("Page tables"), "{few}");
}

fn check(file: &CaseFile, want: &Expect) {
    want.assert_eq(&judged(file));
}

#[test]
fn in_a_limited_cgroup() {
    check(
        &killed(),
        &expect![[r#"
            The OOM killer ended python3, which held 24.0 MiB at its peak.
            The memory limit of cgroup /oomtest is 256 MiB, and python3 alone had 255 MiB resident: it filled its cgroup, and the kernel killed it to keep the limit.
            High, by F1 F2 F3 F4 F5
            ? python3 leaks memory, or was given more work at once than fits into its memory [F1 F2 F3 F4 F5]
            ? The limit is lower than what python3 needs in normal work [F1 F2 F3 F4 F5]
            - The kernel's report: which limit ran out, and what each process held
              $ journalctl -k --no-pager --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' | grep -A 60 'invoked oom-killer'
            - The cgroup's limit, use and OOM count
              $ grep -sH '' /sys/fs/cgroup/oomtest/memory.{max,high,current,peak,events}
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        "#]],
    );
}

#[test]
fn a_small_victim_in_a_container() {
    let mut file = killed();
    file.process.cgroup = Some(format!("/system.slice/docker-{}.scope", "ab".repeat(32)));
    file.process.container_id = Some("ab".repeat(32));
    file.evidence[0] = frozen("status", "VmHWM:\t1024 kB\n");
    check(
        &file,
        &expect![[r#"
            The OOM killer ended python3, which held 24.0 MiB at its peak.
            The memory limit of cgroup /system.slice/docker-abababababababababababababababababababababababababababababababab.scope is 256 MiB. python3 had only 1 MiB resident, so other processes in the same cgroup, or its page cache and tmpfs files, had most of the memory; python3 was the victim, not the cause.
            Medium, by F1 F2 F3 F4 F5
            ? python3 leaks memory, or was given more work at once than fits into its memory [F1 F2 F3 F4 F5]
            ? The limit is lower than what python3 needs in normal work [F1 F2 F3 F4 F5]
            - The kernel's report: which limit ran out, and what each process held
              $ journalctl -k --no-pager --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' | grep -A 60 'invoked oom-killer'
            - The cgroup's limit, use and OOM count
              $ grep -sH '' /sys/fs/cgroup/system.slice/docker-abababababababababababababababababababababababababababababababab.scope/memory.{max,high,current,peak,events}
            - If it really needs this much: double its limit until the next restart
              $ docker update --memory 512m --memory-swap 512m abababababab
            - Recent log output
              $ docker logs --tail 100 abababababab
        "#]],
    );
}

#[test]
fn for_a_neighbour() {
    check(
        &reported(Some(Constraint::Memcg), 60_000, 1000),
        &expect![[r#"
            The OOM killer ended python3, which held 12.0 MiB: memory cgroup /oomtest was at its memory limit of 256.0 MiB and the largest task was db (pid 77) with 234.3 MiB.
            Cgroup /oomtest had used up its memory limit of 256 MiB. Its neighbour db (pid 77) had most of it, 234 MiB; python3 held only 12 MiB and was chosen for its oom_score_adj of 1000 (the neighbour's is 0): it is the victim, not the cause.
            High, by F1 F2 F3 F4 F5 F6 F7 F8 F9
            ? db (pid 77) leaks memory, or was given more work at once than fits into its memory [F1 F2 F3 F4 F5 F6 F7 F8 F9]
            ? The limit is lower than what its tasks need together in normal work [F1 F2 F3 F4 F5 F6 F7 F8 F9]
            - Whether the neighbour that had most of it is still growing
              $ ps -o pid,rss,etime,args -p 77; grep -E '^(Name|Vm|Rss)' /proc/77/status
            - The cgroup's limit, use and OOM count
              $ grep -sH '' /sys/fs/cgroup/oomtest/memory.{max,high,current,peak,events}
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        "#]],
    );
}

#[test]
fn on_a_full_host() {
    check(
        &reported(Some(Constraint::Host), 60_000, 0),
        &expect![[r#"
            The OOM killer ended python3, which held 12.0 MiB: the host's memory ran out and the largest task was db (pid 77) with 234.3 MiB.
            The whole host had run out of memory: the limit is the machine's, not a cgroup's. Its neighbour db (pid 77) had most of it, 234 MiB; python3 held only 12 MiB and was chosen by the kernel's score: it is the victim, not the cause.
            High, by F1 F2 F3 F4 F5 F6 F7 F8 F9
            ? db (pid 77) leaks memory, or was given more work at once than fits into its memory [F1 F2 F3 F4 F5 F6 F7 F8 F9]
            ? There is too little memory for everything that runs there; a limit on each service would show which one takes it [F2 F3 F4 F5]
            - Whether the neighbour that had most of it is still growing
              $ ps -o pid,rss,etime,args -p 77; grep -E '^(Name|Vm|Rss)' /proc/77/status
            - Which processes use the host's memory now
              $ free -m; ps -eo pid,rss,comm --sort=-rss | head
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        "#]],
    );
}

#[test]
fn the_cause_follows_the_frozen_files() {
    for (name, body, want, confidence) in [
        ("cgroup.memory.max", "max\n", "no memory limit of its own", Confidence::Medium),
        ("cgroup.memory.limit_in_bytes", "9223372036854771712", "no memory limit", Confidence::Medium),
        ("cgroup.memory.max", "garbage", "either within the limit", Confidence::Low),
        ("cgroup.memory.max", "1048576", "most likely it was reached", Confidence::Medium),
    ] {
        let file = CaseFile { evidence: vec![frozen(name, body)], ..killed() };
        let verdict = built_in(&file);
        assert!(verdict.probable_cause.contains(want), "{body:?}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{body:?}");
    }
}

#[test]
fn the_kernels_report_decides_the_cause() {
    let cgroup = Some(Constraint::Memcg);
    let host = Some(Constraint::Host);
    for (limit, other, adj, want, confidence) in [
        (cgroup, 60_000, 1000, "chosen for its oom_score_adj of 1000", Confidence::High),
        (cgroup, 60_000, 0, "chosen by the kernel's score", Confidence::High),
        (cgroup, 100, 0, "tasks under it held only 12.3 MiB", Confidence::Medium),
        (cgroup, 30_000, 0, "No task had most of it; the largest was db (pid 77)", Confidence::Medium),
        (host, 100, 0, "held 12 MiB, more than any other of the 2 tasks", Confidence::High),
        (host, 60_000, 0, "The whole host had run out of memory", Confidence::High),
        (Some(Constraint::Cpuset), 60_000, 0, "that a cpuset allows", Confidence::High),
        (Some(Constraint::MemoryPolicy), 60_000, 0, "that a memory policy allows", Confidence::High),
        (None, 60_000, 0, "The kernel did not log", Confidence::Medium),
    ] {
        let verdict = built_in(&reported(limit, other, adj));
        assert!(verdict.probable_cause.contains(want), "{limit:?}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{limit:?}");
    }
}

#[test]
fn a_report_that_tells_less_than_the_frozen_files_leaves_them_to_judge_by() {
    let lone = OomReport { constraint: Some(Constraint::Memcg), ..OomReport::sample(13674) };
    assert_eq!(built_in(&with(lone)).probable_cause, built_in(&killed()).probable_cause);
}

#[test]
fn a_kill_by_hand_is_nobodys_shortage() {
    let process = healthy().process;
    let mut draft = not_ended(&process, OomTrigger { pid: 1, name: "bash" });
    let by_hand = OomReport { victim_tgid: 13674, ..report(Constraint::Host, 9000, -1) };
    let addition = OomAccount { report: Arc::new(by_hand), before: Vec::new() }.addition();
    draft.facts.splice(1..1, addition.facts);
    let verdict = built_in(&case_of(&draft));
    assert!(
        verdict.probable_cause.contains("invoked the OOM killer through sysrq"),
        "{}",
        verdict.probable_cause
    );
    assert_eq!(verdict.confidence, Confidence::High);
}
