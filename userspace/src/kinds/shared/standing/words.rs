//! The sentences on a live process.

use super::facts::StandingFact;
use crate::kinds::words::{duration_ms, list, size};

/// A fact as a sentence.
pub fn sentence(fact: &StandingFact) -> String {
    match fact {
        StandingFact::State { state, age_ms } => {
            format!("it is {} and has been running for {}", state_name(*state), duration_ms(*age_ms))
        }
        StandingFact::Threads { count, cpu_ms } => {
            format!("it has {count} threads and has used {} of CPU time", duration_ms(*cpu_ms))
        }
        StandingFact::Resident { rss_bytes } => format!("{} are resident", size(*rss_bytes)),
        StandingFact::Descriptors { open, limit } => {
            let of = limit.map_or_else(String::new, |limit| format!(" of {limit} allowed"));
            format!("{open} file descriptors are open{of}")
        }
        StandingFact::CgroupUse { usage_bytes, limit_bytes } => {
            format!("its memory cgroup uses {} of its limit of {}", size(*usage_bytes), size(*limit_bytes))
        }
        StandingFact::OpenFolder { folder } => {
            format!("its program lies in {}, which is world-writable", folder.shown())
        }
        StandingFact::Watched { since_ms, scans } => {
            format!("it has been watched for {}, in {scans} scans", duration_ms(*since_ms))
        }
        StandingFact::NotJudgedYet { kinds, needs_ms } => format!(
            "not checked yet: {}; that takes up to {} of watching",
            list(kinds.iter().map(|kind| kind.as_str().replace('_', " "))),
            duration_ms(*needs_ms)
        ),
    }
}

/// The state letters of proc_pid_stat(5) in words.
const fn state_name(state: char) -> &'static str {
    match state {
        'R' => "running (R)",
        'S' => "sleeping (S)",
        'D' => "in uninterruptible sleep (D)",
        'Z' => "a zombie (Z): ended, but not waited for by its parent",
        'T' => "stopped by a signal (T)",
        't' => "stopped by a tracer (t)",
        'I' => "an idle kernel thread (I)",
        'X' | 'x' => "dead (X)",
        _ => "in a state this version does not know",
    }
}
