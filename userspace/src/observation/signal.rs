//! A signal that ends a process, as the kernel generated it, and where it came from.

use std::time::Duration;

use super::StackCapture;
use crate::model::{Comm, ProcessKey, SignalWay};

/// A signal that ends a process, as it was generated. Whether it ended of it, its exit says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FatalSignal {
    /// The process that the signal ends.
    pub key: ProcessKey,
    /// The thread that raised it, where it is the process's own; else the one it was generated for.
    pub tid: u32,
    /// When it happened, as time since boot (CLOCK_BOOTTIME).
    pub at: Duration,
    /// The signal's number.
    pub signal: u8,
    /// `si_code`: above 0 the kernel's own doing, else somebody's who sent it (sigaction(2)); absent where the
    /// signal came without a siginfo.
    pub code: Option<i32>,
    /// `si_addr`, where `code` is above 0.
    pub fault_address: Option<u64>,
    /// Without a siginfo: whether the kernel sent it of its own accord, and not on behalf of the running task.
    pub from_kernel: bool,
    /// Whether the process had asked for it at its parent's death (prctl(2)).
    pub asked_at_parents_death: bool,
    /// Whether the process had timers, so that one can have sent it.
    pub has_timers: bool,
    /// Whether its thread took such a signal in a handler before and then sent it to its own process: `code`,
    /// `fault_address` and `capture` are of that first one.
    pub again: bool,
    /// Whose thread was running: for a fault that of the process itself.
    pub sender: SignalTask,
    /// The stack, where the process itself was running.
    pub capture: Option<StackCapture>,
}

/// The process whose thread ran while a signal was generated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignalTask {
    /// The process, by pid and start time.
    pub key: ProcessKey,
    /// The thread's `comm`.
    pub comm: Comm,
    /// Its real user id, in the host's user namespace.
    pub uid: u32,
    /// Who logged in and started it, at whatever remove; absent for services, and without auditing in the kernel.
    pub login_uid: Option<u32>,
    /// The audit session of that login.
    pub session_id: Option<u32>,
    /// Whether it was ending.
    pub exiting: bool,
    /// Whether it is the first process of a pid namespace below the host's.
    pub first_of_namespace: bool,
}

#[cfg(test)]
impl FatalSignal {
    /// A signal with this `si_code` that this pid sent to pid 42.
    pub(crate) fn sample(signal: u8, code: Option<i32>, sender: u32) -> Self {
        let key = ProcessKey { pid: 42, start_ticks: 1 };
        let sender = if sender == key.pid { key } else { ProcessKey { pid: sender, start_ticks: 7 } };
        Self {
            key,
            tid: key.pid,
            at: Duration::ZERO,
            signal,
            code,
            fault_address: None,
            from_kernel: false,
            asked_at_parents_death: false,
            has_timers: true,
            again: false,
            sender: SignalTask { key: sender, comm: (&b"gdb"[..]).into(), ..SignalTask::default() },
            capture: None,
        }
    }
}

impl FatalSignal {
    /// Where it came from, by its siginfo (sigaction(2)), and where it has none by who sends such signals so (kernel
    /// kernel/signal.c, kernel/time/posix-cpu-timers.c, kernel/exit.c, kernel/cgroup/cgroup.c, drivers/tty/).
    pub fn way(&self) -> SignalWay {
        match (self.code, self.from_kernel) {
            (Some(code), _) => self.way_by_code(code),
            (None, true) => self.way_of_kernel(),
            // The parent is no more its parent by then (kernel kernel/exit.c, `forget_original_parent`).
            (None, false) if self.asked_at_parents_death && self.sender.exiting => SignalWay::ParentDeath,
            (None, false) if !self.is_own() && self.signal == SIGKILL => SignalWay::CgroupKill,
            (None, false) if self.is_own() && self.signal == SIGXFSZ => SignalWay::FileSizeLimit,
            (None, false) => SignalWay::Kernel,
        }
    }

    /// Whether a thread of the process itself was running.
    pub fn is_own(&self) -> bool {
        self.sender.key == self.key
    }

    fn way_by_code(&self, code: i32) -> SignalWay {
        const SI_USER: i32 = 0;
        const SI_TIMER: i32 = -2;
        const SI_TKILL: i32 = -6;
        // SI_MESGQ, SI_ASYNCIO, SI_SIGIO, SI_ASYNCNL: some file or queue of its own.
        const OF_FILES: [i32; 4] = [-3, -4, -5, -60];
        match code {
            1.. => SignalWay::Fault,
            // Whoever may send it a signal may write this code into it (rt_sigqueueinfo(2)).
            SI_TIMER if self.has_timers => SignalWay::Timer,
            code if OF_FILES.contains(&code) => SignalWay::Kernel,
            _ if self.is_own() => SignalWay::Itself,
            SI_USER | SI_TKILL => SignalWay::Kill,
            _ => SignalWay::Queue,
        }
    }

    const fn way_of_kernel_by_number(signal: u8) -> Option<SignalWay> {
        match signal {
            14 | 26 | 27 => Some(SignalWay::Timer),
            24 => Some(SignalWay::CpuLimit),
            1..=3 => Some(SignalWay::Terminal),
            _ => None,
        }
    }

    fn way_of_kernel(&self) -> SignalWay {
        match Self::way_of_kernel_by_number(self.signal) {
            Some(way) => way,
            None if self.signal != SIGKILL => SignalWay::Kernel,
            None if self.is_own() => SignalWay::CpuLimit,
            None if self.sender.exiting && self.sender.first_of_namespace => SignalWay::NamespaceEnd,
            None if self.sender.exiting => SignalWay::TracerEnd,
            None => SignalWay::Kernel,
        }
    }
}

const SIGKILL: u8 = 9;
const SIGXFSZ: u8 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_siginfo_says_where_it_came_from() {
        for (what, signal, code, sender, want) in [
            ("kill(2)", 9, 0, 7, SignalWay::Kill),
            ("tgkill(2)", 6, -6, 7, SignalWay::Kill),
            ("sigqueue(3)", 15, -1, 7, SignalWay::Queue),
            ("a code of one's own", 15, -77, 7, SignalWay::Queue),
            ("raise(3)", 6, -6, 42, SignalWay::Itself),
            ("kill(getpid())", 11, 0, 42, SignalWay::Itself),
            ("a fault", 11, 1, 42, SignalWay::Fault),
            ("a fault, by the kernel's word", 11, 0x80, 42, SignalWay::Fault),
            ("a timer that fires in whoever runs", 6, -2, 7, SignalWay::Timer),
            ("O_ASYNC", 29, -5, 7, SignalWay::Kernel),
        ] {
            assert_eq!(FatalSignal::sample(signal, Some(code), sender).way(), want, "{what}");
        }
        let forged = FatalSignal { has_timers: false, ..FatalSignal::sample(6, Some(-2), 7) };
        assert_eq!(forged.way(), SignalWay::Queue, "it has no timer");
    }

    #[test]
    fn without_a_siginfo_the_kernel_sent_it() {
        let check = |what: &str, signal: u8, sender: u32, change: &dyn Fn(&mut FatalSignal), want| {
            let mut it = FatalSignal { has_timers: false, ..FatalSignal::sample(signal, None, sender) };
            change(&mut it);
            assert_eq!(it.way(), want, "{what}");
        };
        let kernel = |it: &mut FatalSignal| it.from_kernel = true;
        check("cgroup.kill", 9, 7, &|_| (), SignalWay::CgroupKill);
        let orphan = |it: &mut FatalSignal| (it.asked_at_parents_death, it.sender.exiting) = (true, true);
        check("PR_SET_PDEATHSIG", 9, 7, &orphan, SignalWay::ParentDeath);
        let asked = |it: &mut FatalSignal| it.asked_at_parents_death = true;
        check("cgroup.kill of one who asked", 9, 7, &asked, SignalWay::CgroupKill);
        check("RLIMIT_FSIZE", 25, 42, &|_| (), SignalWay::FileSizeLimit);
        check("RLIMIT_CPU, soft", 24, 42, &kernel, SignalWay::CpuLimit);
        check("RLIMIT_CPU, hard", 9, 42, &kernel, SignalWay::CpuLimit);
        check("alarm(2)", 14, 7, &kernel, SignalWay::Timer);
        check("Ctrl-C", 2, 7, &kernel, SignalWay::Terminal);
        check("a hang-up", 1, 7, &kernel, SignalWay::Terminal);
        check("somebody's, who knows why", 9, 7, &kernel, SignalWay::Kernel);
        check("on behalf of somebody, who knows why", 15, 7, &|_| (), SignalWay::Kernel);
        let ending = |it: &mut FatalSignal| (it.from_kernel, it.sender.exiting) = (true, true);
        check("PTRACE_O_EXITKILL", 9, 7, &ending, SignalWay::TracerEnd);
        let first = |it: &mut FatalSignal| {
            ending(it);
            it.sender.first_of_namespace = true;
        };
        check("the end of a container's first process", 9, 7, &first, SignalWay::NamespaceEnd);
    }
}
