//! The sentences on limits.

use super::facts::{LimitFact, MemoryCeiling, MemoryLimitKind, TaskCeiling, TaskLimitKind};
use crate::kinds::words::{duration_ms, size};
use crate::model::Name;

/// Longest name of a cgroup in a sentence: whoever makes a container chooses it.
const PATH_CHARS: usize = 120;

/// A fact as a sentence.
pub fn sentence(fact: &LimitFact) -> String {
    match fact {
        LimitFact::TaskLimit { limit } => {
            let TaskCeiling { allowed, used, .. } = limit;
            format!("{} is {allowed}, and {used} tasks count against it", tasks(limit))
        }
        LimitFact::MemoryLeft { limit, lasts_ms } => format!(
            "{} leaves {}: at this rate it lasts {}",
            memory(limit),
            size(limit.left_bytes),
            duration_ms(*lasts_ms)
        ),
    }
}

/// `pids.max of /app`: how a limit on tasks is called.
pub fn tasks(limit: &TaskCeiling) -> String {
    match limit.which {
        TaskLimitKind::Cgroup => format!("pids.max of {}", path(limit.cgroup.as_ref())),
        TaskLimitKind::User => {
            format!(
                "RLIMIT_NPROC of user {}",
                limit.uid.map_or_else(|| "?".to_owned(), |uid| uid.to_string())
            )
        }
        TaskLimitKind::Host => "the host's limit of tasks (threads-max, pid_max)".to_owned(),
    }
}

fn memory(limit: &MemoryCeiling) -> String {
    match limit.which {
        MemoryLimitKind::Cgroup => format!("the memory limit of {}", path(limit.cgroup.as_ref())),
        MemoryLimitKind::Host => "the host's memory (MemAvailable and SwapFree)".to_owned(),
    }
}

fn path(cgroup: Option<&Name>) -> String {
    cgroup.map_or_else(|| "its cgroup".to_owned(), |path| path.path_up_to(PATH_CHARS))
}
