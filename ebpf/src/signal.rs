//! Which signals end a process, who generated them, and what a process made of one in a handler before it ended.

use ai_debugger_ebpf::counters::{Outcome, Stream};
use ai_debugger_ebpf::event::{
    COMM_LEN, CRASH_SIGNALS, CrashHeader, FLAG_AGAIN, FLAG_FROM_KERNEL, FLAG_HAS_REGISTERS, FLAG_HAS_SIGINFO,
    FLAG_HAS_TIMERS, FLAG_PARENT_DEATH, FLAG_SENDER_EXITING, FLAG_SENDER_IS_INIT, SIGNAL, Sender,
    SignalEvent, UNSET,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_uid_gid,
};
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;

use crate::kernel::{at, read, read_u32, read_u64};
use crate::{emit, task};

/// `TRACE_SIGNAL_DELIVERED` (kernel include/trace/events/signal.h): not ignored, not already pending.
pub(crate) const DELIVERED: u32 = 0;
/// SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH: end nothing by themselves (signal(7)).
const HARMLESS: u64 = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 28;
const SIGKILL: u32 = 9;
const SIGPIPE: u32 = 13;
/// The last one (`_NSIG`).
const SIGNALS: u32 = 64;
/// `SEND_SIG_PRIV`; `SEND_SIG_NOINFO` is 0. Neither is a pointer (kernel include/linux/sched/signal.h).
const FROM_KERNEL: u64 = 1;
/// `SIG_DFL`: no handler.
const SIG_DFL: u64 = 0;
/// `task_struct.flags`: getting shut down (kernel include/linux/sched.h).
const PF_EXITING: u32 = 0x0000_0004;
/// From a signal that a handler took to the one that its thread sends in the end: a report may be written between.
const HANDLER_NS: u64 = 60_000_000_000;

/// What becomes of a signal.
#[derive(PartialEq, Eq)]
pub(crate) enum Effect {
    /// It ends its target with a core dump, or would.
    Crash,
    /// It ends its target.
    End,
    /// A handler takes one that would be a crash.
    HandledCrash,
    /// Nothing to tell of.
    Other,
}

/// What becomes of a signal that was generated for `target`. The kernel takes a handler away before it forces a signal
/// that is blocked (kernel kernel/signal.c, `force_sig_info_to_task`), so this is true of forced ones as well.
#[inline(always)]
pub(crate) fn effect(signal: u32, target: u64) -> Effect {
    if signal == 0 || signal > SIGNALS || is_one_of(HARMLESS, signal) {
        return Effect::Other;
    }
    let handled = signal != SIGKILL && has_handler(signal, target);
    match (is_one_of(CRASH_SIGNALS, signal), handled) {
        (true, false) => Effect::Crash,
        (true, true) => Effect::HandledCrash,
        (false, false) => Effect::End,
        (false, true) => Effect::Other,
    }
}

#[inline(always)]
const fn is_one_of(signals: u64, signal: u32) -> bool {
    // Real-time signals are above all that are named here; the mask keeps the shift within the word.
    signal < 32 && (signals >> (signal & 31)) & 1 != 0
}

#[inline(always)]
fn has_handler(signal: u32, target: u64) -> bool {
    let actions = read_u64(target, at!(task_sighand)) + u64::from(at!(sighand_action));
    let action = actions + u64::from((signal - 1) * at!(action_size));
    // `k_sigaction` begins with `sa.sa_handler` on every architecture this is built for. What cannot be read must not
    // invent an end.
    read::<u64>(action, 0) != Some(SIG_DFL)
}

/// Whether a thread of the target is running.
#[inline(always)]
pub(crate) fn is_own(target: u64) -> bool {
    read_u32(target, at!(task_tgid)) == (bpf_get_current_pid_tgid() >> 32) as u32
}

/// What is known of a signal. `own`: a thread of the target is running.
#[inline(always)]
pub(crate) fn event(kind: u32, signal: u32, info: u64, target: u64, own: bool) -> SignalEvent {
    let at_ns = task::now();
    let (sender, of_sender) = sender();
    let (code, of_info) = code(info);
    SignalEvent {
        kind,
        flags: of_sender | of_info | of_target(signal, target),
        at_ns,
        start_ns: read_u64(read_u64(target, at!(task_group_leader)), at!(task_start_boottime)),
        tgid: read_u32(target, at!(task_tgid)),
        tid: if own { bpf_get_current_pid_tgid() as u32 } else { read_u32(target, at!(task_pid)) },
        signal,
        code,
        sender,
    }
}

/// Sends who generated a signal that ends its target without a core dump.
#[inline(always)]
pub(crate) fn send(signal: u32, info: u64, target: u64) {
    let own = is_own(target);
    if (own && signal == SIGPIPE) || is_held_back(signal, target) {
        return;
    }
    let event = event(SIGNAL, signal, info, target, own);
    let outcome = if emit::common_signal(&event) { Outcome::Sent } else { Outcome::RingFull };
    emit::count(Stream::Signal, outcome);
}

/// Whether the target's only thread blocks the signal: it waits until the thread asks for it, as of a signalfd(2), or
/// lets it through.
#[inline(always)]
fn is_held_back(signal: u32, target: u64) -> bool {
    let blocked = read_u64(target, at!(task_blocked)) >> ((signal - 1) & 63) & 1 != 0;
    blocked && signal != SIGKILL && read_u32(read_u64(target, at!(task_signal)), at!(signal_nr_threads)) == 1
}

/// The process of the running task, and its flags.
#[inline(always)]
fn sender() -> (Sender, u32) {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let leader = read_u64(task, at!(task_group_leader));
    let sender = Sender {
        start_ns: read_u64(leader, at!(task_start_boottime)),
        tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        uid: bpf_get_current_uid_gid() as u32,
        login_uid: read(task, at!(task_login_uid)).unwrap_or(UNSET),
        session_id: read(task, at!(task_session_id)).unwrap_or(UNSET),
        comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
    };
    let exiting = read_u32(task, at!(task_flags)) & PF_EXITING != 0;
    let init = task::is_first_of_namespace(leader);
    let exiting = if exiting { FLAG_SENDER_EXITING } else { 0 };
    (sender, exiting | if init { FLAG_SENDER_IS_INIT } else { 0 })
}

/// `si_code` and the flags of where the signal comes from.
#[inline(always)]
fn code(info: u64) -> (u32, u32) {
    if info == FROM_KERNEL {
        return (0, FLAG_FROM_KERNEL);
    }
    match read::<u32>(info, at!(siginfo_code)) {
        Some(code) if info > FROM_KERNEL => (code, FLAG_HAS_SIGINFO),
        _ => (0, 0),
    }
}

/// What the target itself may have to do with it.
#[inline(always)]
fn of_target(signal: u32, target: u64) -> u32 {
    let asked = read::<u32>(target, at!(task_parent_death_signal)) == Some(signal);
    let timers = read_u64(target, at!(task_signal)) + u64::from(at!(signal_posix_timers));
    // Empty is null, or before 6.13 the list's own address. Where it is not known, it may have some.
    let first: Option<u64> = read(read_u64(target, at!(task_signal)), at!(signal_posix_timers));
    let has_timers = first.is_none_or(|first| first != 0 && first != timers);
    let asked = if asked { FLAG_PARENT_DEATH } else { 0 };
    asked | if has_timers { FLAG_HAS_TIMERS } else { 0 }
}

/// What threads took in handlers, by thread id: the last signal of each that would have been a crash.
#[map]
static HANDLED: LruHashMap<u32, CrashHeader> = LruHashMap::with_max_entries(512, 0);

/// Remembers a signal that the running thread is about to take in a handler. `header` has the registers already, and in
/// `entry` where the process has its memory.
#[inline(always)]
pub(crate) fn remember(header: &CrashHeader) {
    let _ = HANDLED.insert(&header.signal.tid, header, 0);
}

/// Puts back into the header what its thread took in a handler, where that was a signal of this number, a moment ago, in
/// the same program. Whether it did.
#[inline(always)]
pub(crate) fn recall(header: &mut CrashHeader, mm: u64) -> bool {
    let Some(first) = HANDLED.get_ptr(&header.signal.tid) else { return false };
    // SAFETY: a map value; at worst the next signal of this thread writes it, and this one runs now.
    let first = unsafe { &*first };
    // One test, and not one after the other: an old verifier goes all the way on from each.
    let (before, now) = (&first.signal, &mut header.signal);
    let differs = (before.start_ns ^ now.start_ns)
        | u64::from(before.signal ^ now.signal)
        | (first.entry ^ mm)
        | u64::from(!before.flags & FLAG_HAS_REGISTERS)
        | (now.at_ns.wrapping_sub(before.at_ns) / HANDLER_NS);
    if differs != 0 {
        return false;
    }
    now.flags |= FLAG_AGAIN | FLAG_HAS_REGISTERS | (before.flags & (FLAG_HAS_SIGINFO | FLAG_FROM_KERNEL));
    now.code = before.code;
    header.fault_address = first.fault_address;
    // SAFETY: both have that size. By the helper: a copy through the stack would have no room there.
    unsafe {
        let (to, from) = ((&raw mut header.registers).cast(), (&raw const first.registers).cast());
        bpf_probe_read_kernel(to, size_of::<[u64; 21]>() as u32, from);
    }
    header.stack_start = first.stack_start;
    true
}
