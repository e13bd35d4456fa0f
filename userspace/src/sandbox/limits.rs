//! What a process may use: memory, time on a CPU, bytes of a file, descriptors, processes.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The most that one process may ever use of CPUs, however often its time is renewed.
const CPU_LIFETIME: Duration = Duration::from_secs(120);
/// Address space that is reserved and never touched, as glibc does for each arena.
const RESERVED_BYTES: u64 = 256 << 20;

/// What a process may use from now on, beyond what it uses already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of memory of its own.
    pub heap_bytes: u64,
    /// Of the stack, which deep recursion uses.
    pub stack_bytes: u64,
    /// Of each file it writes, those in memory included.
    pub file_bytes: u64,
    /// Descriptors.
    pub descriptors: u64,
    /// Time on a CPU until it is renewed.
    pub cpu: Duration,
}

impl Limits {
    pub(super) fn set(&self) -> Result<()> {
        let (space, data) = in_use()?;
        let mapped = self.heap_bytes.saturating_add(self.file_bytes).saturating_add(RESERVED_BYTES);
        let limits = [
            (Resource::Core, 0),
            (Resource::Fsize, self.file_bytes),
            (Resource::Nofile, self.descriptors),
            (Resource::Nproc, 0),
            (Resource::Memlock, 0),
            (Resource::Stack, self.stack_bytes),
            (Resource::Data, data.saturating_add(self.heap_bytes)),
            (Resource::As, space.saturating_add(mapped)),
        ];
        let results = limits.map(|(resource, most)| lower(resource, most));
        setrlimit(
            Resource::Cpu,
            Rlimit { current: Some(seconds(cpu_used() + self.cpu)), maximum: Some(seconds(CPU_LIFETIME)) },
        )?;
        results.into_iter().collect()
    }
}

/// Never above what it is now: that may need a privilege, and an operator may have set it.
fn lower(resource: Resource, most: u64) -> Result<()> {
    let now = getrlimit(resource);
    let most = now.maximum.map_or(most, |it| it.min(most));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    setrlimit(resource, limit).with_context(|| format!("cannot limit {resource:?}"))
}

/// The address space in use, and what of it is private and can be written.
fn in_use() -> Result<(u64, u64)> {
    let text = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    bytes("VmSize:").zip(bytes("VmData:")).context("/proc/self/status does not say what memory is in use")
}

/// The time that this process has used.
pub fn cpu_used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// So much more time on a CPU from now on; whether there is any left of what a process may ever use.
pub fn renew_cpu(more: Duration) -> bool {
    let end = (cpu_used() + more).min(CPU_LIFETIME);
    let limit = Rlimit { current: Some(seconds(end)), maximum: Some(seconds(CPU_LIFETIME)) };
    setrlimit(Resource::Cpu, limit).ok();
    cpu_used() + more < CPU_LIFETIME
}

/// Rounded up: the kernel counts whole seconds.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
