//! What the kernel's own report adds to an OOM kill: whose limit it was, who had the memory, who asked for more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::facts::{Charged, Counter, OomFact, OomGroup, OomTask, RanOut};
use crate::host::wall_time;
use crate::kinds::case::Statement;
use crate::kinds::late::Addition;
use crate::kinds::pieces::Who;
use crate::model::{Constraint, EvidenceFile, MemoryCounter, OomReport, TaskRow};

/// Rows of the table of tasks that are frozen with the report as a value, the largest.
const ROWS_FROZEN: usize = 64;

/// The kernel's report, and what was known of its largest tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomAccount {
    /// The kernel's report on this kill.
    pub report: Arc<OomReport>,
    /// What its largest tasks had before, where that had been measured.
    pub before: Vec<EarlierSize>,
}

/// What a process had resident before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlierSize {
    /// The process's thread group id.
    pub tgid: u32,
    /// Resident memory at that time, in bytes.
    pub rss_bytes: u64,
    /// How long before the report.
    pub age: Duration,
}

impl OomAccount {
    /// How many of the largest tasks are told of.
    pub const TOLD: usize = 3;

    /// What it adds to the case on its victim.
    pub fn addition(&self) -> Addition {
        let report = &*self.report;
        let lone = "the kernel's OOM report: the log has only its last line";
        Addition {
            facts: self.facts(),
            files: [Some(text_file(report)), json_file(report)].into_iter().flatten().collect(),
            missing: report.is_kill_alone().then(|| lone.to_owned()).into_iter().collect(),
        }
    }

    fn facts(&self) -> Vec<Statement> {
        let report = &*self.report;
        let stated = |fact| Statement::new(OomReport::SOURCE, fact);
        let mut facts = vec![stated(reason(report)), stated(victim(report))];
        facts.extend(tasks(report).map(stated));
        facts.extend(self.growth().map(|fact| Statement::new("scan", fact)));
        facts.extend(request(report).map(stated));
        facts
    }

    /// Of the largest tasks, those that had less before.
    fn growth(&self) -> impl Iterator<Item = OomFact> {
        self.report.tasks.iter().take(Self::TOLD).filter_map(|task| {
            let before = self.before.iter().find(|it| it.tgid == task.tgid)?;
            let rss_bytes = self.report.rss_bytes(task);
            (before.rss_bytes < rss_bytes).then(|| OomFact::OomTaskGrew {
                task: who(task),
                before_bytes: before.rss_bytes,
                rss_bytes,
                over_ms: u64::try_from(before.age.as_millis()).unwrap_or(u64::MAX),
            })
        })
    }
}

fn reason(report: &OomReport) -> OomFact {
    let ran_out = match report.constraint {
        _ if is_by_hand(report) => RanOut::Nothing,
        Some(Constraint::Memcg) => RanOut::CgroupLimit,
        Some(Constraint::Host) => RanOut::HostMemory,
        Some(Constraint::Cpuset) => RanOut::CpusetNodes,
        Some(Constraint::MemoryPolicy) => RanOut::PolicyNodes,
        None => RanOut::NoCgroupLimit,
    };
    let both_full = report.memory_swap.is_some_and(|it| it.is_full());
    let counter = report.memory.map(|memory| match both_full && !memory.is_full() {
        true => Counter::MemoryAndSwap,
        false => Counter::Memory,
    });
    OomFact::OomReason {
        ran_out,
        cgroup: report.oom_memcg.clone(),
        counter,
        memory: report.memory.map(charged),
        memory_and_swap: report.memory_swap.map(charged),
        victim_cgroup: report.task_memcg.clone().filter(|_| report.task_memcg != report.oom_memcg),
        kill_alone: report.is_kill_alone(),
    }
}

const fn charged(it: MemoryCounter) -> Charged {
    Charged { usage_bytes: it.usage_bytes, limit_bytes: it.limit_bytes }
}

const fn victim(report: &OomReport) -> OomFact {
    let it = &report.victim;
    OomFact::OomVictimSize {
        anon_bytes: it.anon_rss_bytes,
        file_bytes: it.file_rss_bytes,
        shmem_bytes: it.shmem_rss_bytes,
        tables_bytes: it.pgtables_bytes,
        oom_score_adj: it.oom_score_adj,
    }
}

fn tasks(report: &OomReport) -> Option<OomFact> {
    let row = |task: &TaskRow| OomTask {
        task: who(task),
        rss_bytes: report.rss_bytes(task),
        oom_score_adj: task.oom_score_adj,
        is_victim: report.is_victim(task),
    };
    let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
    (!report.tasks.is_empty()).then(|| OomFact::OomTasks {
        count: count(report.task_count),
        listed: count(report.tasks.len()),
        listed_rss_bytes: report.tasks.iter().map(|it| report.rss_bytes(it)).fold(0, u64::saturating_add),
        listed_tables_bytes: Some(
            report.tasks.iter().map(|it| it.pgtables_bytes).fold(0, u64::saturating_add),
        )
        .filter(|tables| *tables > 0),
        group: group(report),
        largest: report.tasks.iter().take(OomAccount::TOLD).map(row).collect(),
    })
}

/// So many tasks of one name are a group.
const GROUP_MIN: u64 = 3;

/// The tasks of one name that had more than half of what all had, where none of them had as much by itself.
fn group(report: &OomReport) -> Option<OomGroup> {
    let held = |task: &TaskRow| report.rss_bytes(task).saturating_add(task.pgtables_bytes);
    let all = report.tasks.iter().map(held).fold(0, u64::saturating_add);
    let mut groups: HashMap<&str, (u64, u64)> = HashMap::new();
    for task in &report.tasks {
        let (count, bytes) = groups.entry(task.name.raw()).or_default();
        (*count, *bytes) = (*count + 1, bytes.saturating_add(held(task)));
    }
    let (name, (count, bytes)) = groups.into_iter().max_by_key(|(name, (_, bytes))| (*bytes, *name))?;
    let alone = report.tasks.iter().map(held).max().unwrap_or(0);
    let is_group = count >= GROUP_MIN && bytes > all / 2 && alone <= all / 2;
    is_group.then(|| OomGroup { name: name.into(), count, bytes })
}

fn request(report: &OomReport) -> Option<OomFact> {
    let invoker = report.invoker.as_ref().filter(|_| !is_by_hand(report))?;
    let order = u32::try_from(invoker.order).ok()?;
    let bytes = 1_u64.checked_shl(order)?.saturating_mul(report.page_size);
    Some(OomFact::OomRequest { by: invoker.name.clone(), bytes, order, gfp: invoker.gfp.clone() })
}

/// By sysrq f the order is -1 (kernel mm/oom_kill.c, `is_sysrq_oom`).
fn is_by_hand(report: &OomReport) -> bool {
    report.invoker.as_ref().is_some_and(|it| it.order == -1)
}

fn who(task: &TaskRow) -> Who {
    Who { name: task.name.clone(), pid: task.tgid }
}

/// Its lines as a piece of evidence.
fn text_file(report: &OomReport) -> EvidenceFile {
    file(report, OomReport::TEXT_FILE, report.text.clone().into_bytes(), report.text_cut)
}

/// The report as a piece of evidence that programs can read.
fn json_file(report: &OomReport) -> Option<EvidenceFile> {
    let cut = report.tasks.len() < report.task_count || report.tasks.len() > ROWS_FROZEN;
    let mut kept = OomReport { text: String::new(), ..report.clone() };
    kept.tasks.truncate(ROWS_FROZEN);
    Some(file(report, OomReport::JSON_FILE, serde_json::to_vec_pretty(&kept).ok()?, cut))
}

fn file(report: &OomReport, name: &str, body: Vec<u8>, truncated: bool) -> EvidenceFile {
    let taken_at = wall_time(report.at);
    EvidenceFile { name: name.to_owned(), source: OomReport::SOURCE.to_owned(), taken_at, body, truncated }
}
