//! The eBPF programs: one per hook, each a few lines. Built for bpfel-unknown-none by `cargo xtask ebpf`.

#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "the only way to an atomic addition on this target")]
#![expect(missing_docs, unreachable_pub, reason = "the program macros export functions of their own")]

mod argv;
mod crash;
mod emit;
mod fallback;
mod forks;
mod kernel;
mod path;
mod signal;
mod stack;
mod task;

use ai_debugger_ebpf::counters::{Outcome, Stream};
use ai_debugger_ebpf::event::{CrashHeader, EXEC, EXIT, FLAG_OOM, OOM_VICTIM, ProcessHeader};
use aya_ebpf::macros::{btf_tracepoint, tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, TracePointContext};
use aya_log_ebpf::debug;
use kernel::Typed;
use signal::Effect;
use task::Task;

/// `trace_sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`
/// (kernel fs/exec.c, `exec_binprm`), in the context of the process, its new memory in place.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let at_ns = task::now();
    let (task, bprm) = (Task::of(Typed::argument(ctx.arg(0))), Typed::argument(ctx.arg(2)));
    let Some(event) = emit::borrow_process(Stream::Exec) else { return 0 };
    task::fill(&mut event.header, EXEC, at_ns, task);
    task::fill_peak_rss_of_life(&mut event.header, task);
    let argv_len = argv::read(event, task, Stream::Exec);
    let exe_len = argv::read_exe(event, bprm, argv_len);
    debug!(&ctx, "exec of pid {}, {} bytes of argv", event.header.tgid, event.header.argv_len);
    emit::common(event, size_of::<ProcessHeader>() + argv_len + exe_len, Stream::Exec);
    0
}

/// `trace_sched_process_exit(struct task_struct *p, bool group_dead)` (kernel kernel/exit.c, `do_exit`);
/// `group_dead` only since 6.16, so the group's death is read from `signal->live`. Two threads that end at
/// once may both see it at zero; userspace joins by identity.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let task = Task::of(Typed::argument(ctx.arg(0)));
    if !task::group_is_dead(task) {
        task::remember_threads(task);
        return 0;
    }
    let at_ns = task::now();
    let exit_code = task::exit_code(task);
    let oom_flag = task::oom_flag(task);
    let stream = if exit_code & 0x7f != 0 || oom_flag & FLAG_OOM != 0 { Stream::Death } else { Stream::Exit };
    let Some(event) = emit::borrow_process(stream) else { return 0 };
    task::fill(&mut event.header, EXIT, at_ns, task);
    event.header.exit_code = exit_code;
    event.header.flags |= oom_flag;
    task::fill_usage(&mut event.header, task);
    task::fill_peak_rss(&mut event.header, task);
    task::fill_io(&mut event.header, task);
    task::fill_threads(&mut event.header);
    let argv_len = argv::read(event, task, stream);
    debug!(&ctx, "exit of pid {}, code {}", event.header.tgid, exit_code);
    // An end that may become an incident; of the others the path is not worth its time.
    let cgroup_len = if exit_code != 0 { path::cgroup(event, task, argv_len) } else { 0 };
    let len = size_of::<ProcessHeader>() + argv_len + cgroup_len;
    match stream {
        Stream::Death => emit::grave_process(event, len),
        _ => emit::common(event, len, Stream::Exit),
    }
    0
}

/// `trace_mark_victim(struct task_struct *task, uid_t uid)`, before 6.9 `trace_mark_victim(int pid)` (kernel
/// mm/oom_kill.c, `mark_oom_victim`), in the context of the task that triggered the OOM killer.
#[btf_tracepoint(function = "mark_victim")]
pub fn mark_victim(ctx: BtfTracePointContext) -> i32 {
    let mut event = task::trigger();
    event.kind = OOM_VICTIM;
    let victim: u64 = ctx.arg(0);
    task::fill_victim(&mut event, victim);
    debug!(&ctx, "OOM victim: pid {}", event.victim_tgid);
    let outcome = if emit::grave_oom(&event) { Outcome::Sent } else { Outcome::RingFull };
    emit::count(Stream::Oom, outcome);
    0
}

/// `trace_signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)`
/// (kernel kernel/signal.c, `__send_signal_locked`), in the context of the sender: of the process itself for a
/// fault and for abort(3).
#[btf_tracepoint(function = "signal_generate")]
pub fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    let (number, info, target, result): (u32, u64, u64, u32) =
        (ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(4));
    if result == signal::DELIVERED && signal::effect(number, target) == Effect::Crash {
        crash(&ctx, number, info, target);
    }
    0
}

/// On the same tracepoint, for the other signals: a program of its own, for old verifiers go through the whole of a
/// program once for each way to get there.
#[btf_tracepoint(function = "signal_sent")]
pub fn signal_sent(ctx: BtfTracePointContext) -> i32 {
    let (number, info, target, result): (u32, u64, u64, u32) =
        (ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(4));
    if result != signal::DELIVERED {
        return 0;
    }
    match signal::effect(number, target) {
        Effect::HandledCrash => handled_crash(&ctx, number, info, target),
        Effect::End => signal::send(number, info, target),
        Effect::Crash | Effect::Other => {}
    }
    0
}

#[inline(always)]
fn crash(ctx: &BtfTracePointContext, number: u32, info: u64, target: u64) {
    let Some(event) = emit::borrow_crash() else { return };
    let own = signal::is_own(target);
    // The loops come first: an old verifier goes through them once for each way to get there.
    stack::load_map(event, target, own);
    crash::fill(event, number, info, target, own);
    let len = if own { stack::capture(ctx, event, target) } else { size_of::<CrashHeader>() };
    debug!(ctx, "signal {} for pid {}", event.header.signal.signal, event.header.signal.tgid);
    emit::crash(event, len);
}

/// A handler may report the crash and then send the signal anew, to end by it: where it happened is known now only.
#[inline(always)]
fn handled_crash(ctx: &BtfTracePointContext, number: u32, info: u64, target: u64) {
    if !task::is_current(target) {
        return;
    }
    let Some(event) = emit::borrow_crash() else { return };
    crash::fill(event, number, info, target, true);
    stack::remember(ctx, event, target);
    emit::give_back_crash(event);
}

/// `trace_sched_process_fork(struct task_struct *parent, struct task_struct *child)` (kernel kernel/fork.c,
/// `kernel_clone`), in the context of the parent. Counted, never sent: a fork bomb must not fill a ring.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> i32 {
    forks::count(Typed::argument(ctx.arg(0)), Typed::argument(ctx.arg(1)));
    0
}

/// `sched:sched_process_exec`, where its BTF tracepoint cannot be had.
#[tracepoint(category = "sched", name = "sched_process_exec")]
pub fn fallback_exec(ctx: TracePointContext) -> u32 {
    fallback::exec(&ctx);
    0
}

/// `sched:sched_process_exit`, where its BTF tracepoint cannot be had.
#[tracepoint(category = "sched", name = "sched_process_exit")]
pub fn fallback_exit(ctx: TracePointContext) -> u32 {
    fallback::exit(&ctx);
    0
}

/// `sched:sched_process_fork`, where its BTF tracepoint cannot be had.
#[tracepoint(category = "sched", name = "sched_process_fork")]
pub fn fallback_fork(ctx: TracePointContext) -> u32 {
    fallback::fork(&ctx);
    0
}

/// `oom:mark_victim`, where its BTF tracepoint cannot be had.
#[tracepoint(category = "oom", name = "mark_victim")]
pub fn fallback_victim(ctx: TracePointContext) -> u32 {
    fallback::victim(&ctx);
    0
}

/// `signal:signal_generate`, where its BTF tracepoint cannot be had.
#[tracepoint(category = "signal", name = "signal_generate")]
pub fn fallback_generate(ctx: TracePointContext) -> u32 {
    fallback::generate(&ctx);
    0
}

/// `signal:signal_deliver`, where its BTF tracepoint cannot be had.
#[tracepoint(category = "signal", name = "signal_deliver")]
pub fn fallback_deliver(ctx: TracePointContext) -> u32 {
    fallback::deliver(&ctx);
    0
}

/// The helpers used are GPL-only (kernel include/linux/license.h, `license_is_gpl_compatible`).
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier proves this is never reached; a panic path in the object would be refused as a loop.
    loop {}
}
