//! Who a process is, and how it ended.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ContainerInfo, SignalSource};

/// A process: its pid (the thread group id) and its start time, because a bare pid is reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    /// The thread group id, in the host's pid namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
    pub start_ticks: u64,
}

impl fmt::Display for ProcessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.start_ticks)
    }
}

impl FromStr for ProcessKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (pid, start) = text.split_once('-')?;
            Some(Self { pid: pid.parse().ok()?, start_ticks: start.parse().ok()? })
        };
        parse().ok_or_else(|| format!("`{text}` is not PID-STARTTICKS, such as 1234-567890"))
    }
}

/// What is known of a process from its life, as the contract shows it in an incident.
///
/// Every string here was written by the process itself or its parent: treat it as hostile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// The thread group id.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// The parent's pid, when it was last seen.
    pub ppid: u32,
    /// `comm`: at most 15 bytes, changed at will by the process.
    pub name: String,
    /// The path of the executable, where known.
    pub exe: Option<String>,
    /// The arguments; empty for kernel threads and where they could not be had.
    pub argv: Vec<String>,
    /// The real user id, where known.
    pub uid: Option<u32>,
    /// The cgroup's path, where known (the memory controller's on cgroup v1).
    pub cgroup: Option<String>,
    /// The container's 64-hex id, where the cgroup path names one.
    pub container_id: Option<String>,
    /// The service unit, such as `nginx.service`, where the cgroup path names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The Kubernetes pod's uid, where the cgroup path names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// What the container's runtime says of it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerInfo>,
}

impl ProcessInfo {
    /// The identity.
    pub const fn key(&self) -> ProcessKey {
        ProcessKey { pid: self.pid, start_ticks: self.start_ticks }
    }
}

/// Why a process is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// `exit(status)`, the status as wait(2) shows it.
    Status(u8),
    /// A signal, by number (signal(7)).
    Signal(u8),
    /// Nothing said how: it was seen to end, without the kernel's types to read more. No ground for any finding.
    Unknown,
}

impl ExitCause {
    /// The wait(2) status taken apart (kernel include/uapi: WTERMSIG, WEXITSTATUS).
    pub const fn of_wait_status(status: u32) -> Self {
        let [low, status, ..] = status.to_le_bytes();
        match low & 0x7f {
            0 => Self::Status(status),
            signal => Self::Signal(signal),
        }
    }

    /// Whether there is nothing to look into: it did what it was to do, or nobody knows otherwise.
    pub const fn is_unremarkable(self) -> bool {
        matches!(self, Self::Status(0) | Self::Unknown)
    }

    const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    const fn unknown() -> Self {
        Self::Unknown
    }
}

/// The kernel's record of a process's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// When it ended.
    pub at: Timestamp,
    /// How; absent where nothing said so.
    #[serde(default = "ExitCause::unknown", skip_serializing_if = "ExitCause::is_unknown")]
    pub cause: ExitCause,
    /// Whether a core file was written (`WCOREDUMP`).
    pub core_dumped: bool,
    /// Whether the OOM killer chose it (`signal->oom_mm` was set, kernel mm/oom_kill.c).
    pub oom_killed: bool,
    /// CPU time of all its threads; absent where the kernel did not say.
    pub cpu_ns: Option<u64>,
    /// From start to end.
    pub age_ms: u64,
    /// Its largest resident set; absent where the kernel did not say.
    pub peak_rss_bytes: Option<u64>,
    /// Threads when it began to end; absent where the kernel did not say.
    pub threads: Option<u32>,
    /// Page faults that needed I/O; absent where the kernel did not say.
    pub major_faults: Option<u64>,
    /// Bytes it caused to be read from storage; absent without I/O accounting.
    pub read_bytes: Option<u64>,
    /// Bytes it caused to be written to storage; absent without I/O accounting.
    pub written_bytes: Option<u64>,
    /// Its pid in its own pid namespace; absent where the kernel did not say.
    pub ns_pid: Option<u32>,
    /// Real group id.
    pub gid: u32,
    /// The parent's `comm`.
    pub parent_name: String,
    /// Whether argv was longer than the 4,095 bytes that were copied.
    pub argv_cut: bool,
    /// Where the signal that ended it came from; absent where none did, and where the kernel did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalSource>,
}

#[cfg(test)]
impl ExitRecord {
    /// The record of a small program that lived a moment, for tests to start from.
    pub(crate) fn sample(cause: ExitCause) -> Self {
        Self {
            at: Timestamp::UNIX_EPOCH,
            cause,
            core_dumped: false,
            oom_killed: false,
            cpu_ns: Some(12_000_000),
            age_ms: 3_200,
            peak_rss_bytes: Some(24 << 20),
            threads: None,
            major_faults: None,
            read_bytes: None,
            written_bytes: None,
            ns_pid: None,
            gid: 0,
            parent_name: "bash".into(),
            argv_cut: false,
            signal: None,
        }
    }
}

/// One process as `/api/v1/processes` shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessView {
    /// Who it is.
    #[serde(flatten)]
    pub info: ProcessInfo,
    /// CPU use between the last two scans, in percent of one core; absent before the second scan.
    pub cpu_percent: Option<f64>,
    /// Resident set size at the last scan.
    pub rss_bytes: u64,
    /// Threads at the last scan.
    pub threads: u64,
    /// Open file descriptors at the last scan; absent where they could not be counted.
    pub fds: Option<u64>,
    /// New processes it made since the probes were attached, by the kernel's count; absent where it made none.
    pub forks: Option<u64>,
    /// State letter of proc_pid_stat(5): R, S, D, Z, T, I, …; `X` for one that has ended.
    pub state: char,
    /// Seconds since it started (until it ended).
    pub age_s: u64,
    /// How it ended; absent for a live one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<ExitRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_statuses_are_taken_apart() {
        for (code, want) in [
            (0x0000, ExitCause::Status(0)),
            (0x0100, ExitCause::Status(1)),
            (0xff00, ExitCause::Status(255)),
            (0x0009, ExitCause::Signal(9)),
            (0x008b, ExitCause::Signal(11)),
            (0x0022, ExitCause::Signal(34)),
        ] {
            assert_eq!(ExitCause::of_wait_status(code), want, "{code:#x}");
        }
    }

    #[test]
    fn keys_print_and_parse() {
        let key = ProcessKey { pid: 42, start_ticks: 204_626 };
        assert_eq!(key.to_string(), "42-204626");
        assert_eq!("42-204626".parse(), Ok(key));
        for bad in ["42", "42-", "-1", "a-b", "42-204626-1", "42--1", "4294967296-1"] {
            assert!(bad.parse::<ProcessKey>().is_err(), "{bad}");
        }
    }
}
