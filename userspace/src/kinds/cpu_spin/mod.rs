//! CPU spin: a thread that computes without a pause and gets nothing done that the kernel could see.
//!
//! To an operator: an endless loop, or a retry without a pause; it takes a core from the others. It is told by what
//! does *not* move while the thread is always ready to run: no byte read or written, hardly a page fault, hardly a
//! voluntary sleep. Limit: `spin_window`; a third of it for a thread that did something else before for as long. One
//! that has done nothing else since its start may be a job that only computes, and from outside a simulation without
//! output looks the same: that is why the window is long, the severity a warning, and the verdict never sure. A niced
//! job gets the whole window, a command (a compiler, an archiver) as much of CPU time, and one that takes only what
//! nobody else wants (nice 19, SCHED_IDLE) is worth knowing, no alert; a spin at real-time priority is critical: nothing
//! else gets that CPU.
//! Where an interpreter's lock or a runtime moves the work from thread to thread, each of them sleeps often: there the
//! threads are judged as one, which never sleeps but in wait for each other, for the whole window.
//! It cites the CPU time by mode, what did not move, and what the thread did before. Near misses: compilers and
//! encoders (faults, bytes), a pool of workers (they wait for work now and then), a program that computes and prints.

pub mod facts;
pub mod verdict;
pub mod watch;
pub mod words;

use std::time::Duration;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Thread;
use crate::kinds::room::{Nature, Room};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::observation::ThreadLook;
use crate::programs;
use facts::SpinFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "CPU spin",
    nature: Nature::Lasts,
    of_cgroup: false,
    of_unit: None,
    explains: &[],
    patience: |limits, _| limits.spin_window,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: verdict::tests::sample,
};

/// Looks that must agree.
const LOOKS: u32 = 3;
/// This part of the window is enough for a thread that did something else before.
const WITH_A_PAST: u32 = 3;
/// The lowest priority there is (sched(7)).
const NICE_MAX: i64 = 19;
/// A thread that sleeps of its own accord more often than this waits for something. Not never: a virtual machine
/// stops its threads now and then to collect garbage, and an interpreter's lock goes round.
const SLEEPS_PER_S: u64 = 5;
/// A thread that touches new memory more often than this fills it. Not never: pages are taken away and come back.
const FAULTS_PER_S: u64 = 1;
/// So many of either are no sign, however short the time.
const SLACK: u64 = 20;
/// Where other threads of the process get things done, a worker's long task looks like a spin between two waits
/// for work: then it may not have slept more often than this.
const SLEEPS_OF_A_WORKER: u64 = 2;
/// Running and waiting for a CPU for less than this share of the time, in percent, it pauses.
const FULL_PERCENT: u64 = 90;
/// Less than this share and there is nothing to say of it.
const LEAST_PERCENT: u64 = 5;
/// Before, it had used no more than this share of a core.
const IDLE_PERCENT: u64 = 50;
/// Scheduling policies (sched(7), kernel include/uapi/linux/sched.h).
const SCHED_FIFO: u32 = 1;
const SCHED_RR: u32 = 2;
const SCHED_BATCH: u32 = 3;
const SCHED_IDLE: u32 = 5;
const SCHED_DEADLINE: u32 = 6;

/// What a thread has done between two looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Spin<'a> {
    /// At the first look.
    pub first: &'a ThreadLook,
    /// The same thread in the newest scan.
    pub now: &'a ThreadLook,
    /// The time between them.
    pub lasted: Duration,
    /// Looks, the first and this one included.
    pub looks: u32,
    /// CPU time in that time, in user mode and in the kernel.
    pub cpu: Cpu,
    /// What it had done before the first look.
    pub past: CpuPast,
    /// Whether other threads of the process read or wrote anything meanwhile.
    pub others_work: bool,
}

/// CPU time by mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// CPU time in user mode.
    pub user: Duration,
    /// The kernel on its behalf.
    pub system: Duration,
}

impl Cpu {
    const fn total(self) -> Duration {
        self.user.saturating_add(self.system)
    }
}

/// A thread's life before it was first suspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuPast {
    /// How long before the window it was watched.
    pub age: Duration,
    /// CPU time in it.
    pub cpu: Duration,
    /// The time in it that it was ready to run and others had the CPUs.
    pub queued: Duration,
}

impl Spin<'_> {
    /// Whether nothing has moved between the two looks: the spin goes on, if it is one.
    pub fn goes_on(&self) -> bool {
        let (first, now) = (self.first, self.now);
        let same = first.start_ticks == now.start_ticks && first.comm == now.comm && now.state == 'R';
        let (Some(before), Some(after)) = (first.io, now.io) else { return false };
        let ready = self.cpu.total().saturating_add(self.queued());
        // One that never sleeps and is held back by a quota waits for no CPU that the kernel counts.
        let alone_and_awake = !self.is_whole() && self.sleeps() == Some(0);
        let runs = percent(ready, self.lasted) >= FULL_PERCENT || alone_and_awake;
        let runs = runs && percent(self.cpu.total(), self.lasted) >= LEAST_PERCENT;
        same && runs
            && before.bytes == after.bytes
            && (self.is_whole() || self.sleeps().is_some_and(|sleeps| self.is_few(sleeps, SLEEPS_PER_S)))
            && self.is_few(self.faults(), FAULTS_PER_S)
    }

    /// Whether it stands for all threads of the process.
    const fn is_whole(&self) -> bool {
        self.now.tid == ThreadLook::WHOLE
    }

    fn is_few(&self, count: u64, per_s: u64) -> bool {
        count <= SLACK.saturating_add(self.lasted.as_secs().saturating_mul(per_s))
    }

    fn sleeps(&self) -> Option<u64> {
        Some(self.now.voluntary_switches?.saturating_sub(self.first.voluntary_switches?))
    }

    /// How long it was ready and others had the CPUs.
    fn queued(&self) -> Duration {
        let (now, first) = (self.now.queued, self.first.queued);
        now.zip(first).map_or(Duration::ZERO, |(now, first)| now.saturating_sub(first))
    }

    const fn faults(&self) -> u64 {
        self.now.faults.saturating_sub(self.first.faults)
    }

    /// Calls of read(2), write(2) and their kin that moved nothing.
    fn empty_calls(&self) -> u64 {
        let calls = |thread: &ThreadLook| thread.io.map_or(0, |io| io.calls);
        calls(self.now).saturating_sub(calls(self.first))
    }

    /// Whether it did something else for at least as long as it then has to be watched.
    fn was_idle(&self, limits: &DetectLimits) -> bool {
        self.past.age >= limits.spin_window / WITH_A_PAST
            // What had to wait for a CPU was not idle: a compiler on a full host.
            && percent(self.past.cpu.saturating_add(self.past.queued), self.past.age) <= IDLE_PERCENT
    }

    /// `is_command`: the program is run for a result.
    fn is_due(&self, is_command: bool, limits: &DetectLimits) -> bool {
        let was_idle = self.was_idle(limits);
        // A command has an end, and where other threads get things done this one may be at a long task of theirs.
        let told_by_past =
            was_idle && !self.is_nice() && !self.is_whole() && !self.others_work && !is_command;
        let part = if told_by_past { WITH_A_PAST } else { 1 };
        let may_be_a_worker =
            self.others_work && !was_idle && self.sleeps().is_none_or(|sleeps| sleeps > SLEEPS_OF_A_WORKER);
        // On a full host its work takes longer: what counts is the CPU time that went into nothing.
        let works_on = is_command && percent(self.cpu.total(), limits.spin_window) < FULL_PERCENT;
        !works_on
            && self.looks >= LOOKS
            && self.lasted >= limits.spin_window / part
            && self.goes_on()
            && !may_be_a_worker
    }

    const fn is_nice(&self) -> bool {
        self.now.nice > 0 || matches!(self.now.policy, SCHED_BATCH | SCHED_IDLE)
    }

    const fn severity(&self) -> Severity {
        match self.now.policy {
            SCHED_FIFO | SCHED_RR | SCHED_DEADLINE => Severity::Critical,
            SCHED_IDLE => Severity::Info,
            _ if self.now.nice >= NICE_MAX => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

/// A finding where a thread of the process has spun for long enough.
pub fn detect(process: &ProcessInfo, threads: &[Spin<'_>], limits: &DetectLimits) -> Option<Draft> {
    let is_command = programs::is_command(process);
    let mut spins: Vec<_> = threads.iter().filter(|it| it.is_due(is_command, limits)).collect();
    // One thread that does it says more than all of them.
    if spins.iter().any(|it| !it.is_whole()) {
        spins.retain(|it| !it.is_whole());
    }
    spins.sort_by_key(|it| (std::cmp::Reverse((it.severity(), it.lasted)), it.now.tid));
    let worst = spins.first()?;
    Some(Draft {
        kind: IncidentKind::CpuSpin,
        severity: worst.severity(),
        facts: statements(process, worst, spins.len(), limits),
        site: String::new(),
    })
}

fn statements(
    process: &ProcessInfo,
    spin: &Spin<'_>,
    spinning: usize,
    limits: &DetectLimits,
) -> Vec<Statement> {
    let (looks, lasted_ms, cpu_ms) = (spin.looks, millis(spin.lasted), millis(spin.cpu.total()));
    let run = if spin.is_whole() {
        SpinFact::SpinByTurns { looks, lasted_ms, cpu_ms }
    } else {
        let thread = Thread::of(spin.now, process.pid);
        SpinFact::SpinningThread { thread, looks, lasted_ms, cpu_ms }
    };
    let user_percent = percent(spin.cpu.user, spin.cpu.total()).min(100);
    let split = SpinFact::SpinCpuSplit { user_percent, kernel_percent: 100 - user_percent };
    let mut facts = vec![
        Statement::new("proc:stat", run),
        Statement::new("proc:stat", split),
        Statement::new("proc:io", SpinFact::SpinWithoutIo {}),
    ];
    if spin.empty_calls() > 0 {
        facts.push(Statement::new("proc:io", SpinFact::SpinEmptyCalls { calls: spin.empty_calls() }));
    }
    if percent(spin.queued(), spin.lasted) > 0 {
        let queued_ms = millis(spin.queued());
        facts.push(Statement::new("proc:schedstat", SpinFact::SpinQueued { queued_ms }));
    }
    let faults = spin.faults();
    facts.push(if spin.is_whole() {
        Statement::new("proc:wchan", SpinFact::SpinWaitsForEachOther { faults })
    } else {
        let waits = spin.sleeps().unwrap_or(0);
        Statement::new("proc:status", SpinFact::SpinHardlyWaits { waits, faults })
    });
    facts.push(Statement::new("proc:stat", past(spin, limits)));
    if spin.is_nice() {
        facts.push(Statement::new("proc:stat", SpinFact::SpinLowPriority {}));
    }
    if spinning > 1 {
        let threads = u64::try_from(spinning).unwrap_or(u64::MAX);
        facts.push(Statement::new("proc:stat", SpinFact::SpinningThreads { threads }));
    } else if spin.others_work {
        facts.push(Statement::new("proc:io", SpinFact::SpinBesideWork {}));
    }
    facts
}

fn past(spin: &Spin<'_>, limits: &DetectLimits) -> SpinFact {
    let past = spin.past;
    SpinFact::SpinPast {
        age_ms: millis(past.age),
        used_percent: percent(past.cpu, past.age),
        queued_percent: percent(past.queued, past.age).min(100),
        is_new: spin.was_idle(limits),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `part` in percent of `whole`; 0 where there is no whole.
fn percent(part: Duration, whole: Duration) -> u64 {
    let percent = part.as_micros().saturating_mul(100).checked_div(whole.as_micros()).unwrap_or(0);
    u64::try_from(percent).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
