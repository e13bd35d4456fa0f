//! What the kernel wrote of one OOM kill: whose limit ran out, and who had the memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Name;

/// What the kernel wrote of one OOM kill. What is absent was not written, or is not certain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OomReport {
    /// When the kill was logged, on CLOCK_BOOTTIME.
    #[serde(rename = "at_boot_ms", with = "milliseconds")]
    pub at: Duration,
    /// Whose allocation failed. Absent, with all but the victim, where the kernel wrote too many reports lately
    /// (ten in five seconds, kernel mm/oom_kill.c `oom_rs`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoker: Option<Invoker>,
    /// Which memory had run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
    /// The cgroup whose limit it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_memcg: Option<Name>,
    /// The cgroup the victim was in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_memcg: Option<Name>,
    /// The limited cgroup's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryCounter>,
    /// The limited cgroup's memory and swap together; v1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<MemoryCounter>,
    /// Who was killed.
    pub victim: ReportedVictim,
    /// The victim's process.
    pub victim_tgid: u32,
    /// Who had memory, the largest first; at most 256.
    pub tasks: Vec<TaskRow>,
    /// How many there were.
    pub task_count: usize,
    /// Bytes a page.
    pub page_size: u64,
    /// The lines as they were logged, without the call trace. Its JSON stands beside it.
    #[serde(skip)]
    pub text: String,
    /// Whether lines were left out for their number.
    #[serde(skip)]
    pub text_cut: bool,
}

impl OomReport {
    /// The evidence file that its lines become.
    pub const TEXT_FILE: &str = "oom-report.txt";
    /// The evidence file that it becomes as a value.
    pub const JSON_FILE: &str = "oom-report.json";
    /// Where its facts were read.
    pub const SOURCE: &str = "kernel:kmsg";

    /// Whether only the kill itself is known: the kernel left out the rest, or it was lost.
    pub const fn is_kill_alone(&self) -> bool {
        self.invoker.is_none()
    }

    /// What a task had resident.
    pub const fn rss_bytes(&self, task: &TaskRow) -> u64 {
        task.rss_pages.saturating_mul(self.page_size)
    }

    /// Whether this task is the victim.
    pub const fn is_victim(&self, task: &TaskRow) -> bool {
        task.tgid == self.victim_tgid
    }

    /// Whether this tells of that process.
    pub const fn names(&self, pid: u32) -> bool {
        self.victim_tgid == pid || self.victim.pid == pid
    }
}

/// Literals for tests.
#[cfg(test)]
impl OomReport {
    /// Of a kill alone: a process with 4 KiB.
    pub fn sample(pid: u32) -> Self {
        let victim = ReportedVictim {
            pid,
            name: "a".into(),
            uid: None,
            total_vm_bytes: 8 << 10,
            anon_rss_bytes: 4 << 10,
            file_rss_bytes: 0,
            shmem_rss_bytes: 0,
            pgtables_bytes: None,
            oom_score_adj: None,
        };
        Self {
            at: Duration::ZERO,
            invoker: None,
            constraint: None,
            oom_memcg: None,
            task_memcg: None,
            memory: None,
            memory_swap: None,
            victim_tgid: pid,
            victim,
            tasks: Vec::new(),
            task_count: 0,
            page_size: 4096,
            text: format!("Out of memory: Killed process {pid} (a)\n"),
            text_cut: false,
        }
    }
}

/// Whose allocation failed, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoker {
    /// The thread's `comm`.
    pub name: Name,
    /// The flags of the allocation by their names: `GFP_KERNEL`, …
    pub gfp: Name,
    /// The allocation's size: 2 to the power of this many pages. -1: somebody called by sysrq.
    pub order: i32,
    /// Its own oom_score_adj.
    pub oom_score_adj: i32,
}

/// Which memory had run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// The host's (the kernel's `CONSTRAINT_NONE`).
    Host,
    /// That of the memory nodes which a cpuset allows.
    Cpuset,
    /// That of the memory nodes which a memory policy allows.
    MemoryPolicy,
    /// A memory cgroup's.
    Memcg,
}

/// Use and limit of one of a cgroup's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryCounter {
    /// Charged.
    pub usage_bytes: u64,
    /// At most.
    pub limit_bytes: u64,
}

impl MemoryCounter {
    /// Whether the limit leaves no room for the smallest allocation that matters.
    pub const fn is_full(&self) -> bool {
        const NEAR: u64 = 1 << 20;
        self.usage_bytes.saturating_add(NEAR) >= self.limit_bytes
    }
}

/// Who was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedVictim {
    /// The killed thread's id: the process's, unless its first thread has ended before.
    pub pid: u32,
    /// Its `comm`.
    pub name: Name,
    /// Its user; absent before 5.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Address space.
    pub total_vm_bytes: u64,
    /// Resident: anonymous,
    pub anon_rss_bytes: u64,
    /// of files,
    pub file_rss_bytes: u64,
    /// and shared.
    pub shmem_rss_bytes: u64,
    /// Page tables; absent before 5.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgtables_bytes: Option<u64>,
    /// How its score was weighted; absent before 5.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
}

impl ReportedVictim {
    /// All that was resident.
    pub const fn rss_bytes(&self) -> u64 {
        self.anon_rss_bytes.saturating_add(self.file_rss_bytes).saturating_add(self.shmem_rss_bytes)
    }
}

/// One row of the table of tasks. Sizes are in pages, as the kernel prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRow {
    /// A thread of it: the first, unless that has ended before.
    pub pid: u32,
    /// The process.
    pub tgid: u32,
    /// Its user.
    pub uid: u32,
    /// Address space.
    pub total_vm_pages: u64,
    /// Resident.
    pub rss_pages: u64,
    /// Of that, anonymous; 6.8 and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_anon_pages: Option<u64>,
    /// Of that, of files; 6.8 and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_file_pages: Option<u64>,
    /// Of that, shared; 6.8 and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss_shmem_pages: Option<u64>,
    /// Page tables.
    pub pgtables_bytes: u64,
    /// Swapped out.
    pub swapents_pages: u64,
    /// How its score was weighted.
    pub oom_score_adj: i32,
    /// Its `comm`.
    pub name: Name,
}

/// A time as a whole number of milliseconds.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
