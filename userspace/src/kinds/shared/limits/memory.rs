//! Limits on memory.

use std::fs;
use std::path::Path;

use super::facts::{LimitFact, MemoryCeiling, MemoryLimitKind};
use crate::cgroup;
use crate::kinds::case::Statement;
use crate::observation::CgroupMemory;

impl MemoryCeiling {
    /// The limit as a fact, and how long what is left lasts.
    pub fn fact(&self, lasts_ms: u64) -> Statement {
        let source = match self.which {
            MemoryLimitKind::Cgroup => "cgroup:memory",
            MemoryLimitKind::Host => "proc:meminfo",
        };
        Statement::new(source, LimitFact::MemoryLeft { limit: self.clone(), lasts_ms })
    }
}

/// The memory limit with the least room: of the cgroups the process is in, as the scan read them, or the host's.
pub fn of_memory(
    cgroup: Option<&str>,
    limited: &[CgroupMemory],
    host_left_bytes: Option<u64>,
) -> Option<MemoryCeiling> {
    let above = limited.iter().filter(|it| cgroup.is_some_and(|path| cgroup::is_inside(&it.path, path)));
    let cgroups = above.map(|it| MemoryCeiling {
        which: MemoryLimitKind::Cgroup,
        cgroup: Some((&*it.path).into()),
        // Pages of files are given back before anything dies.
        left_bytes: it.limit_bytes.saturating_sub(it.usage_bytes.saturating_sub(it.file_bytes)),
    });
    let host = host_left_bytes.map(|left_bytes| MemoryCeiling {
        which: MemoryLimitKind::Host,
        cgroup: None,
        left_bytes,
    });
    cgroups.chain(host).min_by_key(|limit| limit.left_bytes)
}

/// What the host can still give: MemAvailable and SwapFree.
pub fn host_memory_left(proc_root: &Path) -> Option<u64> {
    let text = fs::read_to_string(proc_root.join("meminfo")).ok()?;
    let kb = |field| {
        let value = text.lines().find_map(|line| line.strip_prefix(field))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    kb("MemAvailable:")?.checked_add(kb("SwapFree:").unwrap_or(0))?.checked_mul(1024)
}
