//! Detectors: pure functions from what was observed to drafts of findings. One file per family, each saying
//! what it must catch and its near miss that it must not.

mod abnormal_exit;
mod crash;
mod crash_loop;
mod ended;
mod hung;
mod memory;
mod oom;
mod oom_report;
mod pressure;
mod respawn;
mod signals;
mod spin;
mod suspicious_exec;

pub use crash_loop::{counts as counts_as_death, may_be_respawned};
pub use ended::{Ended, OomTrigger, Origin};
pub use hung::{Wait, detect as hung, same_wait};
pub use memory::{Grown, MemoryUse, Resident, detect as memory};
pub use oom::not_ended as oom_not_ended;
pub use oom_report::{EarlierSize, OomAccount, OomKill, revise as oom_with_report};
pub use pressure::{cgroup as cgroup_stall, host as host_memory, is_short, is_stalled};
pub use respawn::{Life, Respawns, Starter};
pub use spin::{Cpu, CpuPast, Spin, detect as spins};
pub use suspicious_exec::{Executed, Look, PLACE, Stdin, Wanted, detect as suspicious_exec, wanted};

use crate::config::DetectLimits;
pub use crate::kinds::case::{Draft, Statement};
use crate::programs;

/// Every detector that looks at a process's end.
pub fn on_exit(ended: &Ended<'_>, limits: &DetectLimits) -> Vec<Draft> {
    let abnormal = abnormal_exit::detect(ended, limits);
    [oom::detect(ended), crash::detect(ended), abnormal, crash_loop::detect(ended, limits)]
        .into_iter()
        .flatten()
        .collect()
}
