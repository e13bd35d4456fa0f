//! What the kernel knows of a task: identity, parent, credentials, cgroup, end.

use core::cell::UnsafeCell;
use core::intrinsics::{AtomicOrdering, atomic_xadd};

use ai_debugger_ebpf::event::{
    COMM_LEN, FLAG_HAS_CPU, FLAG_HAS_FAULTS, FLAG_HAS_IO, FLAG_HAS_MEMORY_CGROUP, FLAG_HAS_NS_PID,
    FLAG_HAS_RSS, FLAG_HAS_THREADS, FLAG_KTHREAD, FLAG_OOM, FLAG_RSS_OF_IMAGE, OomEvent, ProcessHeader,
};
use ai_debugger_ebpf::layout::MISSING;
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_uid_gid,
    bpf_ktime_get_boot_ns, generated::bpf_get_current_cgroup_id,
};

use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;

use crate::kernel::{Typed, at, read, read_u32, read_u64};

/// `task_struct.flags`: I am a kernel thread (kernel include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;
/// `signal_struct.flags`: the whole group ends, with `group_exit_code` (kernel include/linux/sched/signal.h).
const SIGNAL_GROUP_EXIT: u32 = 0x0000_0004;

/// Deepest nesting of pid namespaces (kernel include/linux/pid_namespace.h).
const MAX_PID_NS_LEVEL: u32 = 32;

/// The current task and what hangs on it, each loaded once.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    task: Typed,
    leader: Typed,
    signal: Typed,
    /// Null for kernel threads, and at an end before 6.16.
    pub(crate) mm: Typed,
}

impl Task {
    #[inline(always)]
    pub(crate) fn of(task: Typed) -> Self {
        Self {
            task,
            leader: task.pointer(at!(task_group_leader)),
            signal: task.pointer(at!(task_signal)),
            mm: task.pointer(at!(task_mm)),
        }
    }

    /// The css_set.
    #[inline(always)]
    pub(crate) fn cgroups(self) -> Typed {
        self.task.pointer(at!(task_cgroups))
    }
}

/// The time of an event. Before anything of the event is loaded: reading the clock waits for all loads before it (the
/// kernel orders its `rdtsc`), and those that follow run beside each other.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Who and when, for an event about the current task.
#[inline(always)]
pub(crate) fn fill(event: &mut ProcessHeader, kind: u32, at_ns: u64, of: Task) {
    let Task { task, leader, .. } = of;
    let (uid, gid) = user(task);
    let parent = leader.pointer(at!(task_real_parent));
    event.kind = kind;
    event.flags = if task.u32(at!(task_flags)) & PF_KTHREAD != 0 { FLAG_KTHREAD } else { 0 };
    event.at_ns = at_ns;
    event.start_ns = leader.u64(at!(task_start_boottime));
    event.parent_start_ns = parent.pointer(at!(task_group_leader)).u64(at!(task_start_boottime));
    let cgroups = of.cgroups();
    event.cgroup_id = unified_cgroup_id(cgroups);
    event.memory_cgroup_id = 0;
    if let Some(id) = memory_cgroup_id(cgroups) {
        event.memory_cgroup_id = id;
        event.flags |= FLAG_HAS_MEMORY_CGROUP;
    }
    event.cpu_ns = 0;
    event.peak_rss_pages = 0;
    event.tgid = task.u32(at!(task_tgid));
    event.tid = task.u32(at!(task_pid));
    event.ppid = parent.u32(at!(task_tgid));
    event.ns_pid = 0;
    if let Some(pid) = pid_in_own_namespace(leader) {
        event.ns_pid = pid;
        event.flags |= FLAG_HAS_NS_PID;
    }
    event.uid = uid;
    event.gid = gid;
    event.exit_code = 0;
    event.major_faults = 0;
    event.read_bytes = 0;
    event.written_bytes = 0;
    event.threads = 0;
    event.exe_len = 0;
    event.comm = comm(leader);
    event.parent_comm = comm(parent);
}

/// What it used in its life, at its end.
#[inline(always)]
pub(crate) fn fill_usage(event: &mut ProcessHeader, of: Task) {
    // utime and stime are counted in ticks and are wrong for short lives; the scheduler's own sums are not.
    let own: Option<u64> = of.task.number(at!(task_sum_exec_runtime));
    let threads: Option<u64> = of.signal.number(at!(signal_sum_sched_runtime));
    if let (Some(own), Some(threads)) = (own, threads) {
        let total = own + threads + unreaped_leader_runtime(of);
        // Accounted at ticks and switches: a life that saw neither has not been measured, which is not zero.
        if total != 0 {
            event.cpu_ns = total;
            event.flags |= FLAG_HAS_CPU;
        }
    }
}

/// Faults and storage I/O: of the last thread, and of the others as they were added up at their ends (kernel
/// kernel/exit.c, `__exit_signal`).
#[inline(always)]
pub(crate) fn fill_io(event: &mut ProcessHeader, of: Task) {
    let Task { task, signal, .. } = of;
    let own: Option<u64> = task.number(at!(task_maj_flt));
    let others: Option<u64> = signal.number(at!(signal_maj_flt));
    if let (Some(own), Some(others)) = (own, others) {
        event.major_faults = own + others;
        event.flags |= FLAG_HAS_FAULTS;
    }
    let own: Option<u64> = task.number(at!(task_read_bytes));
    let others: Option<u64> = signal.number(at!(signal_read_bytes));
    if let (Some(own), Some(others)) = (own, others) {
        event.read_bytes = own + others;
        event.written_bytes = task.u64(at!(task_write_bytes)) + signal.u64(at!(signal_write_bytes));
        event.flags |= FLAG_HAS_IO;
    }
}

/// `task->thread_pid->numbers[level].nr`: the innermost namespace's number for the leader.
#[inline(always)]
fn pid_in_own_namespace(leader: Typed) -> Option<u32> {
    let pid = leader.pointer(at!(task_thread_pid));
    let level: u32 = pid.number(at!(pid_level))?;
    if level == 0 {
        // The host's own namespace, the only one.
        return leader.number(at!(task_tgid));
    }
    if at!(pid_numbers) == MISSING || level > MAX_PID_NS_LEVEL {
        return None;
    }
    // An index that the verifier does not know: not a load of a type's field.
    read(pid.address() + u64::from(level * at!(upid_size)), at!(pid_numbers))
}

/// Whether a process is the first of a pid namespace below the host's.
#[inline(always)]
pub(crate) fn is_first_of_namespace(leader: u64) -> bool {
    let pid = read_u64(leader, at!(task_thread_pid));
    let level = read::<u32>(pid, at!(pid_level)).unwrap_or(0);
    if level == 0 || level > MAX_PID_NS_LEVEL || at!(pid_numbers) == MISSING {
        return false;
    }
    read::<u32>(pid + u64::from(level * at!(upid_size)), at!(pid_numbers)) == Some(1)
}

/// Whether the task is the running one.
#[inline(always)]
pub(crate) fn is_current(task: u64) -> bool {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_current_task() == task }
}

/// The largest resident set: of the image where its memory is still there, else of the whole life.
#[inline(always)]
pub(crate) fn fill_peak_rss(event: &mut ProcessHeader, of: Task) {
    if let Some(pages) = peak_rss_of_image(of.mm) {
        event.peak_rss_pages = pages;
        event.flags |= FLAG_HAS_RSS | FLAG_RSS_OF_IMAGE;
    } else {
        fill_peak_rss_of_life(event, of);
    }
}

/// The largest resident set that any earlier image had, too (kernel fs/exec.c, `exec_mmap`).
#[inline(always)]
pub(crate) fn fill_peak_rss_of_life(event: &mut ProcessHeader, of: Task) {
    if let Some(pages) = of.signal.number(at!(signal_maxrss)) {
        event.peak_rss_pages = pages;
        event.flags |= FLAG_HAS_RSS;
    }
}

/// The high-water mark is brought up to date only when memory is given back (kernel include/linux/mm.h,
/// `update_hiwater_rss`), so the larger of it and the present size.
#[inline(always)]
fn peak_rss_of_image(mm: Typed) -> Option<u64> {
    let high: u64 = mm.number(at!(mm_hiwater_rss))?;
    let file: i64 = mm.number(at!(mm_rss_file))?;
    let anon: i64 = mm.number(at!(mm_rss_anon))?;
    let shmem: i64 = mm.number(at!(mm_rss_shmem))?;
    let now = file + anon + shmem;
    Some(if now > high as i64 { now as u64 } else { high })
}

/// A leader that ended before the last thread is a zombie, not yet added to the group's sum.
#[inline(always)]
fn unreaped_leader_runtime(of: Task) -> u64 {
    if of.task.u32(at!(task_pid)) == of.task.u32(at!(task_tgid)) {
        return 0;
    }
    of.leader.u64(at!(task_sum_exec_runtime))
}

/// Whether no thread of the group lives: `signal->live` was just decremented (kernel kernel/exit.c, `do_exit`).
#[inline(always)]
pub(crate) fn group_is_dead(of: Task) -> bool {
    // An unreadable count must not invent an exit.
    of.signal.number::<u32>(at!(signal_live)) == Some(0)
}

/// Threads of a group that is ending, by thread group id, from its first thread's end to its last one's.
#[map]
static ENDING: LruHashMap<u32, u32> = LruHashMap::with_max_entries(1024, 0);

/// At least as many as [`ENDING`] has; more where one was evicted. While it is 0 no end need look there.
static ENDING_COUNT: Count = Count(UnsafeCell::new(0));

/// Shared by all CPUs. The types in `core::sync::atomic` cannot add on this target.
struct Count(UnsafeCell<u64>);

// SAFETY: changed by atomic instructions only.
unsafe impl Sync for Count {}

impl Count {
    /// By an instruction that returns nothing, so that kernels before 5.12 have it, too.
    #[inline(always)]
    fn add(&self, number: i64) {
        // SAFETY: a static of ours.
        unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(self.0.get(), number as u64) };
    }

    #[inline(always)]
    fn get(&self) -> u64 {
        // SAFETY: as above; aligned words are loaded whole.
        unsafe { core::ptr::read_volatile(self.0.get()) }
    }
}

/// A thread ended and others live: where the whole group is ending, this may be the first of them.
#[inline(always)]
pub(crate) fn remember_threads(of: Task) {
    if of.signal.u32(at!(signal_flags)) & SIGNAL_GROUP_EXIT == 0 {
        return;
    }
    let tgid = of.task.u32(at!(task_tgid));
    // Not `live`: two threads that end at once may both have left it already. Threads are taken from
    // `nr_threads` when they are released, after this tracepoint (kernel kernel/exit.c, `__exit_signal`), so the
    // first one to come here sees them all, and those that follow find its number there.
    let threads = of.signal.u32(at!(signal_nr_threads));
    ENDING_COUNT.add(1);
    if ENDING.insert(&tgid, &threads, u64::from(BPF_NOEXIST)).is_err() {
        ENDING_COUNT.add(-1);
    }
}

/// How many threads there were when the group began to end: one where nothing else was remembered.
#[inline(always)]
pub(crate) fn fill_threads(event: &mut ProcessHeader) {
    event.threads = 1;
    event.flags |= FLAG_HAS_THREADS;
    if ENDING_COUNT.get() == 0 {
        return;
    }
    // SAFETY: the value is copied at once.
    if let Some(threads) = unsafe { ENDING.get(&event.tgid) }.copied() {
        event.threads = threads;
        if ENDING.remove(&event.tgid).is_ok() {
            ENDING_COUNT.add(-1);
        }
    }
}

/// What wait(2) will report (kernel kernel/exit.c, `wait_task_zombie`): the group's code where the group was
/// made to end, else the leader's own, which may have ended long before the last thread.
#[inline(always)]
pub(crate) fn exit_code(of: Task) -> u32 {
    if of.signal.u32(at!(signal_flags)) & SIGNAL_GROUP_EXIT != 0 {
        return of.signal.u32(at!(signal_group_exit_code));
    }
    of.leader.u32(at!(task_exit_code))
}

/// [`FLAG_OOM`] where the OOM killer chose this process.
#[inline(always)]
pub(crate) fn oom_flag(of: Task) -> u32 {
    let flag = if of.signal.pointer(at!(signal_oom_mm)).is_null() { 0 } else { FLAG_OOM };
    // SAFETY: a local variable. Volatile, or this test of a pointer would be joined with tests of numbers to what the
    // verifier forbids.
    unsafe { core::ptr::read_volatile(&raw const flag) }
}

/// An OOM event about the current task as the trigger.
#[inline(always)]
pub(crate) fn trigger() -> OomEvent {
    // SAFETY: a helper without arguments.
    let task = unsafe { bpf_get_current_task() };
    let leader = read_u64(task, at!(task_group_leader));
    OomEvent {
        kind: 0,
        victim_tgid: 0,
        at_ns: now(),
        victim_start_ns: 0,
        trigger_start_ns: read_u64(leader, at!(task_start_boottime)),
        trigger_tgid: (bpf_get_current_pid_tgid() >> 32) as u32,
        reserved: 0,
        trigger_comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
    }
}

/// The victim, from the tracepoint's argument: a task, or on older kernels its pid.
#[inline(always)]
pub(crate) fn fill_victim(event: &mut OomEvent, argument: u64) {
    if at!(mark_victim_has_task) == 0 {
        event.victim_tgid = argument as u32;
        return;
    }
    event.victim_tgid = read_u32(argument, at!(task_tgid));
    let leader = read_u64(argument, at!(task_group_leader));
    event.victim_start_ns = read_u64(leader, at!(task_start_boottime));
}

#[inline(always)]
fn comm(task: Typed) -> [u8; COMM_LEN] {
    let offset = at!(task_comm);
    let halves = [task.u64(offset), task.u64(offset + 8)];
    // SAFETY: the same 16 bytes.
    unsafe { core::mem::transmute(halves) }
}

/// `subsys[memory_cgrp_id]->cgroup` of a css_set.
#[inline(always)]
pub(crate) fn memory_cgroup(cgroups: Typed) -> Typed {
    if at!(css_set_memory) == MISSING {
        return Typed::NULL;
    }
    cgroups.pointer(at!(css_set_memory)).pointer(at!(css_cgroup))
}

/// Its `kn->id`: the inode of the cgroup's directory.
#[inline(always)]
fn memory_cgroup_id(cgroups: Typed) -> Option<u64> {
    memory_cgroup(cgroups).pointer(at!(cgroup_kn)).number(at!(kernfs_id))
}

/// `dfl_cgrp->kn->id` of a css_set, as the helper has it, for less than its call.
#[inline(always)]
fn unified_cgroup_id(cgroups: Typed) -> u64 {
    let known = cgroups.pointer(at!(css_set_unified)).pointer(at!(cgroup_kn)).number(at!(kernfs_id));
    // SAFETY: a helper without arguments.
    known.unwrap_or_else(|| unsafe { bpf_get_current_cgroup_id() })
}

/// The real user and group in the initial namespace; as numbers of the kernel's they are just that.
#[inline(always)]
fn user(task: Typed) -> (u32, u32) {
    let cred = task.pointer(at!(task_cred));
    if let (Some(uid), Some(gid)) = (cred.number(at!(cred_uid)), cred.number(at!(cred_gid))) {
        return (uid, gid);
    }
    let both = bpf_get_current_uid_gid();
    (both as u32, (both >> 32) as u32)
}
