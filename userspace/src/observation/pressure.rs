//! What a scan of /proc reads of memory as a whole: how much is left, and how long tasks stall for want of it.

use std::sync::Arc;

/// Memory of the host, and what the kernel calls pressure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostMemory {
    /// The host's memory in bytes, `MemTotal` of /proc/meminfo.
    pub total_bytes: u64,
    /// `MemAvailable`: free, and what the kernel can take back without swapping.
    pub available_bytes: u64,
    /// Swap in bytes, `SwapTotal` of /proc/meminfo.
    pub swap_total_bytes: u64,
    /// Free swap in bytes, `SwapFree` of /proc/meminfo.
    pub swap_free_bytes: u64,
    /// `/proc/pressure/memory`; absent where the kernel does not measure it.
    pub stall: Option<Stall>,
    /// `memory.pressure` of the cgroups with a limit (v2 only).
    pub cgroups: Vec<(Arc<str>, Stall)>,
}

/// For which part of the time, in percent, tasks waited for memory (kernel Documentation/accounting/psi.rst).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stall {
    /// At least one task, in the last 60 seconds.
    pub some_avg60: f64,
    /// All tasks that had work, in the last 10 seconds.
    pub full_avg10: f64,
    /// All tasks that had work, in the last 60 seconds.
    pub full_avg60: f64,
}
