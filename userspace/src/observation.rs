//! The one type that enters the monitor: what the kernel reported and what a scan of /proc saw.

mod look;
mod pressure;
mod signal;
mod syscall;
mod unit;

use std::sync::Arc;
use std::time::Duration;

use crate::model::{Comm, ExitCause, OomReport, ProcessKey};
pub use look::{CloseLook, IoCounts, ThreadLook, waits_for_fuse};
pub use pressure::{HostMemory, Stall};
pub use signal::{FatalSignal, SignalTask};
pub use syscall::SystemCall;
pub use unit::{
    JobKind, MainProcess, RestartPolicy, StopReason, Unit, UnitLife, UnitResult, UnitStage, UnitState,
    UnitStop,
};

/// Something that was observed.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// A process replaced its program.
    Exec(KernelProcess),
    /// A process ended, all its threads with it.
    Exit(KernelExit),
    /// The OOM killer chose a victim, which is about to die.
    OomVictim(OomVictim),
    /// A signal that ends a process was generated for it.
    Signal(Box<FatalSignal>),
    /// How often processes have forked, by the kernel's own count.
    Forks(Vec<ForkCount>),
    /// The kernel's log has a report on a victim of the OOM killer.
    OomReport(Arc<OomReport>),
    /// A scan of /proc saw a process.
    Seen(SeenProcess),
    /// A scan of /proc looked closer at a process that may hang or spin.
    Look(Box<CloseLook>),
    /// A scan of /proc read a memory cgroup's limit and use.
    Cgroup(CgroupMemory),
    /// A scan of /proc read how much memory is left.
    HostMemory(HostMemory),
    /// A scan of /proc is over.
    ScanDone(ScanDone),
    /// systemd said something of a unit.
    Unit(Arc<Unit>),
    /// From now on systemd's word on units comes; or no more.
    UnitsFollowed(bool),
}

/// What the kernel said of a process at an exec or exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelProcess {
    /// The process, by pid and start time.
    pub key: ProcessKey,
    /// When it happened, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// Since boot: its start, exactly.
    pub started: Duration,
    /// The parent, by pid and start time.
    pub parent: ProcessKey,
    /// Its `comm`: at most 15 bytes that the process chose.
    pub comm: Comm,
    /// The parent's `comm`: at most 15 bytes.
    pub parent_comm: Comm,
    /// argv, NUL after each argument; empty where there is none or it could not be read.
    pub argv: Box<[u8]>,
    /// Whether argv was longer than what was copied.
    pub argv_cut: bool,
    /// The path given to execve(2); exec only.
    pub exe: Option<Box<[u8]>>,
    /// Real user id, in the host's user namespace.
    pub uid: u32,
    /// Real group id, in the host's user namespace.
    pub gid: u32,
    /// Its pid in its own pid namespace.
    pub ns_pid: Option<u32>,
    /// Whose memory limits it is under, as ids the kernel gives; see [`CgroupIds`].
    pub cgroup: CgroupIds,
    /// Whether it is a kernel thread, which has no program.
    pub kernel_thread: bool,
    /// The largest resident set so far.
    pub peak_rss: Option<PeakRss>,
}

/// The largest resident set, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeakRss {
    /// Of the present program image, in pages.
    OfImage(u64),
    /// Of the whole life, images before the last exec included, in pages.
    OfLife(u64),
}

impl PeakRss {
    /// The number of pages.
    pub const fn pages(self) -> u64 {
        match self {
            Self::OfImage(pages) | Self::OfLife(pages) => pages,
        }
    }
}

/// The inode numbers of a process's cgroup directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupIds {
    /// In the v2 hierarchy; 1 is its root.
    pub unified: u64,
    /// The memory controller's, on v1 or v2.
    pub memory: Option<u64>,
}

/// The end of a process, as the kernel reported it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelExit {
    /// Who; `at` is when it ended.
    pub process: KernelProcess,
    /// As wait(2) reports it; absent where nothing said how it ended.
    pub exit_code: Option<u32>,
    /// Whether the OOM killer chose it.
    pub oom_killed: bool,
    /// CPU time of all its threads.
    pub cpu_ns: Option<u64>,
    /// Page faults that needed I/O.
    pub major_faults: Option<u64>,
    /// Bytes read from and written to storage.
    pub io_bytes: Option<(u64, u64)>,
    /// Threads when it began to end.
    pub threads: Option<u32>,
    /// Its cgroup's path in the whole hierarchy, the memory controller's on v1; absent where it ended with status 0.
    pub cgroup: Option<Box<str>>,
}

impl KernelExit {
    /// The exit status or signal, as far as it is known.
    pub fn cause(&self) -> ExitCause {
        self.exit_code.map_or(ExitCause::Unknown, ExitCause::of_wait_status)
    }
}

#[cfg(test)]
impl KernelExit {
    /// An end of this process with this wait status, of which no more is said.
    pub(crate) fn sample(process: KernelProcess, exit_code: Option<u32>) -> Self {
        Self {
            process,
            exit_code,
            oom_killed: false,
            cpu_ns: None,
            major_faults: None,
            io_bytes: None,
            threads: None,
            cgroup: None,
        }
    }
}

/// The OOM killer's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomVictim {
    /// The victim's thread group id.
    pub pid: u32,
    /// The victim's start time; absent where the kernel named only a pid.
    pub start_ticks: Option<u64>,
    /// When it happened, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// The process whose allocation triggered the OOM killer.
    pub trigger: ProcessKey,
    /// The triggering thread's `comm`.
    pub trigger_comm: Box<[u8]>,
}

/// What the kernel side could copy of a crashing thread, in its own context. Every byte but the frames is the
/// process's own: hostile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackCapture {
    /// `struct pt_regs` of user mode, x86-64: r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi,
    /// rdi, orig_rax, rip, cs, rflags, rsp, ss.
    pub registers: Option<[u64; 21]>,
    /// The kernel's walk along frame pointers, innermost first.
    pub frames: Vec<WalkedFrame>,
    /// A copy of the stack, upwards.
    pub stack: Box<[u8]>,
    /// The address of the copy's first byte: the stack pointer, or the next page after an overflow.
    pub stack_start: u64,
    /// The dynamic linker's load map: load bias and path; the executable's path is empty.
    pub modules: Vec<(u64, Box<[u8]>)>,
    /// Whether there may be more modules than those.
    pub modules_cut: bool,
    /// Where the vDSO is.
    pub vdso: Option<u64>,
    /// The address of the executable's first instruction.
    pub entry: Option<u64>,
    /// The executable's path in its mount namespace, where the kernel knows one.
    pub executable: Option<Box<[u8]>>,
}

/// A frame of the kernel's walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkedFrame {
    /// In a file, by its build-id (zero-padded) and the offset in it.
    InFile([u8; 20], u64),
    /// Only the address: the frame has no build-id.
    At(u64),
}

/// How often one process has forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkCount {
    /// The parent, by pid and start time.
    pub key: ProcessKey,
    /// New processes since the probes were attached.
    pub forks: u64,
}

/// What a scan of /proc saw of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenProcess {
    /// The process, by pid and start time.
    pub key: ProcessKey,
    /// The pid of its parent.
    pub ppid: u32,
    /// Its `comm`: at most 15 bytes that the process chose.
    pub comm: Box<[u8]>,
    /// State letter of proc_pid_stat(5).
    pub state: char,
    /// CPU time of its threads and reaped threads, in clock ticks.
    pub cpu_ticks: u64,
    /// Number of threads.
    pub threads: u64,
    /// Resident set size, in bytes.
    pub rss_bytes: u64,
    /// Anonymous memory, resident and swapped out; read only of processes that are large enough to matter.
    pub anon_bytes: Option<u64>,
    /// Shared memory that it has mapped and that is resident: of files on tmpfs, memfd, System V; read with the above.
    pub shmem_bytes: Option<u64>,
    /// Its page tables; read with the above.
    pub tables_bytes: Option<u64>,
    /// Its address space.
    pub size_bytes: u64,
    /// Whether it is a kernel thread, which has no program.
    pub kernel_thread: bool,
    /// Open file descriptors; absent where they could not be counted.
    pub fds: Option<u64>,
    /// RLIMIT_NOFILE, soft; read only where there are enough descriptors to matter.
    pub fd_limit: Option<u64>,
    /// The session it belongs to.
    pub session: Session,
    /// The cgroup it was moved to since the last look.
    pub moved_to: Option<Arc<str>>,
    /// What does not change between execs; read when the process is new to the scan.
    pub details: Option<SeenDetails>,
}

#[cfg(test)]
impl SeenProcess {
    /// A sleeping process of one thread that says no more than this.
    pub(crate) fn sample(key: ProcessKey) -> Self {
        Self {
            key,
            ppid: 1,
            comm: Box::default(),
            state: 'S',
            cpu_ticks: 0,
            threads: 1,
            rss_bytes: 0,
            anon_bytes: None,
            shmem_bytes: None,
            tables_bytes: None,
            size_bytes: 0,
            kernel_thread: false,
            fds: None,
            fd_limit: None,
            session: Session { id: key.pid, group: key.pid, has_terminal: false },
            moved_to: None,
            details: None,
        }
    }
}

/// A process's place in job control (setsid(2), credentials(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The session's id: the pid of its leader, which may be gone.
    pub id: u32,
    /// The process group's id: a job of a shell, as a rule. A process keeps it when its parent ends.
    pub group: u32,
    /// Whether there is a controlling terminal.
    pub has_terminal: bool,
}

/// What does not change between execs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDetails {
    /// argv, NUL after each argument.
    pub argv: Box<[u8]>,
    /// Where `/proc/PID/exe` points; absent for kernel threads and where it could not be read.
    pub exe: Option<Box<[u8]>>,
    /// The owner of `/proc/PID`: the effective user id, as a rule.
    pub uid: Option<u32>,
    /// The cgroup's path below the root of its hierarchy.
    pub cgroup: Option<Arc<str>>,
}

#[cfg(test)]
impl KernelProcess {
    /// A process of root's that says no more than this.
    pub(crate) fn sample(key: ProcessKey, at: Duration) -> Self {
        Self {
            key,
            at,
            started: Duration::ZERO,
            parent: ProcessKey { pid: 1, start_ticks: 0 },
            comm: Comm::default(),
            parent_comm: Comm::default(),
            argv: Box::default(),
            argv_cut: false,
            exe: None,
            uid: 0,
            gid: 0,
            ns_pid: None,
            cgroup: CgroupIds::default(),
            kernel_thread: false,
            peak_rss: None,
        }
    }
}

/// A memory cgroup that has a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMemory {
    /// Its path in the hierarchy.
    pub path: Arc<str>,
    /// Memory charged to the cgroup now, in bytes.
    pub usage_bytes: u64,
    /// Of that, pages of files: the kernel takes them back before it lets anything die.
    pub file_bytes: u64,
    /// The cgroup's memory limit, in bytes.
    pub limit_bytes: u64,
}

/// A scan of /proc is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanDone {
    /// When it began, on CLOCK_BOOTTIME: what it did not see and is older is gone.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
}
