//! The sentences on ends.

use std::time::Duration;

use super::facts::EndFact;
use crate::kinds::words::{duration, duration_ms, size, who};
use crate::model::{ExitCause, signal_name};

/// How a process ended: `exit status 3`, `SIGSEGV (signal 11, core dumped)`.
pub fn cause(cause: ExitCause, core_dumped: bool) -> String {
    match cause {
        ExitCause::Unknown => "an unknown cause".to_owned(),
        ExitCause::Status(status) => format!("exit status {status}"),
        ExitCause::Signal(signal) => {
            let core = if core_dumped { ", core dumped" } else { "" };
            format!("{} (signal {signal}{core})", signal_name(signal))
        }
    }
}

/// A fact as a sentence.
pub fn sentence(fact: &EndFact) -> String {
    match fact {
        EndFact::Ended { cause: by, core_dumped, age_ms } => {
            format!("ended by {} after living {}", cause(*by, *core_dumped), duration_ms(*age_ms))
        }
        EndFact::OomVictim {} => {
            "the OOM killer chose it: signal->oom_mm was set when SIGKILL ended it".to_owned()
        }
        EndFact::ChildEnded { child, cause: by } => format!(
            "its child {} had ended by {} a moment before: its own end passes that on",
            who(child),
            cause(*by, false)
        ),
        EndFact::PassedOn { by } => {
            format!("{} ended in the same way after it, and only passes that on", who(by))
        }
        EndFact::PeakMemory { rss_bytes } => format!("peak resident memory was {}", size(*rss_bytes)),
        EndFact::CgroupAtEnd { cgroup, limit_bytes, usage_bytes } => format!(
            "its memory cgroup {} has a limit of {} and uses {} of it now",
            cgroup.shown(),
            size(*limit_bytes),
            size(*usage_bytes)
        ),
        EndFact::CpuUsed { cpu_ns } => {
            format!("it used {} of CPU time", duration(Duration::from_nanos(*cpu_ns)))
        }
        EndFact::Parent { name, pid, starts_it_again } => {
            let again = if *starts_it_again { ", which starts it again" } else { "" };
            format!("its parent is {} (pid {pid}){again}", name.shown())
        }
    }
}
