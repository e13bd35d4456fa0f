//! Detectors: pure functions from what was observed to drafts of findings. One file per family, each saying
//! what it must catch and its near miss that it must not.

mod abnormal_exit;
mod crash;
mod crash_loop;
mod fds;
mod forks;
mod growth;
mod respawn;
mod spin;
mod suspicious_exec;
mod threads;
mod trend;

pub use crash_loop::{counts as counts_as_death, may_be_respawned};
pub use fds::{FdUse, detect as fds, kinds_fact as fd_kinds, leak as fd_leak};
pub use forks::{Children, Family, detect as forks, is_churn};
pub use growth::{MemoryGrowth, MemoryRoom, detect as memory_growth};
pub use respawn::{Life, Respawns, Starter};
pub use spin::{Cpu, CpuPast, Spin, detect as spins};
pub use suspicious_exec::{Executed, Look, PLACE, Stdin, Wanted, detect as suspicious_exec, wanted};
pub use threads::{TaskRoom, ThreadUse, detect as threads};
pub use trend::Past;

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
    [oom_kill::detect(ended), crash::detect(ended), abnormal, crash_loop::detect(ended, limits)]
        .into_iter()
        .flatten()
        .collect()
}
