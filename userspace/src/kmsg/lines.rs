//! The lines of an OOM report, one by one (kernel mm/oom_kill.c `dump_header`, `dump_tasks`,
//! `dump_oom_victim`, `__oom_kill_process`; mm/memcontrol.c `mem_cgroup_print_oom_meminfo`). Names in them are
//! hostile: each shape is taken from the side where the kernel, not the name, has the last word. Pure.

use super::record::unescape;
use crate::model::{Constraint, Invoker, MemoryCounter, Name, ReportedVictim, TaskRow};

/// A `comm` is at most this long (kernel TASK_COMM_LEN less its NUL).
const COMM_MAX: usize = 15;
/// Most columns of the table of tasks.
const COLUMNS_MAX: usize = 16;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Invoked(Invoker),
    Memory(MemoryCounter),
    MemorySwap(MemoryCounter),
    TaskHeader(Columns),
    /// The name is also as the log shows it, to find it in the line before.
    Killed {
        memcg: bool,
        victim: ReportedVictim,
        escaped: String,
    },
    /// More victims follow, from the same report.
    Group,
    Other,
}

/// The `oom-kill:` line, whose names come in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) constraint: Constraint,
    pub(super) pid: u32,
    /// Absent where the names in the line leave it open.
    pub(super) oom_memcg: Option<Name>,
    pub(super) task_memcg: Option<Name>,
}

/// The columns of the table of tasks, which differ between kernels, without the last one, the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns(Vec<String>);

/// What this line says; for the table's rows see [`Columns::row`], for `oom-kill:` see [`summary`].
pub(super) fn read(text: &str) -> Line {
    invoked(text)
        .map(Line::Invoked)
        .or_else(|| killed(text))
        .or_else(|| usage(text, "memory").map(Line::Memory))
        .or_else(|| usage(text, "memory+swap").map(Line::MemorySwap))
        .or_else(|| Columns::read(text).map(Line::TaskHeader))
        .or_else(|| group(text))
        .unwrap_or(Line::Other)
}

/// `COMM invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0`
fn invoked(text: &str) -> Option<Invoker> {
    let (name, rest) = text.rsplit_once(" invoked oom-killer: gfp_mask=0x")?;
    let (rest, oom_score_adj) = rest.rsplit_once(", oom_score_adj=")?;
    let (mask, order) = rest.rsplit_once(", order=")?;
    let gfp = mask.split_once('(').map_or(mask, |(_, names)| names.trim_end_matches(')'));
    Some(Invoker {
        name: comm(name)?,
        gfp: gfp.into(),
        order: order.parse().ok()?,
        oom_score_adj: oom_score_adj.parse().ok()?,
    })
}

/// `memory: usage 24576kB, limit 24576kB, failcnt 94`
fn usage(text: &str, counter: &str) -> Option<MemoryCounter> {
    let rest = text.strip_prefix(counter)?.strip_prefix(": usage ")?;
    let (usage, rest) = rest.split_once("kB, limit ")?;
    let (limit, failures) = rest.split_once("kB, failcnt ")?;
    failures.parse::<u64>().ok()?;
    Some(MemoryCounter { usage_bytes: kilobytes(usage)?, limit_bytes: kilobytes(limit)? })
}

/// `Memory cgroup out of memory: Killed process 3642 (COMM) total-vm:20980kB, anon-rss:18048kB, …`
fn killed(text: &str) -> Option<Line> {
    let (why, rest) = text.split_once(": Killed process ")?;
    let memcg = match why {
        "Memory cgroup out of memory" => true,
        "Out of memory" | "Out of memory (oom_kill_allocating_task)" => false,
        _ => return None,
    };
    let (pid, rest) = rest.split_once(" (")?;
    // The name may hold a parenthesis; after it there are only numbers.
    let (name, sizes) = rest.rsplit_once(") total-vm:")?;
    let sizes = format!("total-vm:{sizes}");
    let field =
        |name: &str| sizes.split([',', ' ']).find_map(|part| part.strip_prefix(name)?.strip_prefix(':'));
    let size = |name| kilobytes(field(name)?.strip_suffix("kB")?);
    let victim = ReportedVictim {
        pid: pid.parse().ok()?,
        name: comm(name)?,
        uid: field("UID").and_then(|it| it.parse().ok()),
        total_vm_bytes: size("total-vm")?,
        anon_rss_bytes: size("anon-rss")?,
        file_rss_bytes: size("file-rss")?,
        shmem_rss_bytes: size("shmem-rss")?,
        pgtables_bytes: size("pgtables"),
        oom_score_adj: field("oom_score_adj").and_then(|it| it.parse().ok()),
    };
    Some(Line::Killed { memcg, victim, escaped: name.to_owned() })
}

/// `Tasks in PATH are going to be killed due to memory.oom.group set`
fn group(text: &str) -> Option<Line> {
    let path = text.strip_prefix("Tasks in ")?;
    path.ends_with(" are going to be killed due to memory.oom.group set").then_some(Line::Group)
}

/// Whether this is the beginning of an `oom-kill:` line, which may come in pieces.
pub(super) fn begins_summary(text: &str) -> bool {
    text.starts_with("oom-kill:constraint=CONSTRAINT_")
}

/// `oom-kill:constraint=C,nodemask=N,cpuset=NAME,mems_allowed=M,(oom_memcg=PATH|global_oom),task_memcg=PATH,
/// task=COMM,pid=P,uid=U`, of a victim whose `comm` is known as the log shows it. The pid is read from the end, where no name comes
/// after it. A cgroup's name can hold anything, keys that look like these too: then the paths are not known.
pub(super) fn summary(text: &str, victim: &str) -> Option<Summary> {
    let rest = text.strip_prefix("oom-kill:constraint=CONSTRAINT_")?;
    let (constraint, _) = rest.split_once(',')?;
    let constraint = match constraint {
        "NONE" => Constraint::Host,
        "CPUSET" => Constraint::Cpuset,
        "MEMORY_POLICY" => Constraint::MemoryPolicy,
        "MEMCG" => Constraint::Memcg,
        _ => return None,
    };
    let (rest, uid) = rest.rsplit_once(",uid=")?;
    uid.parse::<u32>().ok()?;
    let (rest, pid) = rest.rsplit_once(",pid=")?;
    let pid = pid.parse().ok()?;
    let paths = rest.strip_suffix(victim).and_then(|rest| rest.strip_suffix(",task="));
    let (limited, task_memcg) = paths.and_then(|it| split_once_only(it, ",task_memcg=")).unzip();
    let oom_memcg = limited
        .filter(|_| constraint == Constraint::Memcg)
        .and_then(|it| split_once_only(it, ",oom_memcg="))
        .map(|(_, path)| unescape(path).into());
    Some(Summary { constraint, pid, oom_memcg, task_memcg: task_memcg.map(|path| unescape(path).into()) })
}

impl Columns {
    /// `[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name`
    fn read(text: &str) -> Option<Self> {
        let mut columns: Vec<_> =
            text.strip_prefix("[  pid  ]")?.split_whitespace().take(COLUMNS_MAX).map(str::to_owned).collect();
        let last = columns.pop()?;
        let needed = ["uid", "tgid", "total_vm", "rss"].iter().all(|it| columns.iter().any(|has| has == it));
        (last == "name" && needed).then_some(Self(columns))
    }

    /// `[   3642]     0  3642     5245     4765 …             0 COMM`
    pub(super) fn row(&self, text: &str) -> Option<TaskRow> {
        let (pid, mut rest) = text.strip_prefix('[')?.split_once(']')?;
        let mut row = TaskRow { pid: pid.trim().parse().ok()?, ..TaskRow::default() };
        for column in &self.0 {
            let (value, tail) = rest.trim_start_matches(' ').split_once(' ')?;
            rest = tail;
            let number: u64 = match column.as_str() {
                "oom_score_adj" => {
                    row.oom_score_adj = value.parse().ok()?;
                    continue;
                }
                // The kernel prints it signed.
                "pgtables_bytes" => value.parse::<i64>().ok()?.try_into().unwrap_or(0),
                _ => value.parse().ok()?,
            };
            match column.as_str() {
                "uid" => row.uid = number.try_into().ok()?,
                "tgid" => row.tgid = number.try_into().ok()?,
                "total_vm" => row.total_vm_pages = number,
                "rss" => row.rss_pages = number,
                "rss_anon" => row.rss_anon_pages = Some(number),
                "rss_file" => row.rss_file_pages = Some(number),
                "rss_shmem" => row.rss_shmem_pages = Some(number),
                "pgtables_bytes" => row.pgtables_bytes = number,
                "swapents" => row.swapents_pages = number,
                _ => {}
            }
        }
        row.name = comm(rest)?;
        Some(row)
    }
}

/// Before and after `separator`, where it is there once.
fn split_once_only<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(separator).filter(|(_, after)| !after.contains(separator))
}

/// A name as it was before the kernel escaped it; `None` for what is too long to be one.
fn comm(text: &str) -> Option<Name> {
    // Four characters for a byte at most.
    if text.len() > 4 * COMM_MAX {
        return None;
    }
    let name = unescape(text);
    (name.chars().count() <= COMM_MAX).then(|| name.into())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_mul(1024)
}
