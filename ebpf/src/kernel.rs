//! Reading kernel memory at the offsets this kernel has: the layout userspace put in frozen `.rodata`.

use ai_debugger_ebpf::layout::{Layout, MISSING};
use aya_ebpf::helpers::bpf_probe_read_kernel;

/// Set by userspace before the load and frozen, so that the verifier sees constants and drops dead branches.
#[unsafe(no_mangle)]
pub(crate) static LAYOUT: Layout = Layout::UNKNOWN;

/// One entry of the layout. Volatile: the compiler must not fold in the values the object was built with.
macro_rules! at {
    ($field:ident) => {{
        // SAFETY: a field of a static, read where it lies.
        unsafe { core::ptr::read_volatile(&raw const $crate::kernel::LAYOUT.$field) }
    }};
}
pub(crate) use at;

/// The value at `base + offset`; `None` where this kernel has no such field or the read failed.
#[inline(always)]
pub(crate) fn read<T: Copy>(base: u64, offset: u32) -> Option<T> {
    if base == 0 || offset == MISSING {
        return None;
    }
    // SAFETY: bpf_probe_read_kernel checks the address itself and fails where it cannot be read.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// A pointer or number at `base + offset`; 0 where there is none.
#[inline(always)]
pub(crate) fn read_u64(base: u64, offset: u32) -> u64 {
    read(base, offset).unwrap_or(0)
}

/// A 32-bit number at `base + offset`; 0 where there is none.
#[inline(always)]
pub(crate) fn read_u32(base: u64, offset: u32) -> u32 {
    read(base, offset).unwrap_or(0)
}
