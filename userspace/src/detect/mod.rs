//! Detectors: pure functions from what was observed to drafts of findings. One file per family, each saying
//! what it must catch and its near miss that it must not.

mod abnormal_exit;
mod crash_loop;
mod memory;
mod pressure;
mod respawn;

pub use crash_loop::{counts as counts_as_death, may_be_respawned};
pub use memory::{Grown, MemoryUse, Resident, detect as memory};
pub use pressure::{cgroup as cgroup_stall, host as host_memory, is_short, is_stalled};
pub use respawn::{Life, Respawns, Starter};

use crate::config::DetectLimits;
pub use crate::kinds::case::{Draft, Statement};
use crate::kinds::oom_kill;
pub use crate::kinds::shared::ending::{Ended, OomTrigger};
use crate::model::Severity;
use crate::programs;
pub use crate::state::Origin;

// To go.
#[cfg(test)]
pub(crate) mod ended {
    pub(crate) use crate::kinds::shared::ending::fixture as tests;
}

/// Every detector that looks at a process's end.
pub fn on_exit(ended: &Ended<'_>, limits: &DetectLimits) -> Vec<Draft> {
    let abnormal = abnormal_exit::detect(ended, limits);
    [oom_kill::detect(ended), abnormal, crash_loop::detect(ended, limits)].into_iter().flatten().collect()
}
