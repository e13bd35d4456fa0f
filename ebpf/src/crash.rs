//! A crash's header: the signal, and what of the long parts is there.

use ai_debugger_ebpf::event::{CRASH, CrashEvent, FLAG_CAPTURED};

use crate::kernel::{at, read_u64};
use crate::signal;

/// Fills all of it but what [`crate::stack::load_map`] has found. `own`: a thread of the target is running, so that its
/// stack can be captured.
#[inline(always)]
pub(crate) fn fill(event: &mut CrashEvent, number: u32, info: u64, target: u64, own: bool) {
    // Field by field: the whole of it at once would first be made on a stack that has no room for it.
    let header = &mut event.header;
    header.signal = signal::event(CRASH, number, info, target, own);
    if own {
        header.signal.flags |= FLAG_CAPTURED;
    }
    // `si_addr` for faults; for other codes the same bytes are a pid and a uid.
    let is_fault = (header.signal.code as i32) > 0;
    header.fault_address = if is_fault { read_u64(info, at!(siginfo_fields)) } else { 0 };
    header.stack_start = 0;
    header.frames_len = 0;
    header.stack_len = 0;
    header.registers = [0; 21];
}
