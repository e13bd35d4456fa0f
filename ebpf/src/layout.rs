//! Where the running kernel keeps what the programs read: byte offsets inside its structs, found by userspace
//! in the kernel's own BTF before the programs are loaded, and frozen there as constants. Never a version test.

use core::mem::size_of;

/// An offset of a field this kernel has not.
pub const MISSING: u32 = u32::MAX;

/// Byte offsets, and what else the programs must know of this kernel. All `u32`: no padding.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `task_struct.tgid`
    pub task_tgid: u32,
    /// `task_struct.flags`
    pub task_flags: u32,
    /// `task_struct.group_leader`
    pub task_group_leader: u32,
    /// `task_struct.real_parent`
    pub task_real_parent: u32,
    /// `task_struct.start_boottime` (`real_start_time` before 5.5)
    pub task_start_boottime: u32,
    /// `task_struct.comm`
    pub task_comm: u32,
    /// `task_struct.exit_code`
    pub task_exit_code: u32,
    /// `task_struct.signal`
    pub task_signal: u32,
    /// `task_struct.mm`
    pub task_mm: u32,
    /// `task_struct.se.sum_exec_runtime`
    pub task_sum_exec_runtime: u32,
    /// `task_struct.cgroups`, or missing
    pub task_cgroups: u32,
    /// `css_set.subsys[memory_cgrp_id]`, or missing without the memory controller
    pub css_set_memory: u32,
    /// `cgroup_subsys_state.cgroup`
    pub css_cgroup: u32,
    /// `cgroup.kn`
    pub cgroup_kn: u32,
    /// `kernfs_node.id`
    pub kernfs_id: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `signal_struct.flags`
    pub signal_flags: u32,
    /// `signal_struct.group_exit_code`
    pub signal_group_exit_code: u32,
    /// `signal_struct.maxrss`, or missing
    pub signal_maxrss: u32,
    /// `signal_struct.oom_mm`
    pub signal_oom_mm: u32,
    /// `signal_struct.sum_sched_runtime`
    pub signal_sum_sched_runtime: u32,
    /// `mm_struct.arg_start`
    pub mm_arg_start: u32,
    /// `mm_struct.arg_end`
    pub mm_arg_end: u32,
    /// `mm_struct.hiwater_rss`, or missing
    pub mm_hiwater_rss: u32,
    /// File pages in `mm_struct.rss_stat`, or missing
    pub mm_rss_file: u32,
    /// Anonymous pages in `mm_struct.rss_stat`, or missing
    pub mm_rss_anon: u32,
    /// Shared-memory pages in `mm_struct.rss_stat`, or missing
    pub mm_rss_shmem: u32,
    /// `linux_binprm.filename`
    pub bprm_filename: u32,
    /// 1 where `mark_victim` has the victim's task as its argument (6.9 and later, some stable branches);
    /// 0 where it has only the pid
    pub mark_victim_has_task: u32,
    /// Bytes waiting on the common ring from which on its reader is woken at once
    pub common_wake_bytes: u32,
}

impl Layout {
    /// Nothing known: what the object holds before userspace has filled it in.
    pub const UNKNOWN: Self = Self {
        task_tgid: MISSING,
        task_flags: MISSING,
        task_group_leader: MISSING,
        task_real_parent: MISSING,
        task_start_boottime: MISSING,
        task_comm: MISSING,
        task_exit_code: MISSING,
        task_signal: MISSING,
        task_mm: MISSING,
        task_sum_exec_runtime: MISSING,
        task_cgroups: MISSING,
        css_set_memory: MISSING,
        css_cgroup: MISSING,
        cgroup_kn: MISSING,
        kernfs_id: MISSING,
        signal_live: MISSING,
        signal_flags: MISSING,
        signal_group_exit_code: MISSING,
        signal_maxrss: MISSING,
        signal_oom_mm: MISSING,
        signal_sum_sched_runtime: MISSING,
        mm_arg_start: MISSING,
        mm_arg_end: MISSING,
        mm_hiwater_rss: MISSING,
        mm_rss_file: MISSING,
        mm_rss_anon: MISSING,
        mm_rss_shmem: MISSING,
        bprm_filename: MISSING,
        mark_victim_has_task: 0,
        common_wake_bytes: 0,
    };
}

const _: () = assert!(size_of::<Layout>() == 30 * size_of::<u32>());
