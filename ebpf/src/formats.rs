//! Where classic tracepoints keep their fields, found by userspace in tracefs' `format` files before the programs
//! are loaded: what the fallback programs have in place of BTF.

use core::mem::size_of;

use crate::layout::MISSING;

/// Byte offsets within the tracepoints' records. All `u32`: no padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// `sched:sched_process_exec` `filename`, a `__data_loc`: where in the record the text is.
    pub exec_filename: u32,
    /// `sched:sched_process_exit` `group_dead`, one byte; missing before 6.16.
    pub exit_group_dead: u32,
    /// `sched:sched_process_fork` `child_pid`
    pub fork_child_pid: u32,
    /// `oom:mark_victim` `pid`
    pub victim_pid: u32,
    /// `signal:signal_generate` `sig`
    pub generate_sig: u32,
    /// `signal:signal_generate` `pid`
    pub generate_pid: u32,
    /// `signal:signal_generate` `result`
    pub generate_result: u32,
    /// `signal:signal_deliver` `sig`
    pub deliver_sig: u32,
    /// `signal:signal_deliver` `sa_handler`, eight bytes
    pub deliver_handler: u32,
}

impl Formats {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        exec_filename: MISSING,
        exit_group_dead: MISSING,
        fork_child_pid: MISSING,
        victim_pid: MISSING,
        generate_sig: MISSING,
        generate_pid: MISSING,
        generate_result: MISSING,
        deliver_sig: MISSING,
        deliver_handler: MISSING,
    };
}

const _: () = assert!(size_of::<Formats>() == 9 * size_of::<u32>());
