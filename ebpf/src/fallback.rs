//! The same hooks as classic tracepoints, for kernels without BTF: no task's fields can be read there, so these
//! send what helpers and the tracepoints' own records give. The rest userspace reads from /proc, or leaves absent.

use ai_debugger_ebpf::counters::{Outcome, Stream};
use ai_debugger_ebpf::event::{
    COMM_LEN, EXE_MAX, EXEC, EXIT, FLAG_FALLBACK, FLAG_OOM, OOM_VICTIM, OomEvent, ProcessEvent, ProcessHeader,
};
use ai_debugger_ebpf::formats::Formats;
use ai_debugger_ebpf::layout::MISSING;
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_probe_read_kernel_str};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid, bpf_ktime_get_boot_ns,
    bpf_probe_read_kernel,
};
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use aya_ebpf::programs::TracePointContext;

use crate::emit;

/// Set by userspace before the load and frozen, as the layout is.
#[unsafe(no_mangle)]
static FORMATS: Formats = Formats::UNKNOWN;

/// One field of the record, `None` where this kernel's record has none.
macro_rules! field {
    ($ctx:expr, $type:ty, $field:ident) => {{
        // SAFETY: a field of a static, read where it lies; volatile as in `kernel::at`.
        let offset = unsafe { core::ptr::read_volatile(&raw const FORMATS.$field) };
        read::<$type>($ctx, offset)
    }};
}

const SIGKILL: u32 = 9;
/// SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH: end nothing by themselves (signal(7)).
const HARMLESS: u64 = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 28;
/// Beside the signal in [`FATAL`]: the OOM killer chose the process.
const OOM: u32 = 1 << 16;

/// When a process or thread was forked, and by whom.
#[repr(C)]
#[derive(Clone, Copy)]
struct Birth {
    at_ns: u64,
    parent_tgid: u32,
    reserved: u32,
}

/// Births by pid, since the programs were attached.
#[map]
static BORN: LruHashMap<u32, Birth> = LruHashMap::with_max_entries(4096, 0);

/// The signal that ends a process, by its thread group id, until its end.
#[map]
static FATAL: LruHashMap<u32, u32> = LruHashMap::with_max_entries(1024, 0);

/// `sched:sched_process_fork`, in the context of the parent.
#[inline(always)]
pub(crate) fn fork(ctx: &TracePointContext) {
    let Some(child) = field!(ctx, u32, fork_child_pid) else { return };
    // A pid is given anew: what was known of its former owner is over.
    let _ = FATAL.remove(&child);
    // SAFETY: a helper without arguments.
    let at_ns = unsafe { bpf_ktime_get_boot_ns() };
    let birth = Birth { at_ns, parent_tgid: ids().0, reserved: 0 };
    let _ = BORN.insert(&child, &birth, 0);
}

/// `sched:sched_process_exec`.
#[inline(always)]
pub(crate) fn exec(ctx: &TracePointContext) {
    let Some(event) = emit::borrow_process(Stream::Exec) else { return };
    fill(&mut event.header, EXEC);
    let len = size_of::<ProcessHeader>() + read_filename(ctx, event);
    emit::common(event, len, Stream::Exec);
}

/// `sched:sched_process_exit`: of the last thread where the record says so, else of the leader, and userspace looks
/// whether others live.
#[inline(always)]
pub(crate) fn exit(ctx: &TracePointContext) {
    let (tgid, tid) = ids();
    let over = match field!(ctx, u8, exit_group_dead) {
        Some(dead) => dead != 0,
        None => tgid == tid,
    };
    if !over {
        return;
    }
    // SAFETY: the value is copied at once.
    let fatal = unsafe { FATAL.get(&tgid) }.copied().unwrap_or(0);
    let stream = if fatal != 0 { Stream::Death } else { Stream::Exit };
    let Some(event) = emit::borrow_process(stream) else { return };
    fill(&mut event.header, EXIT);
    event.header.exit_code = fatal & 0x7f;
    if fatal & OOM != 0 {
        event.header.flags |= FLAG_OOM;
    }
    let _ = FATAL.remove(&tgid);
    let _ = BORN.remove(&tgid);
    match stream {
        Stream::Death => emit::grave_process(event, size_of::<ProcessHeader>()),
        _ => emit::common(event, size_of::<ProcessHeader>(), Stream::Exit),
    }
}

/// `signal:signal_generate`, in the context of the sender. SIGKILL alone ends whoever it is sent to; at its delivery it
/// can't be told from what exit_group(2) does to the other threads.
#[inline(always)]
pub(crate) fn generate(ctx: &TracePointContext) {
    let (Some(SIGKILL), Some(crate::signal::DELIVERED)) =
        (field!(ctx, u32, generate_sig), field!(ctx, u32, generate_result))
    else {
        return;
    };
    let Some(target) = field!(ctx, u32, generate_pid) else { return };
    let (tgid, tid) = ids();
    let _ = FATAL.insert(if target == tid { &tgid } else { &target }, &SIGKILL, u64::from(BPF_NOEXIST));
}

/// `signal:signal_deliver`, in the context of the thread that takes the signal. Without a handler it ends the process
/// (kernel kernel/signal.c, `get_signal`).
#[inline(always)]
pub(crate) fn deliver(ctx: &TracePointContext) {
    let (Some(signal), Some(0)) = (field!(ctx, u32, deliver_sig), field!(ctx, u64, deliver_handler)) else {
        return;
    };
    if signal == SIGKILL || signal == 0 || signal > 64 || (HARMLESS >> (signal & 63)) & 1 != 0 {
        return;
    }
    let _ = FATAL.insert(&ids().0, &signal, u64::from(BPF_NOEXIST));
}

/// `oom:mark_victim`, in the context of the task that triggered the OOM killer; SIGKILL was sent before.
#[inline(always)]
pub(crate) fn victim(ctx: &TracePointContext) {
    let Some(victim_tgid) = field!(ctx, u32, victim_pid) else { return };
    let _ = FATAL.insert(&victim_tgid, &(SIGKILL | OOM), 0);
    let event = OomEvent {
        kind: OOM_VICTIM,
        victim_tgid,
        // SAFETY: a helper without arguments.
        at_ns: unsafe { bpf_ktime_get_boot_ns() },
        victim_start_ns: 0,
        trigger_start_ns: 0,
        trigger_tgid: ids().0,
        reserved: 0,
        trigger_comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
    };
    let outcome = if emit::grave_oom(&event) { Outcome::Sent } else { Outcome::RingFull };
    emit::count(Stream::Oom, outcome);
}

/// What helpers say of the current task.
#[inline(always)]
fn fill(header: &mut ProcessHeader, kind: u32) {
    let (tgid, tid) = ids();
    let user = bpf_get_current_uid_gid();
    // SAFETY: the value is copied at once.
    let birth = unsafe { BORN.get(&tgid) }.copied();
    *header = ProcessHeader {
        kind,
        flags: FLAG_FALLBACK,
        // SAFETY: a helper without arguments.
        at_ns: unsafe { bpf_ktime_get_boot_ns() },
        start_ns: birth.map_or(0, |it| it.at_ns),
        parent_start_ns: 0,
        // SAFETY: a helper without arguments.
        cgroup_id: unsafe { bpf_get_current_cgroup_id() },
        memory_cgroup_id: 0,
        cpu_ns: 0,
        peak_rss_pages: 0,
        major_faults: 0,
        read_bytes: 0,
        written_bytes: 0,
        argv_total: 0,
        tgid,
        tid,
        ppid: birth.map_or(0, |it| it.parent_tgid),
        uid: user as u32,
        gid: (user >> 32) as u32,
        ns_pid: 0,
        threads: 0,
        exit_code: 0,
        argv_len: 0,
        exe_len: 0,
        comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
        parent_comm: [0; COMM_LEN],
    };
}

/// The path into the event's data; its length without the NUL.
#[inline(always)]
fn read_filename(ctx: &TracePointContext, event: &mut ProcessEvent) -> usize {
    // A `__data_loc`: the offset in the lower half, the length in the upper one (kernel
    // include/trace/stages/stage4_event_fields.h).
    let Some(place) = field!(ctx, u32, exec_filename) else { return 0 };
    let offset = (place & 0xffff) as usize;
    // SAFETY: `data` has room for EXE_MAX bytes; the helper checks the source.
    let copied = unsafe {
        bpf_probe_read_kernel_str(
            (&raw mut event.data).cast(),
            EXE_MAX as u32,
            (ctx.as_ptr() as u64 + offset as u64) as *const core::ffi::c_void,
        )
    };
    if copied <= 1 {
        return 0;
    }
    let len = (copied as usize - 1) & (EXE_MAX - 1);
    event.header.exe_len = len as u32;
    len
}

/// Thread group id and thread id.
#[inline(always)]
fn ids() -> (u32, u32) {
    let ids = bpf_get_current_pid_tgid();
    ((ids >> 32) as u32, ids as u32)
}

#[inline(always)]
fn read<T: Copy>(ctx: &TracePointContext, offset: u32) -> Option<T> {
    if offset == MISSING {
        return None;
    }
    // Not a load: the offset is no constant to verifiers that allow none but constants here.
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel((ctx.as_ptr() as u64 + u64::from(offset)) as *const T) }.ok()
}
