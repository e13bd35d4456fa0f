//! What can go wrong, and how bad it is. The spellings are part of the HTTP contract.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How bad a finding or incident is. Ordered: `Info < Warning < Critical`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nobody is woken.
    Info,
    /// Needs a look soon.
    Warning,
    /// Something died or will die; needs a look now.
    Critical,
}

impl Severity {
    /// The spelling used in JSON, SQL and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// One step more severe; `None`: nothing is.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Info => Some(Self::Warning),
            Self::Warning => Some(Self::Critical),
            Self::Critical => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Info, Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a severity; one of info, warning, critical"))
    }
}

/// The kind of an incident, one per detector family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// The kernel's OOM killer chose this process.
    OomKill,
    /// Ended by a signal that dumps core, or would.
    Crash,
    /// A long-lived or supervised process ended by status ≠ 0 or an unexpected signal.
    AbnormalExit,
    /// The same program dies again and again.
    CrashLoop,
    /// Forking far beyond the host's room.
    ForkStorm,
    /// A parent that does not reap its children.
    ZombiePileup,
    /// In uninterruptible sleep for too long.
    HungTask,
    /// A full core for long without progress.
    CpuSpin,
    /// Memory grows steadily.
    MemoryGrowth,
    /// Memory close to its limit.
    MemoryPressure,
    /// Open files close to RLIMIT_NOFILE.
    FdExhaustion,
    /// Threads close to their limit.
    ThreadExplosion,
    /// Executed from a place programs are not executed from.
    SuspiciousExec,
}

impl IncidentKind {
    /// Every kind, in the contract's order.
    pub const ALL: [Self; 13] = [
        Self::OomKill,
        Self::Crash,
        Self::AbnormalExit,
        Self::CrashLoop,
        Self::ForkStorm,
        Self::ZombiePileup,
        Self::HungTask,
        Self::CpuSpin,
        Self::MemoryGrowth,
        Self::MemoryPressure,
        Self::FdExhaustion,
        Self::ThreadExplosion,
        Self::SuspiciousExec,
    ];

    /// The spelling used in JSON, SQL and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OomKill => "oom_kill",
            Self::Crash => "crash",
            Self::AbnormalExit => "abnormal_exit",
            Self::CrashLoop => "crash_loop",
            Self::ForkStorm => "fork_storm",
            Self::ZombiePileup => "zombie_pileup",
            Self::HungTask => "hung_task",
            Self::CpuSpin => "cpu_spin",
            Self::MemoryGrowth => "memory_growth",
            Self::MemoryPressure => "memory_pressure",
            Self::FdExhaustion => "fd_exhaustion",
            Self::ThreadExplosion => "thread_explosion",
            Self::SuspiciousExec => "suspicious_exec",
        }
    }

    /// Whether a process can be the subject of this kind once only, so that a second report is the same event.
    pub const fn happens_once(self) -> bool {
        matches!(self, Self::OomKill | Self::Crash | Self::AbnormalExit)
    }

    /// Whether this kind is a state that scan after scan of /proc finds the same, and not something that happens.
    pub const fn is_condition(self) -> bool {
        match self {
            Self::ForkStorm
            | Self::ZombiePileup
            | Self::HungTask
            | Self::CpuSpin
            | Self::MemoryGrowth
            | Self::MemoryPressure
            | Self::FdExhaustion
            | Self::ThreadExplosion => true,
            // A crash loop is reported with each death in it.
            Self::CrashLoop | Self::OomKill | Self::Crash | Self::AbnormalExit | Self::SuspiciousExec => {
                false
            }
        }
    }

    /// The words a title begins with.
    pub const fn label(self) -> &'static str {
        match self {
            Self::OomKill => "OOM kill",
            Self::Crash => "Crash",
            Self::AbnormalExit => "Abnormal exit",
            Self::CrashLoop => "Crash loop",
            Self::ForkStorm => "Fork storm",
            Self::ZombiePileup => "Zombie pile-up",
            Self::HungTask => "Hung task",
            Self::CpuSpin => "CPU spin",
            Self::MemoryGrowth => "Memory growth",
            Self::MemoryPressure => "Memory pressure",
            Self::FdExhaustion => "File descriptor exhaustion",
            Self::ThreadExplosion => "Thread explosion",
            Self::SuspiciousExec => "Suspicious exec",
        }
    }
}

impl fmt::Display for IncidentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IncidentKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("`{text}` is not an incident kind; one of {}", all.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_agree_with_serde_and_parse_back() {
        for kind in IncidentKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
            assert_eq!(severity.as_str().parse(), Ok(severity));
        }
        assert!("OomKill".parse::<IncidentKind>().is_err());
        assert!("fatal".parse::<Severity>().is_err());
    }

    #[test]
    fn severities_are_ordered() {
        assert!(Severity::Info < Severity::Warning && Severity::Warning < Severity::Critical);
    }
}
