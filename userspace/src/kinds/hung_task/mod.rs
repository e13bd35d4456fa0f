//! Hung task: a thread that stays in uninterruptible sleep (state D), in one and the same wait; or in state S, for the
//! answer of a FUSE file system; or a service that a signal has stopped (state T).
//!
//! To an operator: what it waits for does not come: a disk, a file server, a frozen file system, a child of vfork(2).
//! SIGKILL may not end it, and what waits for it hangs too. Limit: `hung_after`; critical from five times as long.
//! It cites how long, the kernel function, the system call with its file, the kernel stack. Near misses: many short
//! disk waits, told apart by the thread's switch counters as the kernel's own khungtaskd does (kernel/hung_task.c,
//! 6.18); a task frozen by the cgroup freezer or a suspend; a thread that waits for its process's core dump; kernel
//! threads, some of which idle in D and whose real hangs show in the processes that wait for them; a vfork(2) parent
//! until its child's exec, which takes milliseconds: one that waits for `hung_after` is stuck, and SIGKILL ends it, but
//! not while that child only needs a CPU. Who holds a lock may need one, too: where more tasks are ready to run than
//! there are CPUs, a wait for a lock must last as many times longer. Of stopped processes: a job of a terminal, what is
//! traced, what is stopped and let go on in turn, a frozen cgroup, which shows another state.

pub mod facts;
mod stopped;
pub mod verdict;
pub mod watch;
pub mod words;

use std::time::Duration;

use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::pieces::Thread;
use crate::kinds::room::{Nature, Room};
use crate::model::{IncidentKind, Name, ProcessInfo, Severity};
use crate::observation::{SystemCall, ThreadLook, waits_for_fuse};
use facts::HungFact;

/// What this kind brings to the stages that know no kind by name.
pub const ROOM: Room = Room {
    label: "Hung task",
    nature: Nature::Lasts,
    of_cgroup: false,
    of_unit: None,
    explains: &[],
    patience: |limits, _| limits.hung_after,
    stack: None,
    summary: words::summary,
    verdict: verdict::judge,
    #[cfg(test)]
    sample: verdict::tests::sample,
};

/// Looks that must agree, so that a pause of the whole host between two of them is no hang.
const LOOKS: u32 = 3;
/// A hang of so many times the limit is critical.
const CRITICAL: u32 = 5;
/// A wait may be interrupted so seldom and still be one: a network file system wakes its callers to retransmit.
const WAKE_EVERY: Duration = Duration::from_secs(10);
/// Functions named of a stack.
const FRAMES: usize = 5;
/// Where frozen tasks wait (kernel/freezer.c), and threads for the core dump of their process (fs/coredump.c,
/// kernel/exit.c before 5.16).
const BY_DESIGN: [&str; 5] =
    ["__refrigerator", "refrigerator", "do_freezer_trap", "coredump_task_exit", "exit_mm"];
/// Where threads wait for a lock that another one holds, or for all CPUs to have come round (kernel/locking/rwsem.c,
/// mutex.c, semaphore.c; kernel/rcu/update.c). Not `percpu_rwsem_wait`: that is a frozen file system.
const LOCKS: [&str; 12] = [
    "rwsem_down_write_slowpath",
    "rwsem_down_read_slowpath",
    "down_write",
    "down_write_killable",
    "down_read",
    "down_read_killable",
    "__mutex_lock",
    "mutex_lock",
    "mutex_lock_killable",
    "__down_common",
    "__wait_rcu_gp",
    "synchronize_rcu_expedited",
];
/// Where a vfork(2) parent waits (kernel/fork.c): which of them depends on what the compiler inlined.
const VFORK: [&str; 4] = ["kernel_clone", "wait_for_vfork_done", "_do_fork", "do_fork"];

/// A wait of one thread that goes on.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'a> {
    /// The thread as it is now.
    pub thread: &'a ThreadLook,
    /// Since it was first seen in this wait: it has waited for at least so long.
    pub lasted: Duration,
    /// In how many looks.
    pub looks: u32,
    /// How often it woke meanwhile and went on waiting; absent where that is not known.
    pub wakes: Option<u64>,
    /// The most tasks that were ready to run for each CPU meanwhile.
    pub crowd: u32,
}

/// How often a thread woke between two looks, where it is still in the same wait; `None` where it is in another.
pub fn same_wait(first: &ThreadLook, now: &ThreadLook, lasted: Duration) -> Option<Option<u64>> {
    let same_thread = first.start_ticks == now.start_ticks && first.state == now.state;
    if !same_thread || !is_waiting(first) || !is_waiting(now) || now.child_is_ready {
        return None;
    }
    let same_call = first.syscall.is_some() && first.syscall == now.syscall && first.wchan == now.wchan;
    let calls = |thread: &ThreadLook| thread.io.map(|io| io.calls);
    match (switches(first), switches(now)) {
        (Some(first), Some(now)) if first == now => Some(Some(0)),
        (Some(before), Some(after)) => {
            let wakes = after.saturating_sub(before);
            let few = u128::from(wakes) <= lasted.as_millis() / WAKE_EVERY.as_millis();
            (few && same_call && calls(first) == calls(now)).then_some(Some(wakes))
        }
        _ => (same_call && first.cpu_ticks() == now.cpu_ticks()).then_some(None),
    }
}

/// Whether it waits for what it cannot do without: in state D, or for the answer of a FUSE file system's program, which
/// the kernel awaits in state S as long as no signal comes (kernel fs/fuse/dev.c, `request_wait_answer`).
fn is_waiting(thread: &ThreadLook) -> bool {
    thread.state == 'D' || thread.state == 'S' && function(thread).is_some_and(waits_for_fuse)
}

fn switches(thread: &ThreadLook) -> Option<u64> {
    Some(thread.voluntary_switches?.saturating_add(thread.involuntary_switches?))
}

/// A finding where a thread of the process has waited for long enough.
pub fn detect(
    process: &ProcessInfo,
    waits: &[Wait<'_>],
    threads_total: u64,
    limits: &DetectLimits,
) -> Option<Draft> {
    let mut hung: Vec<_> = waits.iter().filter(|it| is_hung(it, limits)).collect();
    hung.sort_by_key(|it| (std::cmp::Reverse(it.lasted), it.thread.tid));
    let worst = hung.first()?;
    let vfork = is_vfork(worst.thread);
    let severity = if !vfork && worst.lasted >= after(worst, limits).saturating_mul(CRITICAL) {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let site = if vfork { "vfork" } else { function(worst.thread).unwrap_or_default() };
    Some(draft(severity, statements(process, worst, hung.len(), threads_total), site))
}

fn draft(severity: Severity, facts: Vec<Statement>, site: &str) -> Draft {
    Draft { kind: IncidentKind::HungTask, severity, facts, site: site.to_owned() }
}

fn statements(
    process: &ProcessInfo,
    worst: &Wait<'_>,
    threads_hung: usize,
    threads_total: u64,
) -> Vec<Statement> {
    let hung = HungFact::HungThread {
        thread: Thread::of(worst.thread, process.pid),
        lasted_ms: u64::try_from(worst.lasted.as_millis()).unwrap_or(u64::MAX),
        looks: worst.looks,
        for_vfork_child: is_vfork(worst.thread),
        is_interruptible: worst.thread.state == 'S',
    };
    let mut facts = vec![Statement::new("proc:stat", hung)];
    facts.extend(worst.wakes.map(|wakes| Statement::new("proc:status", HungFact::HungInOneWait { wakes })));
    facts.extend(place(worst.thread));
    if threads_hung > 1 {
        let hung = u64::try_from(threads_hung).unwrap_or(u64::MAX);
        facts.push(Statement::new("proc:stat", HungFact::HungThreads { hung, of: threads_total }));
    }
    facts
}

fn is_hung(wait: &Wait<'_>, limits: &DetectLimits) -> bool {
    let by_design = function(wait.thread).is_some_and(|it| BY_DESIGN.contains(&it));
    wait.lasted >= after(wait, limits) && wait.looks >= LOOKS && !by_design && !wait.thread.child_is_ready
}

/// How long it has to wait to be hung.
fn after(wait: &Wait<'_>, limits: &DetectLimits) -> Duration {
    let lock = function(wait.thread).is_some_and(|it| LOCKS.contains(&it));
    limits.hung_after.saturating_mul(if lock { wait.crowd.max(1) } else { 1 })
}

fn is_vfork(thread: &ThreadLook) -> bool {
    function(thread).is_some_and(|it| VFORK.contains(&it))
}

/// The kernel function it waits in, without what the compiler may append.
fn function(thread: &ThreadLook) -> Option<&str> {
    let name = thread.wchan.as_deref().or(thread.stack.first().map(|it| &**it))?;
    name.split('.').next()
}

/// Where it waits: function, call, file, stack.
fn place(thread: &ThreadLook) -> Vec<Statement> {
    let mut facts = Vec::new();
    if let Some(function) = thread.wchan.as_deref() {
        let function = Name::from(function);
        facts.push(Statement::new("proc:wchan", HungFact::HungInFunction { function }));
    }
    let call = thread.syscall;
    if let Some(name) = call.as_ref().and_then(SystemCall::name) {
        let file = thread.file.as_deref().map(|file| String::from_utf8_lossy(file).into_owned().into());
        let call = name.into();
        facts.push(Statement::new("proc:syscall", HungFact::HungInSystemCall { call, file }));
    } else if call.is_some_and(|call| call.is_page_fault()) {
        facts.push(Statement::new("proc:syscall", HungFact::HungInPageFault {}));
    }
    if !thread.stack.is_empty() {
        let functions = thread.stack.iter().take(FRAMES).map(|it| Name::from(&**it)).collect();
        facts.push(Statement::new("proc:stack", HungFact::HungKernelStack { functions }));
    }
    facts
}

#[cfg(test)]
mod tests;
