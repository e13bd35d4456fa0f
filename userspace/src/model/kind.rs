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

/// Each kind once, in the contract's order: what explains more comes before what explains less.
macro_rules! kinds {
    ($($(#[$doc:meta])* $Kind:ident = $name:literal,)+) => {
        /// The kind of an incident. Its room in `kinds` says everything else of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum IncidentKind {
            $($(#[$doc])* #[serde(rename = $name)] $Kind),+
        }

        impl IncidentKind {
            /// Every kind, in the contract's order.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$Kind),+];

            /// The spelling used in JSON, SQL and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Kind => $name),+
                }
            }
        }
    };
}

kinds! {
    /// The kernel's OOM killer chose this process.
    OomKill = "oom_kill",
    /// Ended by a signal that dumps core, or would.
    Crash = "crash",
    /// The same program dies again and again.
    CrashLoop = "crash_loop",
    /// A long-lived or supervised process ended by status ≠ 0 or an unexpected signal.
    AbnormalExit = "abnormal_exit",
    /// systemd says that a service failed, and no process's end says why.
    UnitFailed = "unit_failed",
    /// Forking far beyond the host's room.
    ForkStorm = "fork_storm",
    /// A parent that does not reap its children.
    ZombiePileup = "zombie_pileup",
    /// In uninterruptible sleep for too long.
    HungTask = "hung_task",
    /// A full core for long without progress.
    CpuSpin = "cpu_spin",
    /// Memory grows steadily.
    MemoryGrowth = "memory_growth",
    /// Memory close to its limit.
    MemoryPressure = "memory_pressure",
    /// Open files close to RLIMIT_NOFILE.
    FdExhaustion = "fd_exhaustion",
    /// Threads close to their limit.
    ThreadExplosion = "thread_explosion",
    /// Executed from a place programs are not executed from.
    SuspiciousExec = "suspicious_exec",
    /// This monitor itself was killed, aborted, or went down with its host.
    UncleanStop = "unclean_stop",
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
