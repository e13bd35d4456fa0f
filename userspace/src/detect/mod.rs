//! Detectors: pure functions from what was observed to drafts of findings. One file per family, each saying
//! what it must catch and its near miss that it must not.

mod abnormal_exit;
mod crash_loop;
mod respawn;

pub use crash_loop::{counts as counts_as_death, may_be_respawned};
pub use respawn::{Life, Respawns, Starter};

use crate::config::DetectLimits;
pub use crate::kinds::case::{Draft, Statement};
use crate::kinds::oom_kill;
pub use crate::kinds::shared::ending::{Ended, OomTrigger};
use crate::programs;
pub use crate::state::Origin;

/// Every detector that looks at a process's end.
pub fn on_exit(ended: &Ended<'_>, limits: &DetectLimits) -> Vec<Draft> {
    let abnormal = abnormal_exit::detect(ended, limits);
    [oom_kill::detect(ended), abnormal, crash_loop::detect(ended, limits)].into_iter().flatten().collect()
}
