//! A crash's header: who crashed, of which signal, and what raised or sent it.

use ai_debugger_ebpf::event::{CRASH, CrashEvent, CrashHeader, FLAG_CAPTURED};
use aya_ebpf::helpers::bpf_get_current_pid_tgid;

use crate::kernel::{at, read_u32, read_u64};
use crate::{signal, task};

/// Who, when, which signal; whether the target itself is running, so that its stack can be captured.
#[inline(always)]
pub(crate) fn fill(event: &mut CrashEvent, number: u32, info: u64, target: u64) -> bool {
    let at_ns = task::now();
    let (sender, of_sender) = signal::sender();
    let (code, of_info) = signal::code(info);
    let tgid = read_u32(target, at!(task_tgid));
    let itself = sender.tgid == tgid;
    event.header = CrashHeader {
        kind: CRASH,
        flags: of_sender
            | of_info
            | signal::of_target(number, target)
            | if itself { FLAG_CAPTURED } else { 0 },
        at_ns,
        start_ns: read_u64(read_u64(target, at!(task_group_leader)), at!(task_start_boottime)),
        // `si_addr` for faults; for other codes the same bytes are a pid and a uid.
        fault_address: if (code as i32) > 0 { read_u64(info, at!(siginfo_fields)) } else { 0 },
        stack_start: 0,
        entry: 0,
        vdso: 0,
        tgid,
        tid: if itself { bpf_get_current_pid_tgid() as u32 } else { read_u32(target, at!(task_pid)) },
        signal: number,
        code,
        frames_len: 0,
        modules_len: 0,
        stack_len: 0,
        path_len: 0,
        sender,
        registers: [0; 21],
    };
    itself
}
