//! Who sent the signal that ended a process.

use serde::{Deserialize, Serialize};

/// Where a signal that ended a process came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalWay {
    /// The kernel, for what the process itself did: a fault.
    Fault,
    /// Another process, by kill(2), tgkill(2) or pidfd_send_signal(2).
    Kill,
    /// Another process, by sigqueue(3).
    Queue,
    /// Another process, by writing to `cgroup.kill` of a cgroup that it was in.
    CgroupKill,
    /// The process itself.
    Itself,
    /// A timer of its own: alarm(2), setitimer(2), timer_create(2).
    Timer,
    /// The kernel: it had used as much CPU time as RLIMIT_CPU allows.
    CpuLimit,
    /// The kernel: it wrote more to a file than RLIMIT_FSIZE allows.
    FileSizeLimit,
    /// Its terminal: a key, or a hang-up.
    Terminal,
    /// The kernel: its parent had ended, at which it had asked for this signal (prctl(2), PR_SET_PDEATHSIG).
    ParentDeath,
    /// The kernel: the first process of its pid namespace had ended.
    NamespaceEnd,
    /// The kernel: its tracer had ended (ptrace(2), PTRACE_O_EXITKILL).
    TracerEnd,
    /// The kernel, for a reason that is not known.
    Kernel,
}

impl SignalWay {
    /// Whether another process sent it on purpose.
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Kill | Self::Queue | Self::CgroupKill)
    }

    /// Whether it came because another process had ended.
    pub const fn follows_an_end(self) -> bool {
        matches!(self, Self::ParentDeath | Self::NamespaceEnd | Self::TracerEnd)
    }
}

/// Where the signal that ended a process came from, as its exit record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSource {
    /// By which way.
    pub way: SignalWay,
    /// The process that sent it, or whose end it follows; absent where it was no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<SignalSender>,
}

/// Another process that had to do with a signal, with what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSender {
    /// Its pid, in the host's pid namespace.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start_ticks: u64,
    /// Its `comm`: at most 15 bytes that the process chose.
    pub name: String,
    /// The path of its executable, where known.
    pub exe: Option<String>,
    /// Its arguments; empty where they are not known.
    pub argv: Vec<String>,
    /// Its real user id.
    pub uid: u32,
    /// That user's name on this host, where there is one.
    pub user: Option<String>,
    /// Who logged in and started it, at whatever remove; absent for services, and without auditing in the kernel.
    pub login: Option<Login>,
    /// The unit it ran in, where its cgroup names one.
    pub unit: Option<String>,
    /// The container it ran in, where its cgroup names one.
    pub container_id: Option<String>,
    /// The processes above it, its parent first, as far as they are known.
    pub ancestors: Vec<Ancestor>,
}

/// A login, as the kernel's auditing knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The user id (`/proc/PID/loginuid`).
    pub uid: u32,
    /// That user's name on this host, where there is one.
    pub user: Option<String>,
    /// The session (`/proc/PID/sessionid`), as `loginctl` names it where systemd manages logins.
    pub session: Option<u32>,
}

/// One process above another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its pid.
    pub pid: u32,
    /// Its `comm`.
    pub name: String,
}
