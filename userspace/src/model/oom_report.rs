//! What the kernel wrote of one OOM kill: whose limit ran out, and who had the memory.

use std::time::Duration;

/// What the kernel wrote of one OOM kill. What is absent was not written, or is not certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomReport {
    /// When the kill was logged, on CLOCK_BOOTTIME.
    pub at: Duration,
    /// Whose allocation failed. Absent, with all but the victim, where the kernel wrote too many reports lately
    /// (ten in five seconds, kernel mm/oom_kill.c `oom_rs`).
    pub invoker: Option<Invoker>,
    /// Which memory had run out.
    pub constraint: Option<Constraint>,
    /// The cgroup whose limit it was.
    pub oom_memcg: Option<String>,
    /// The cgroup the victim was in.
    pub task_memcg: Option<String>,
    /// The limited cgroup's memory.
    pub memory: Option<MemoryCounter>,
    /// The limited cgroup's memory and swap together; v1 only.
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
    /// The lines as they were logged, without the call trace.
    pub text: String,
    /// Whether lines were left out for their number.
    pub text_cut: bool,
}

impl OomReport {
    /// The evidence file it becomes.
    pub const EVIDENCE: &str = "oom-report.txt";
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

/// Whose allocation failed, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoker {
    /// The thread's `comm`.
    pub name: String,
    /// The flags of the allocation by their names: `GFP_KERNEL`, …
    pub gfp: String,
    /// The allocation's size: 2 to the power of this many pages. -1: somebody called by sysrq.
    pub order: i32,
    /// Its own oom_score_adj.
    pub oom_score_adj: i32,
}

/// Which memory had run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedVictim {
    /// The killed thread's id: the process's, unless its first thread has ended before.
    pub pid: u32,
    /// Its `comm`.
    pub name: String,
    /// Its user; absent before 5.3.
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
    pub pgtables_bytes: Option<u64>,
    /// How its score was weighted; absent before 5.3.
    pub oom_score_adj: Option<i32>,
}

impl ReportedVictim {
    /// All that was resident.
    pub const fn rss_bytes(&self) -> u64 {
        self.anon_rss_bytes.saturating_add(self.file_rss_bytes).saturating_add(self.shmem_rss_bytes)
    }
}

/// One row of the table of tasks. Sizes are in pages, as the kernel prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    pub rss_anon_pages: Option<u64>,
    /// Of that, of files; 6.8 and later.
    pub rss_file_pages: Option<u64>,
    /// Of that, shared; 6.8 and later.
    pub rss_shmem_pages: Option<u64>,
    /// Page tables.
    pub pgtables_bytes: u64,
    /// Swapped out.
    pub swapents_pages: u64,
    /// How its score was weighted.
    pub oom_score_adj: i32,
    /// Its `comm`.
    pub name: String,
}
