//! What a scan of /proc saw of the threads of one process that may hang or spin.

use std::time::Duration;

use super::SystemCall;
use crate::model::ProcessKey;

/// A closer look at one process: only the threads that wait in state D or may be spinning are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloseLook {
    /// The process, by pid and start time.
    pub key: ProcessKey,
    /// When it happened, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// All its threads, those that were not worth a look included.
    pub threads_total: u64,
    /// Tasks of the whole host that were ready to run, for each CPU; 1 where every one of them had one.
    pub crowd: u32,
    /// Whether a cgroup's freezer holds it.
    pub frozen: bool,
    /// What all its threads have moved; read only where it has several.
    pub io: Option<IoCounts>,
    /// The threads worth a look.
    pub threads: Vec<ThreadLook>,
    /// All its threads taken together, where several share the work: none of them may be at it for long. In state R
    /// if those that have done anything lately wait for nothing but each other; with what they waited for a CPU in all.
    pub whole: Option<ThreadLook>,
}

/// One thread, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadLook {
    /// The thread's id; the leader's is the pid.
    pub tid: u32,
    /// The thread's `comm`: bytes that the process chose.
    pub comm: Box<[u8]>,
    /// State letter of proc_pid_stat(5).
    pub state: char,
    /// Its start, in clock ticks since boot.
    pub start_ticks: u64,
    /// CPU time in user mode, in clock ticks.
    pub user_ticks: u64,
    /// CPU time in the kernel, in clock ticks.
    pub system_ticks: u64,
    /// Page faults, minor and major.
    pub faults: u64,
    /// Above 0 it is meant to yield to others.
    pub nice: i64,
    /// Scheduling policy as a number, see sched(7).
    pub policy: u32,
    /// How often it slept or waited of its own accord; absent where it could not be read.
    pub voluntary_switches: Option<u64>,
    /// How often it had to leave the CPU to another.
    pub involuntary_switches: Option<u64>,
    /// How long it was ready to run and had to wait for a CPU; absent where the kernel does not count it.
    pub queued: Option<Duration>,
    /// What it has moved.
    pub io: Option<IoCounts>,
    /// The kernel function it waits in; absent where the kernel does not say.
    pub wchan: Option<Box<str>>,
    /// Whether the child that it waits for in vfork(2) is ready to run: it only needs a CPU.
    pub child_is_ready: bool,
    /// The system call it is in.
    pub syscall: Option<SystemCall>,
    /// The kernel's functions, innermost first; empty where it could not be read.
    pub stack: Vec<Box<str>>,
    /// What the descriptor is that its system call is about: hostile.
    pub file: Option<Box<[u8]>>,
}

impl ThreadLook {
    /// The id that stands for all threads of a process.
    pub const WHOLE: u32 = 0;

    /// All its CPU time, in clock ticks.
    pub const fn cpu_ticks(&self) -> u64 {
        self.user_ticks.saturating_add(self.system_ticks)
    }
}

/// Whether who waits in this kernel function waits for the program behind a FUSE file system; not that program itself,
/// which waits for requests in `fuse_dev_do_read`.
pub fn waits_for_fuse(function: &str) -> bool {
    const WAITS: [&str; 4] =
        ["request_wait_answer", "__fuse_request_send", "__fuse_simple_request", "fuse_simple_request"];
    function.split('.').next().is_some_and(|function| WAITS.contains(&function))
}

/// Counters of `/proc/PID/io` (proc_pid_io(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoCounts {
    /// Bytes by read and write calls, and from and to storage.
    pub bytes: u64,
    /// Calls of read(2), write(2) and their kin, those that moved nothing included.
    pub calls: u64,
}
