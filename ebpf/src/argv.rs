//! argv and the executable's path, copied into the event while the process's memory is there.

use ai_debugger_ebpf::counters::{Outcome, Stream};
use ai_debugger_ebpf::event::{ARGV_MAX, EXE_MAX, FLAG_ARGV_UNREADABLE, ProcessEvent};
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user};

use crate::emit;
use crate::kernel::{Typed, at};
use crate::task::Task;

/// Copies argv from the current task's memory to the start of `data`; the bytes copied, below [`ARGV_MAX`].
///
/// None at exit on kernels before 6.16, where the memory is gone by then; none for kernel threads.
#[inline(always)]
pub(crate) fn read(event: &mut ProcessEvent, task: Task, stream: Stream) -> usize {
    event.header.argv_len = 0;
    event.header.argv_total = 0;
    if task.mm.is_null() {
        return 0;
    }
    let start = task.mm.u64(at!(mm_arg_start));
    let total = task.mm.u64(at!(mm_arg_end)).wrapping_sub(start);
    event.header.argv_total = total;
    let mut len = total as u32;
    if total > ARGV_MAX as u64 - 1 {
        len = ARGV_MAX as u32 - 1;
    }
    // Bounds the length by a mask, which every verifier understands.
    len &= ARGV_MAX as u32 - 1;
    // SAFETY: `data` has room for ARGV_MAX bytes; the helper checks the user address itself.
    let failed =
        unsafe { bpf_probe_read_user((&raw mut event.data).cast(), len, start as *const core::ffi::c_void) };
    if failed != 0 {
        event.header.flags |= FLAG_ARGV_UNREADABLE;
        emit::count(stream, Outcome::ArgvUnreadable);
        return 0;
    }
    event.header.argv_len = len;
    len as usize
}

/// Copies `bprm->filename`, the path as given to execve(2), behind argv; the bytes copied, without the NUL.
#[inline(always)]
pub(crate) fn read_exe(event: &mut ProcessEvent, bprm: Typed, argv_len: usize) -> usize {
    let path = bprm.u64(at!(bprm_filename));
    let offset = argv_len & (ARGV_MAX - 1);
    // SAFETY: `data` has room for EXE_MAX bytes behind any offset below ARGV_MAX; the helper checks the source.
    let copied = unsafe {
        bpf_probe_read_kernel_str(
            (&raw mut event.data).cast::<u8>().add(offset).cast(),
            EXE_MAX as u32,
            path as *const core::ffi::c_void,
        )
    };
    if copied <= 1 {
        return 0;
    }
    let len = (copied as usize - 1) & (EXE_MAX - 1);
    event.header.exe_len = len as u32;
    len
}
