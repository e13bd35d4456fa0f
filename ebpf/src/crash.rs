//! A crash's header: who crashed, of which signal, and what raised or sent it.

use ai_debugger_ebpf::event::{CRASH, CrashEvent, FLAG_CAPTURED};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;

use crate::kernel::{at, read_u32, read_u64};
use crate::{signal, task};

/// Whether a thread of the target is running, so that its stack can be captured.
#[inline(always)]
pub(crate) fn is_own(target: u64) -> bool {
    read_u32(target, at!(task_tgid)) == (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Who, when, which signal. What [`crate::stack::load_map`] has found stays.
#[inline(always)]
pub(crate) fn fill(event: &mut CrashEvent, number: u32, info: u64, target: u64) {
    let at_ns = task::now();
    let (sender, of_sender) = signal::sender();
    let (code, of_info) = signal::code(info);
    let tgid = read_u32(target, at!(task_tgid));
    let itself = sender.tgid == tgid;
    // Field by field: the whole of it at once would first be made on a stack that has no room for it.
    let header = &mut event.header;
    header.kind = CRASH;
    header.flags =
        of_sender | of_info | signal::of_target(number, target) | if itself { FLAG_CAPTURED } else { 0 };
    header.at_ns = at_ns;
    header.start_ns = read_u64(read_u64(target, at!(task_group_leader)), at!(task_start_boottime));
    // `si_addr` for faults; for other codes the same bytes are a pid and a uid.
    header.fault_address = if (code as i32) > 0 { read_u64(info, at!(siginfo_fields)) } else { 0 };
    header.stack_start = 0;
    header.tgid = tgid;
    header.tid = if itself { bpf_get_current_pid_tgid() as u32 } else { read_u32(target, at!(task_pid)) };
    header.signal = number;
    header.code = code;
    header.frames_len = 0;
    header.stack_len = 0;
    header.sender = sender;
    header.registers = [0; 21];
}
