//! When the OOM killer is found to have struck, and what is said of it.

use std::sync::Arc;
use std::time::Duration;

use super::report::{EarlierSize, OomAccount};
use super::*;
use crate::kinds::case::CaseFile;
use crate::kinds::fixture;
use crate::kinds::shared::ending::fixture::{ended, exit, process};
use crate::model::{Constraint, ExitRecord, Invoker, MemoryCounter, OomReport, ReportedVictim, TaskRow};
use crate::observation::CgroupMemory;
use crate::render;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

#[test]
fn only_a_victim_of_the_oom_killer_is_one() {
    for (oom_killed, cause, want) in [
        (true, ExitCause::Signal(9), true),
        (false, ExitCause::Signal(9), false),
        (true, ExitCause::Status(0), false),
        (true, ExitCause::Signal(15), false),
        (false, ExitCause::Signal(11), false),
    ] {
        let process = process();
        let exit = ExitRecord { oom_killed, ..exit(cause) };
        assert_eq!(detect(&ended(&process, &exit)).is_some(), want, "{oom_killed} {cause:?}");
    }
}

/// The sentences of a draft about the process of [`process`].
fn told(draft: &Draft) -> (String, Vec<String>) {
    let file = CaseFile { process: process(), ..fixture::case_of(draft) };
    let facts = render::facts(&file).into_iter().zip(&file.facts);
    let facts = facts.map(|(view, fact)| format!("{} [{}]", view.text, fact.source));
    (render::summary(&file, &file.findings[0]), facts.collect())
}

#[test]
fn it_says_who_grew_and_whose_limit() {
    let process = process();
    let exit = ExitRecord { oom_killed: true, ..exit(ExitCause::Signal(9)) };
    let memory =
        CgroupMemory { path: "/app".into(), usage_bytes: 1 << 20, file_bytes: 0, limit_bytes: 24 << 20 };
    let other = OomTrigger { pid: 43, name: "grower" };
    let draft =
        detect(&Ended { memory: Some(&memory), oom_trigger: Some(other), ..ended(&process, &exit) }).unwrap();
    let (summary, facts) = told(&draft);
    assert_eq!(
        summary,
        "The OOM killer ended worker, which held 24.0 MiB at its peak; its memory cgroup /app is limited to 24.0 MiB."
    );
    assert_eq!(facts[1], "an allocation of grower (pid 43) triggered the OOM killer [kernel:mark_victim]");
    let own = OomTrigger { pid: 42, name: "worker" };
    let draft = detect(&Ended { oom_trigger: Some(own), ..ended(&process, &exit) }).unwrap();
    let (_, facts) = told(&draft);
    assert_eq!(facts[1], "its own allocation triggered the OOM killer [kernel:mark_victim]");
}

/// A report on pid 42, which held 6 MiB of 24, beside another (pid 43) with `other` pages.
pub(super) fn report(constraint: Constraint, other: u64, order: i32) -> OomReport {
    let task = |tgid, rss_pages, name: &str| TaskRow {
        pid: tgid,
        tgid,
        rss_pages,
        name: name.into(),
        ..TaskRow::default()
    };
    let mut tasks = vec![task(42, 1536, "worker"), task(43, other, "gr\nower")];
    tasks.sort_by_key(|it| std::cmp::Reverse(it.rss_pages));
    let kernel = OomReport::sample(42);
    OomReport {
        invoker: Some(Invoker { name: "grower".into(), gfp: "GFP_KERNEL".into(), order, oom_score_adj: 0 }),
        constraint: Some(constraint),
        oom_memcg: (constraint == Constraint::Memcg).then(|| "/app".into()),
        task_memcg: Some("/app/w".into()),
        memory: Some(MemoryCounter { usage_bytes: 24 * MIB, limit_bytes: 24 * MIB }),
        memory_swap: Some(MemoryCounter { usage_bytes: 24 * MIB, limit_bytes: 1 << 53 }),
        victim: ReportedVictim {
            anon_rss_bytes: 1536 * PAGE,
            oom_score_adj: Some(7),
            ..kernel.victim.clone()
        },
        task_count: tasks.len(),
        tasks,
        ..kernel
    }
}

/// A kill of which the log has the last line alone.
fn kill_alone(constraint: Option<Constraint>) -> OomReport {
    let victim = report(Constraint::Memcg, 1, 0).victim;
    OomReport { victim, constraint, ..OomReport::sample(42) }
}

fn account(report: OomReport, before: &[(u32, u64)]) -> OomAccount {
    let before = before.iter().map(|&(tgid, mib)| EarlierSize {
        tgid,
        rss_bytes: mib * MIB,
        age: Duration::from_secs(3),
    });
    OomAccount { report: Arc::new(report), before: before.collect() }
}

fn check(report: OomReport, before: &[(u32, u64)], trigger: Option<u32>, want: &str) -> Vec<String> {
    let process = process();
    let exit = ExitRecord { oom_killed: true, ..exit(ExitCause::Signal(9)) };
    let oom_trigger = trigger.map(|pid| OomTrigger { pid, name: "gr\nower" });
    let mut draft = detect(&Ended { oom_trigger, ..ended(&process, &exit) }).unwrap();
    draft.facts.splice(1..1, account(report, before).addition().facts);
    let (summary, facts) = told(&draft);
    assert_eq!(summary, want);
    facts
}

#[test]
fn the_summary_names_victim_limit_largest_and_trigger() {
    let facts = check(
        report(Constraint::Memcg, 4608, 0),
        &[(43, 2), (42, 6)],
        Some(43),
        "The OOM killer ended worker, which held 6.0 MiB: memory cgroup /app was at its memory limit of 24.0 MiB, \
         the largest task was gr ower (pid 43) with 18.0 MiB (2.0 MiB 3.0 s before) and an allocation of \
         gr ower (pid 43) triggered it.",
    );
    expect_test::expect![[r#"
        the OOM killer chose it: signal->oom_mm was set when SIGKILL ended it [kernel:sched_process_exit]
        memory cgroup /app was at its memory limit of 24.0 MiB: 24.0 MiB of 24.0 MiB memory used; the victim was in /app/w [kernel:kmsg]
        the victim held 6.0 MiB resident (6.0 MiB anonymous, 0 B of files, 0 B shared); its oom_score_adj was 7 [kernel:kmsg]
        the largest of the 2 tasks in the report: gr ower (pid 43) 18.0 MiB; worker (pid 42) 6.0 MiB, the victim [kernel:kmsg]
        gr ower (pid 43) held 2.0 MiB 3.0 s before it held 18.0 MiB [scan]
        the failed allocation was of 4.0 KiB (order 0, GFP_KERNEL) by grower [kernel:kmsg]
        an allocation of gr ower (pid 43) triggered the OOM killer [kernel:mark_victim]"#]]
    .assert_eq(&facts[..7].join("\n"));
    check(
        report(Constraint::Memcg, 1000, 0),
        &[(42, 1)],
        Some(42),
        "The OOM killer ended worker, which held 6.0 MiB: memory cgroup /app was at its memory limit of 24.0 MiB, \
         worker itself was the largest task (1.0 MiB 3.0 s before) and its own allocation triggered it.",
    );
    check(
        report(Constraint::Host, 4608, 0),
        &[(43, 20)],
        None,
        "The OOM killer ended worker, which held 6.0 MiB: the host's memory ran out and the largest task was \
         gr ower (pid 43) with 18.0 MiB.",
    );
    check(
        report(Constraint::Host, 1000, -1),
        &[],
        None,
        "The OOM killer ended worker, which held 6.0 MiB: somebody invoked the OOM killer through sysrq and worker \
         itself was the largest task.",
    );
}

#[test]
fn the_counter_that_was_full_is_named() {
    let mut both = report(Constraint::Memcg, 1000, 0);
    both.memory = Some(MemoryCounter { usage_bytes: 20 * MIB, limit_bytes: 24 * MIB });
    both.memory_swap = Some(MemoryCounter { usage_bytes: 32 * MIB, limit_bytes: 32 * MIB });
    check(
        both,
        &[],
        None,
        "The OOM killer ended worker, which held 6.0 MiB: memory cgroup /app was at its memory+swap limit of \
         32.0 MiB and worker itself was the largest task.",
    );
}

#[test]
fn a_kill_of_which_the_kernel_wrote_little_is_told_with_little() {
    let facts = check(
        kill_alone(None),
        &[],
        None,
        "The OOM killer ended worker, which held 6.0 MiB: memory outside the limits of cgroups ran out.",
    );
    assert!(facts[1].contains("after many OOM kills at once"), "{}", facts[1]);
    let lone = account(kill_alone(Some(Constraint::Memcg)), &[]).addition();
    assert_eq!(lone.missing, ["the kernel's OOM report: the log has only its last line"]);
    let mut draft = not_ended(&process(), OomTrigger { pid: 42, name: "worker" });
    draft.facts.splice(1..1, lone.facts);
    assert_eq!(told(&draft).0, "The OOM killer chose worker, which has not ended yet.");
    let mut draft = not_ended(&process(), OomTrigger { pid: 42, name: "worker" });
    let whole = account(report(Constraint::Host, 1000, 0), &[]).addition();
    assert!(whole.missing.is_empty(), "{:?}", whole.missing);
    draft.facts.splice(1..1, whole.facts);
    assert_eq!(
        told(&draft).0,
        "The OOM killer chose worker, which holds 6.0 MiB and has not ended yet: the host's memory ran out, worker \
         itself was the largest task and its own allocation triggered it."
    );
}

#[test]
fn the_report_is_frozen_as_text_and_as_a_value() {
    let mut report = report(Constraint::Memcg, 4608, 0);
    let files = account(report.clone(), &[]).addition().files;
    let [text, json] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((text.name.as_str(), json.name.as_str()), ("oom-report.txt", "oom-report.json"));
    assert_eq!(text.body, report.text.as_bytes());
    let again: OomReport = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(OomReport { text: report.text.clone(), ..again }, report);
    assert!(!json.truncated);
    // Of a large host the largest are frozen, and how many there were.
    report.tasks = (0..200).map(|tgid| TaskRow { tgid, ..TaskRow::default() }).collect();
    report.task_count = 5000;
    let files = account(report, &[]).addition().files;
    let again: OomReport = serde_json::from_slice(&files[1].body).unwrap();
    assert_eq!((again.tasks.len(), again.task_count, files[1].truncated), (64, 5000, true));
}
