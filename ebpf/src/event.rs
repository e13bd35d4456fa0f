//! What the programs send: one struct per ring record, filled in the kernel, read in userspace.

use core::mem::{offset_of, size_of};

/// [`ProcessHeader::kind`]: a process replaced its program (kernel `sched_process_exec`).
pub const EXEC: u32 = 1;
/// [`ProcessHeader::kind`]: the last thread of a process ended (kernel `sched_process_exit`).
pub const EXIT: u32 = 2;
/// [`OomEvent::kind`]: the OOM killer chose its victim (kernel `mark_victim`).
pub const OOM_VICTIM: u32 = 3;
/// [`SignalEvent::kind`]: a signal that ends a process with a core dump was generated (kernel `signal_generate`).
pub const CRASH: u32 = 4;

/// [`SignalEvent::kind`]: a signal that ends a process without a core dump was generated for it (kernel
/// `signal_generate`).
pub const SIGNAL: u32 = 5;

/// Length of `comm` in the kernel, the final NUL included (TASK_COMM_LEN).
pub const COMM_LEN: usize = 16;
/// Room for argv: the first bytes of the argument area. One less is used, so that a mask bounds the length.
pub const ARGV_MAX: usize = 4096;
/// Room for the path given to execve(2).
pub const EXE_MAX: usize = 256;

/// Room for the names of a path but the last that is copied.
pub const PATH_MAX: usize = 512;
/// Room for one name, the final NUL included (NAME_MAX of limits.h and one).
pub const PATH_NAME_MAX: usize = 256;

/// [`ProcessHeader::flags`]: the OOM killer chose this process (`signal->oom_mm` is set).
pub const FLAG_OOM: u32 = 1 << 0;
/// [`ProcessHeader::flags`]: a kernel thread (PF_KTHREAD).
pub const FLAG_KTHREAD: u32 = 1 << 1;
/// [`ProcessHeader::flags`]: the argument area could not be read although there is one.
pub const FLAG_ARGV_UNREADABLE: u32 = 1 << 2;
/// [`ProcessHeader::flags`]: `cpu_ns` is known.
pub const FLAG_HAS_CPU: u32 = 1 << 3;
/// [`ProcessHeader::flags`]: `peak_rss_pages` is known.
pub const FLAG_HAS_RSS: u32 = 1 << 4;
/// [`ProcessHeader::flags`]: `memory_cgroup_id` is known.
pub const FLAG_HAS_MEMORY_CGROUP: u32 = 1 << 5;

/// [`ProcessHeader::flags`]: `peak_rss_pages` is of this program image alone. Without it, the value is of the
/// whole life of the process, so it may be that of the image before the last exec, even of a parent whose
/// memory a vfork(2) shared.
pub const FLAG_RSS_OF_IMAGE: u32 = 1 << 6;
/// [`ProcessHeader::flags`]: `major_faults` is known.
pub const FLAG_HAS_FAULTS: u32 = 1 << 7;
/// [`ProcessHeader::flags`]: `read_bytes` and `written_bytes` are known.
pub const FLAG_HAS_IO: u32 = 1 << 8;
/// [`ProcessHeader::flags`]: `ns_pid` is known.
pub const FLAG_HAS_NS_PID: u32 = 1 << 9;
/// [`ProcessHeader::flags`]: `threads` is known.
pub const FLAG_HAS_THREADS: u32 = 1 << 10;
/// [`ProcessHeader::flags`]: from a classic tracepoint. `start_ns` and `ppid` are those of the fork and 0 where that
/// was not seen, `comm` is the thread's, `exit_code` is the signal and 0 where none is known; no more is there.
pub const FLAG_FALLBACK: u32 = 1 << 11;

/// An exec or an exit, without its variable part.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ProcessHeader {
    /// [`EXEC`] or [`EXIT`].
    pub kind: u32,
    /// `FLAG_*` bits.
    pub flags: u32,
    /// When, in nanoseconds of CLOCK_BOOTTIME.
    pub at_ns: u64,
    /// The thread group leader's `start_boottime`, in nanoseconds: with `tgid`, the identity.
    pub start_ns: u64,
    /// The parent's `start_boottime`, in nanoseconds.
    pub parent_start_ns: u64,
    /// Id of the cgroup in the v2 hierarchy (the inode of its directory); 1 where all are in its root.
    pub cgroup_id: u64,
    /// Id of the memory controller's cgroup, on v1 or v2, if `FLAG_HAS_MEMORY_CGROUP`.
    pub memory_cgroup_id: u64,
    /// CPU time of all threads up to the scheduler's last accounting (less than a tick ago), in nanoseconds, if
    /// `FLAG_HAS_CPU`.
    pub cpu_ns: u64,
    /// The largest resident set so far, in pages, if `FLAG_HAS_RSS`; see [`FLAG_RSS_OF_IMAGE`].
    pub peak_rss_pages: u64,
    /// Page faults that needed I/O, of all threads, if `FLAG_HAS_FAULTS`. Exit only.
    pub major_faults: u64,
    /// Bytes it caused to be read from storage, as `/proc/PID/io` counts, if `FLAG_HAS_IO`. Exit only.
    pub read_bytes: u64,
    /// Bytes it caused to be written to storage, if `FLAG_HAS_IO`. Exit only.
    pub written_bytes: u64,
    /// Size of the whole argument area in bytes: more than `argv_len` means it was cut.
    pub argv_total: u64,
    /// The process: thread group id.
    pub tgid: u32,
    /// The thread that was running.
    pub tid: u32,
    /// The parent's thread group id.
    pub ppid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id, in the initial user namespace.
    pub gid: u32,
    /// The process's pid in its own pid namespace, if `FLAG_HAS_NS_PID`.
    pub ns_pid: u32,
    /// Threads when it began to end, if `FLAG_HAS_THREADS`. Exit only.
    pub threads: u32,
    /// As wait(2) will report it: status << 8, signal in the low 7 bits, 0x80 for a written core. Exit only.
    pub exit_code: u32,
    /// Bytes of argv in `data`.
    pub argv_len: u32,
    /// Bytes of a path in `data`, after argv. Exec: the executable's. Exit with a status or by a signal: its cgroup's, on
    /// v1 the memory controller's, as names upwards with a NUL after each.
    pub exe_len: u32,
    /// The leader's `comm`, NUL-padded.
    pub comm: [u8; COMM_LEN],
    /// The parent's `comm`, NUL-padded.
    pub parent_comm: [u8; COMM_LEN],
}

/// An exec or an exit. On the ring it ends after `argv_len + exe_len` bytes of `data`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProcessEvent {
    /// Who, when, how.
    pub header: ProcessHeader,
    /// argv as it lies in the process's memory (NUL after each argument), then the path.
    pub data: [u8; ARGV_MAX + PATH_MAX + PATH_NAME_MAX],
}

/// The OOM killer chose its victim. Sent from the context of the task whose allocation triggered it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OomEvent {
    /// [`OOM_VICTIM`].
    pub kind: u32,
    /// The victim's thread group id.
    pub victim_tgid: u32,
    /// When, in nanoseconds of CLOCK_BOOTTIME.
    pub at_ns: u64,
    /// The victim's `start_boottime`, in nanoseconds; 0 where the tracepoint names only a pid (before 6.9).
    pub victim_start_ns: u64,
    /// The triggering process's `start_boottime`, in nanoseconds.
    pub trigger_start_ns: u64,
    /// The triggering process's thread group id.
    pub trigger_tgid: u32,
    /// Explicit padding, so that no byte on the wire is undefined.
    pub reserved: u32,
    /// The triggering thread's `comm`, NUL-padded.
    pub trigger_comm: [u8; COMM_LEN],
}

/// [`SignalEvent::flags`] of a crash: the signal was raised by the process's own doing, and what follows was captured.
pub const FLAG_CAPTURED: u32 = 1 << 0;
/// [`SignalEvent::flags`] of a crash: `registers` are those of user mode.
pub const FLAG_HAS_REGISTERS: u32 = 1 << 1;
/// [`SignalEvent::flags`]: `code` (and `fault_address`) are known: the signal came with a siginfo.
pub const FLAG_HAS_SIGINFO: u32 = 1 << 2;
/// [`SignalEvent::flags`]: the kernel sent it of its own accord (`SEND_SIG_PRIV`). Without this
/// flag and without a siginfo, the kernel sent it on behalf of the running task (`SEND_SIG_NOINFO`).
pub const FLAG_FROM_KERNEL: u32 = 1 << 3;
/// [`SignalEvent::flags`]: the running task was ending (PF_EXITING).
pub const FLAG_SENDER_EXITING: u32 = 1 << 4;
/// [`SignalEvent::flags`]: the running task is the first process of its pid namespace.
pub const FLAG_SENDER_IS_INIT: u32 = 1 << 5;
/// [`SignalEvent::flags`]: the target had asked for this signal at its parent's death
/// (PR_SET_PDEATHSIG of prctl(2)).
pub const FLAG_PARENT_DEATH: u32 = 1 << 6;
/// [`SignalEvent::flags`]: the target has timers of timer_create(2), so that a `code` of SI_TIMER
/// can be true.
pub const FLAG_HAS_TIMERS: u32 = 1 << 7;
/// [`SignalEvent::flags`] of a crash: the thread had taken a signal of this number in a handler before, and has sent it to its own
/// process now. `at_ns` is of now; `code`, `fault_address`, `registers` and the stack are of that first one.
pub const FLAG_AGAIN: u32 = 1 << 8;

/// Signals that are sent as a [`CrashEvent`], by number: SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
pub const CRASH_SIGNALS: u64 = 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 11 | 1 << 31;

/// A number that is not set, or not known.
pub const UNSET: u32 = u32::MAX;

/// Who generated a signal: the process whose thread was running. For a signal that the kernel sends of its own accord,
/// whoever ran just then.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// Its thread group leader's `start_boottime`, in nanoseconds: with `tgid`, the identity.
    pub start_ns: u64,
    /// Thread group id.
    pub tgid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// The user who logged in (`/proc/PID/loginuid`), or [`UNSET`].
    pub login_uid: u32,
    /// The audit session (`/proc/PID/sessionid`), or [`UNSET`].
    pub session_id: u32,
    /// The running thread's `comm`, NUL-padded.
    pub comm: [u8; COMM_LEN],
}

/// Most frames of the kernel's own walk.
pub const FRAMES_MAX: usize = 32;
/// Most modules of the load map.
pub const MODULES_MAX: usize = 32;
/// Room for a module's path, the final NUL included.
pub const MODULE_NAME_MAX: usize = 112;
/// The stack is copied in pieces of this size and alignment, each within one page.
pub const STACK_PIECE: usize = 1024;
/// Most pieces; the first is usually a partial one.
pub const STACK_PIECES: usize = 9;

/// A signal that would end a process was generated for it, and it has no handler.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SignalEvent {
    /// [`SIGNAL`]; [`CRASH`] where more follows.
    pub kind: u32,
    /// `FLAG_*` bits.
    pub flags: u32,
    /// When, in nanoseconds of CLOCK_BOOTTIME.
    pub at_ns: u64,
    /// The target's `start_boottime`, in nanoseconds: with `tgid`, the identity.
    pub start_ns: u64,
    /// The target: thread group id.
    pub tgid: u32,
    /// The thread that raised it, where that is one of the target's; else the thread it was generated for.
    pub tid: u32,
    /// The signal.
    pub signal: u32,
    /// `si_code`, as the bits of an `i32`.
    pub code: u32,
    /// Who generated it; the target itself for a fault.
    pub sender: Sender,
}

/// A signal that would end a process with a core dump: what is known of it beside the [`CrashEvent`]'s long parts.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CrashHeader {
    /// The signal.
    pub signal: SignalEvent,
    /// `si_addr`: the address that could not be accessed, or the instruction at fault.
    pub fault_address: u64,
    /// Where the stack copy begins: the stack pointer, or the next page where its own cannot be read, as after an
    /// overflow.
    pub stack_start: u64,
    /// AT_ENTRY: the address of the executable's first instruction; 0 where unknown.
    pub entry: u64,
    /// Where the vDSO is mapped; 0 where unknown.
    pub vdso: u64,
    /// Bytes of frames in `frames`.
    pub frames_len: u32,
    /// Modules in `modules`.
    pub modules_len: u32,
    /// Bytes of stack in `stack`.
    pub stack_len: u32,
    /// Bytes of names in `path`.
    pub path_len: u32,
    /// `struct pt_regs` of x86-64 (kernel arch/x86/include/asm/ptrace.h): r15, r14, r13, r12, rbp, rbx, r11, r10,
    /// r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, rflags, rsp, ss.
    pub registers: [u64; 21],
}

/// A frame of the kernel's walk: `struct bpf_stack_build_id` (kernel include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct StackFrame {
    /// 1: `build_id` and a file offset; 2: an address only.
    pub status: i32,
    /// The module's build-id, zero-padded.
    pub build_id: [u8; 20],
    /// File offset or address.
    pub offset: u64,
}

/// A module of the load map: `struct link_map` of the dynamic linker.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// `l_addr`: address in memory minus address in the file.
    pub bias: u64,
    /// Bytes of `name`.
    pub name_len: u32,
    /// Explicit padding, so that no byte on the wire is undefined.
    pub reserved: u32,
    /// `l_name`; empty for the main executable.
    pub name: [u8; MODULE_NAME_MAX],
}

/// A crash with all that was captured. Without `FLAG_CAPTURED` only the header is on the ring; with it, `stack`
/// ends after `stack_len` bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CrashEvent {
    /// Who, when, which signal.
    pub header: CrashHeader,
    /// The kernel's frame-pointer walk, innermost first.
    pub frames: [StackFrame; FRAMES_MAX],
    /// The load map.
    pub modules: [Module; MODULES_MAX],
    /// The path of the executable in its mount namespace: the file's name, the directory's, and so on upwards, a NUL
    /// after each.
    pub path: [u8; PATH_MAX + PATH_NAME_MAX],
    /// The stack, from the stack pointer upwards.
    pub stack: [u8; STACK_PIECE * STACK_PIECES],
}

const _: () = assert!(size_of::<Sender>() == 40 && size_of::<SignalEvent>() == 80);
const _: () = assert!(size_of::<CrashHeader>() == 296);
const _: () = assert!(size_of::<StackFrame>() == 32 && size_of::<Module>() == 128);
const _: () = assert!(offset_of!(CrashEvent, path) == 296 + 32 * FRAMES_MAX + 128 * MODULES_MAX);
const _: () = assert!(size_of::<ProcessHeader>() == 168);
const _: () = assert!(offset_of!(ProcessEvent, data) == size_of::<ProcessHeader>());
const _: () =
    assert!(size_of::<ProcessEvent>() == size_of::<ProcessHeader>() + ARGV_MAX + PATH_MAX + PATH_NAME_MAX);
const _: () = assert!(EXE_MAX <= PATH_MAX);
const _: () = assert!(size_of::<OomEvent>() == 56);
// The masks on the kernel side bound lengths by powers of two.
const _: () = assert!(ARGV_MAX.is_power_of_two() && EXE_MAX.is_power_of_two());
const _: () = assert!(PATH_MAX.is_power_of_two() && PATH_NAME_MAX.is_power_of_two());
