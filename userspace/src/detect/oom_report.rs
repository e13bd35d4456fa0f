//! OOM kill, told by the kernel's own report: who was killed, who had grown, whose limit it was.
//!
//! To an operator: the victim is whom the kernel's score chose, often not the one that grew; and the limit says
//! whether this is a container's affair or the host's. Near miss: the report's largest task is only the largest;
//! that it grew is said where a walk of /proc had measured it before.

use std::sync::Arc;
use std::time::Duration;

use super::{Draft, OomTrigger, Statement};
use crate::model::ProcessInfo;
use crate::model::{Constraint, OomReport, TaskRow};
use crate::text;

/// Longest path of a cgroup shown.
const PATH_MAX: usize = 120;

/// The kernel's report, and what was known of its largest tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomAccount {
    /// The report.
    pub report: Arc<OomReport>,
    /// What its largest tasks had before, where that had been measured.
    pub before: Vec<EarlierSize>,
}

impl OomAccount {
    /// How many of the largest tasks are told of.
    pub const TOLD: usize = 3;
}

/// What a process had resident before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlierSize {
    /// The process.
    pub tgid: u32,
    /// Resident then.
    pub rss_bytes: u64,
    /// How long before the report.
    pub age: Duration,
}

/// What the events say of the kill.
#[derive(Clone, Copy, Debug)]
pub struct OomKill<'a> {
    /// Who was chosen.
    pub victim: &'a ProcessInfo,
    /// Whether it has ended.
    pub ended: bool,
    /// Whose allocation triggered it, where the kernel said so.
    pub trigger: Option<OomTrigger<'a>>,
}

/// The draft with what the report says: the summary names victim, limit, largest task and trigger.
pub fn revise(mut draft: Draft, kill: OomKill<'_>, account: &OomAccount) -> Draft {
    let report = &*account.report;
    let name = text::printable(&kill.victim.name);
    let held = text::size(report.victim.rss_bytes());
    let what = if kill.ended {
        format!("The OOM killer ended {name}, which held {held}")
    } else {
        format!("The OOM killer chose {name}, which holds {held} and has not ended yet")
    };
    let why = [Some(limit(report)), largest(kill, account), kill.trigger.map(|it| triggered(it, kill))];
    // Of a cgroup's kill alone the report tells less than the cgroup's own files, which the draft's words are from.
    if !(report.is_kill_alone() && report.constraint == Some(Constraint::Memcg)) {
        draft.summary = format!("{what}: {}.", enumerate(&why.into_iter().flatten().collect::<Vec<_>>()));
    }
    let stated = |text| Statement::new(OomReport::SOURCE, text);
    let mut facts = vec![stated(limit_fact(report)), stated(victim_fact(report))];
    facts.extend(ranking_fact(report).map(stated));
    facts.extend(growth_facts(account).map(|text| Statement::new("scan", text)));
    facts.extend(request_fact(report).map(stated));
    // After the proof that it was the OOM killer.
    let first = draft.facts.len().min(1);
    draft.facts.splice(first..first, facts);
    draft
}

/// Whose limit, as a clause.
fn limit(report: &OomReport) -> String {
    if is_by_hand(report) {
        return "somebody called the OOM killer by sysrq".to_owned();
    }
    match report.constraint {
        Some(Constraint::Memcg) => {
            let cgroup = match &report.oom_memcg {
                Some(path) => format!("memory cgroup {}", shown_path(path)),
                None => "a memory cgroup".to_owned(),
            };
            match limited(report) {
                Some((what, _, limit)) => {
                    format!("{cgroup} was at its {what} limit of {}", text::size(limit))
                }
                None => format!("{cgroup} was at its limit"),
            }
        }
        Some(Constraint::Host) => "the host's memory ran out".to_owned(),
        Some(Constraint::Cpuset) => "the memory nodes of a cpuset ran out".to_owned(),
        Some(Constraint::MemoryPolicy) => "the memory nodes of a memory policy ran out".to_owned(),
        None => "memory outside the limits of cgroups ran out".to_owned(),
    }
}

fn limit_fact(report: &OomReport) -> String {
    let mut fact = limit(report);
    if let Some((what, usage, limit)) =
        limited(report).filter(|_| report.constraint == Some(Constraint::Memcg))
    {
        let (usage, limit) = (text::size(usage), text::size(limit));
        fact = format!("{fact}: {usage} of {limit} {what} used");
    }
    if report.is_kill_alone() {
        fact += "; of the rest of its report the kernel's log has nothing, as after many OOM kills at once";
    }
    match &report.task_memcg {
        Some(path) if report.task_memcg != report.oom_memcg => {
            format!("{fact}; the victim was in {}", shown_path(path))
        }
        _ => fact,
    }
}

/// Which of the cgroup's counters was at its limit: its name, use and limit.
fn limited(report: &OomReport) -> Option<(&'static str, u64, u64)> {
    let memory = report.memory?;
    match report.memory_swap {
        Some(both) if both.is_full() && !memory.is_full() => {
            Some(("memory+swap", both.usage_bytes, both.limit_bytes))
        }
        _ => Some(("memory", memory.usage_bytes, memory.limit_bytes)),
    }
}

/// What a task had before, where that was less.
fn grew_from<'a>(account: &'a OomAccount, task: &TaskRow) -> Option<&'a EarlierSize> {
    let before = account.before.iter().find(|it| it.tgid == task.tgid)?;
    (before.rss_bytes < account.report.rss_bytes(task)).then_some(before)
}

/// Who had the most, as a clause.
fn largest(kill: OomKill<'_>, account: &OomAccount) -> Option<String> {
    let report = &*account.report;
    let task = report.tasks.first()?;
    let grown = grew_from(account, task).map_or_else(String::new, |it| {
        format!(" ({} {} before)", text::size(it.rss_bytes), text::duration(it.age))
    });
    Some(if report.is_victim(task) {
        format!("{} itself was the largest task{grown}", text::printable(&kill.victim.name))
    } else {
        format!("the largest task was {} with {}{grown}", who(task), text::size(report.rss_bytes(task)))
    })
}

/// Who triggered it, as a clause.
fn triggered(trigger: OomTrigger<'_>, kill: OomKill<'_>) -> String {
    let name = text::printable(trigger.name);
    if trigger.pid == kill.victim.pid {
        "its own allocation triggered it".to_owned()
    } else {
        format!("an allocation of {name} (pid {}) triggered it", trigger.pid)
    }
}

fn victim_fact(report: &OomReport) -> String {
    let victim = &report.victim;
    let parts = [
        (victim.anon_rss_bytes, "anonymous"),
        (victim.file_rss_bytes, "of files"),
        (victim.shmem_rss_bytes, "shared"),
    ]
    .map(|(bytes, what)| format!("{} {what}", text::size(bytes)));
    let adjusted =
        victim.oom_score_adj.map(|adj| format!("; its oom_score_adj was {adj}")).unwrap_or_default();
    format!("the victim held {} resident ({}){adjusted}", text::size(victim.rss_bytes()), parts.join(", "))
}

fn ranking_fact(report: &OomReport) -> Option<String> {
    let told = report.tasks.iter().take(OomAccount::TOLD).map(|task| {
        let victim = if report.is_victim(task) { ", the victim" } else { "" };
        format!("{} {}{victim}", who(task), text::size(report.rss_bytes(task)))
    });
    let told: Vec<_> = told.collect();
    let of = if report.task_count == 1 { "task" } else { "tasks" };
    (!told.is_empty())
        .then(|| format!("the largest of the {} {of} in the report: {}", report.task_count, told.join("; ")))
}

fn growth_facts(account: &OomAccount) -> impl Iterator<Item = String> {
    account.report.tasks.iter().take(OomAccount::TOLD).filter_map(|task| {
        let before = grew_from(account, task)?;
        let (then, now) = (text::size(before.rss_bytes), text::size(account.report.rss_bytes(task)));
        Some(format!("{} held {then} {} before it held {now}", who(task), text::duration(before.age)))
    })
}

fn request_fact(report: &OomReport) -> Option<String> {
    let invoker = report.invoker.as_ref().filter(|_| !is_by_hand(report))?;
    let pages = u32::try_from(invoker.order).ok().and_then(|order| 1_u64.checked_shl(order))?;
    Some(format!(
        "the allocation that failed was of {} (order {}, {}) by {}",
        text::size(pages.saturating_mul(report.page_size)),
        invoker.order,
        text::printable(&invoker.gfp),
        text::printable(&invoker.name),
    ))
}

/// By sysrq f the order is -1 (kernel mm/oom_kill.c, `is_sysrq_oom`).
fn is_by_hand(report: &OomReport) -> bool {
    report.invoker.as_ref().is_some_and(|it| it.order == -1)
}

fn who(task: &TaskRow) -> String {
    format!("{} (pid {})", text::printable(&task.name), task.tgid)
}

fn shown_path(path: &str) -> String {
    text::truncate(&text::printable(path), PATH_MAX)
}

/// `a`, `a and b`, `a, b and c`.
fn enumerate(clauses: &[String]) -> String {
    match clauses {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        other => other.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ended::tests::process;
    use super::super::oom::not_ended;
    use super::*;

    const HEADER: &str = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name";
    /// A host's report: the victim (pid 42) with 6 MiB, another (pid 43) with `other` pages.
    fn report(summary: &str, other: u64, order: i32) -> OomReport {
        let text = format!(
            "# Sizes in the table of tasks are in pages. Bytes a page: 4096\n\
             grower invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order={order}, oom_score_adj=0\n\
             memory: usage 24576kB, limit 24576kB, failcnt 94\n\
             memory+swap: usage 24576kB, limit 9007199254740988kB, failcnt 0\n\
             {HEADER}\n\
             [     42]     0    42     2161     1536    57344        0             0 worker\n\
             [     43]     0    43     5245     {other}    81920        0             0 gr\\x0aower\n\
             oom-kill:constraint=CONSTRAINT_{summary},task=worker,pid=42,uid=0\n\
             Out of memory: Killed process 42 (worker) total-vm:8644kB, anon-rss:6144kB, file-rss:0kB, \
             shmem-rss:0kB, UID:0 pgtables:56kB oom_score_adj:7\n"
        );
        OomReport::from_text(&text).expect("a report")
    }

    const IN_APP: &str = "MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/app,task_memcg=/app/w";
    const ON_HOST: &str = "NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/app";

    fn check(report: OomReport, before: &[(u32, u64)], trigger: Option<u32>, want: &str) -> Draft {
        let process = process();
        let trigger = trigger.map(|pid| OomTrigger { pid, name: "gr\nower" });
        let before = before.iter().map(|&(tgid, mib)| EarlierSize {
            tgid,
            rss_bytes: mib << 20,
            age: Duration::from_secs(3),
        });
        let account = OomAccount { report: Arc::new(report), before: before.collect() };
        let draft = not_ended(&process, OomTrigger { pid: 42, name: "worker" });
        let kill = OomKill { victim: &process, ended: true, trigger };
        let draft = revise(draft, kill, &account);
        assert_eq!(draft.summary, want);
        draft
    }

    #[test]
    fn the_summary_names_victim_limit_largest_and_trigger() {
        let draft = check(
            report(IN_APP, 4608, 0),
            &[(43, 2), (42, 6)],
            Some(43),
            "The OOM killer ended worker, which held 6.0 MiB: memory cgroup /app was at its memory limit of 24.0 MiB, \
             the largest task was gr ower (pid 43) with 18.0 MiB (2.0 MiB 3.0 s before) and an allocation of \
             gr ower (pid 43) triggered it.",
        );
        let facts: Vec<_> = draft.facts.iter().map(|it| format!("{} [{}]", it.text(), it.source)).collect();
        expect_test::expect![[r#"
            the OOM killer chose it, and its end was not reported [kernel:mark_victim]
            memory cgroup /app was at its memory limit of 24.0 MiB: 24.0 MiB of 24.0 MiB memory used; the victim was in /app/w [kernel:kmsg]
            the victim held 6.0 MiB resident (6.0 MiB anonymous, 0 B of files, 0 B shared); its oom_score_adj was 7 [kernel:kmsg]
            the largest of the 2 tasks in the report: gr ower (pid 43) 18.0 MiB; worker (pid 42) 6.0 MiB, the victim [kernel:kmsg]
            gr ower (pid 43) held 2.0 MiB 3.0 s before it held 18.0 MiB [scan]
            the allocation that failed was of 4.0 KiB (order 0, GFP_KERNEL) by grower [kernel:kmsg]
            its own allocation triggered the OOM killer [kernel:mark_victim]"#]].assert_eq(&facts.join("\n"));
        check(
            report(IN_APP, 1000, 0),
            &[(42, 1)],
            Some(42),
            "The OOM killer ended worker, which held 6.0 MiB: memory cgroup /app was at its memory limit of 24.0 MiB, \
             worker itself was the largest task (1.0 MiB 3.0 s before) and its own allocation triggered it.",
        );
        check(
            report(ON_HOST, 4608, 0),
            &[(43, 20)],
            None,
            "The OOM killer ended worker, which held 6.0 MiB: the host's memory ran out and the largest task was \
             gr ower (pid 43) with 18.0 MiB.",
        );
        check(
            report(ON_HOST, 1000, -1),
            &[],
            None,
            "The OOM killer ended worker, which held 6.0 MiB: somebody called the OOM killer by sysrq and worker \
             itself was the largest task.",
        );
    }

    #[test]
    fn a_kill_of_which_the_kernel_wrote_little_is_told_with_little() {
        let mut bare = report("garbage", 1, 0);
        assert!(bare.tasks.is_empty() && bare.invoker.is_none());
        let draft = check(
            bare.clone(),
            &[],
            None,
            "The OOM killer ended worker, which held 6.0 MiB: memory outside the limits of cgroups ran out.",
        );
        assert!(draft.facts[1].text().contains("after many OOM kills at once"), "{:?}", draft.facts[1]);
        bare.constraint = Some(Constraint::Memcg);
        check(bare, &[], None, "The OOM killer chose worker, which has not ended yet.");
    }
}
