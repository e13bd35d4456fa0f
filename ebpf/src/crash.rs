//! Which signals are crashes, and who sent them.

use ai_debugger_ebpf::event::{COMM_LEN, CRASH, CrashEvent, CrashHeader, FLAG_CAPTURED, FLAG_HAS_SIGINFO};
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_ktime_get_boot_ns,
};

use crate::kernel::{at, read, read_u32, read_u64};

/// `TRACE_SIGNAL_DELIVERED` (kernel include/trace/events/signal.h): not ignored, not already pending.
pub(crate) const DELIVERED: u32 = 0;
/// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
const CRASH_SIGNALS: u64 = 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 11 | 1 << 31;
/// `SEND_SIG_NOINFO` and `SEND_SIG_PRIV` are no pointers (kernel include/linux/sched/signal.h).
const FIRST_REAL_INFO: u64 = 2;
/// `SIG_DFL`: no handler.
const SIG_DFL: u64 = 0;

/// Whether the signal will end its target: one of the seven, and the target has no handler for it. The kernel
/// takes a handler away before it forces a signal that is blocked (kernel kernel/signal.c,
/// `force_sig_info_to_task`), so this is true of forced ones as well.
#[inline(always)]
pub(crate) fn ends_process(signal: u32, target: u64) -> bool {
    if signal >= 32 || CRASH_SIGNALS & (1 << signal) == 0 {
        return false;
    }
    let actions = read_u64(target, at!(task_sighand)) + u64::from(at!(sighand_action));
    let action = actions + u64::from((signal - 1) * at!(action_size));
    // `k_sigaction` begins with `sa.sa_handler` on every architecture this is built for.
    read::<u64>(action, 0) == Some(SIG_DFL)
}

/// Who, when, which signal; whether the target itself is running, so that its stack can be captured.
#[inline(always)]
pub(crate) fn fill(event: &mut CrashEvent, signal: u32, info: u64, target: u64) -> bool {
    // SAFETY: helpers without arguments.
    let (current, now) = unsafe { (bpf_get_current_task(), bpf_ktime_get_boot_ns()) };
    let itself = current == target;
    let mut header = CrashHeader {
        kind: CRASH,
        flags: if itself { FLAG_CAPTURED } else { 0 },
        at_ns: now,
        start_ns: read_u64(read_u64(target, at!(task_group_leader)), at!(task_start_boottime)),
        fault_address: 0,
        stack_start: 0,
        entry: 0,
        vdso: 0,
        tgid: read_u32(target, at!(task_tgid)),
        tid: read_u32(target, at!(task_pid)),
        signal,
        code: 0,
        sender_tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        frames_len: 0,
        modules_len: 0,
        stack_len: 0,
        path_len: 0,
        reserved: 0,
        sender_comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
        registers: [0; 21],
    };
    if info >= FIRST_REAL_INFO
        && let Some(code) = read::<u32>(info, at!(siginfo_code))
    {
        header.code = code;
        // `si_addr` for faults; for other codes the same bytes are a pid and a uid.
        header.fault_address = if (code as i32) > 0 { read_u64(info, at!(siginfo_fields)) } else { 0 };
        header.flags |= FLAG_HAS_SIGINFO;
    }
    event.header = header;
    itself
}
