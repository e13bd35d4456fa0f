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

/// A pointer whose type the verifier knows: an argument of a BTF tracepoint, or one loaded from such a pointer.
/// What it points at is loaded without a helper, in a nanosecond or two; the kernel turns a load that faults
/// into 0 (kernel kernel/bpf/verifier.c, `convert_ctx_accesses`, BPF_PROBE_MEM).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Typed(u64);

impl Typed {
    pub(crate) const NULL: Self = Self(0);

    /// An argument of the tracepoint whose declared type is a pointer to a struct.
    #[inline(always)]
    pub(crate) const fn argument(pointer: u64) -> Self {
        Self(pointer)
    }

    /// For [`read`], which needs no type.
    #[inline(always)]
    pub(crate) const fn address(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The number at `offset`, of the field's own width; `None` where this kernel has no such field.
    #[inline(always)]
    pub(crate) fn number<T: Copy>(self, offset: u32) -> Option<T> {
        if self.0 == 0 || offset == MISSING {
            return None;
        }
        // SAFETY: the verifier refuses the program unless a field of this width lies there. Volatile, so that no
        // load is made wider, narrower, or before the test above.
        Some(unsafe { core::ptr::read_volatile((self.0 + u64::from(offset)) as *const T) })
    }

    /// The 64-bit number at `offset`; 0 where there is none.
    #[inline(always)]
    pub(crate) fn u64(self, offset: u32) -> u64 {
        self.number(offset).unwrap_or(0)
    }

    /// The 32-bit number at `offset`; 0 where there is none.
    #[inline(always)]
    pub(crate) fn u32(self, offset: u32) -> u32 {
        self.number(offset).unwrap_or(0)
    }

    /// The pointer to a struct at `offset`; null where there is none.
    #[inline(always)]
    pub(crate) fn pointer(self, offset: u32) -> Self {
        Self(self.u64(offset))
    }
}

/// The value at `base + offset`, whatever it is a part of, by a helper; `None` where this kernel has no such
/// field or the read failed.
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
