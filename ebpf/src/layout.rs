//! Where the running kernel keeps what the programs read: byte offsets inside its structs, found by userspace
//! in the kernel's own BTF before the programs are loaded, and frozen there as constants. Never a version test.

use core::mem::size_of;

/// An offset of a field this kernel has not. Below the verifier's BPF_MAX_VAR_OFF (kernel
/// include/linux/bpf_verifier.h): a compiler may add it to a pointer before the test that nothing is loaded there.
pub const MISSING: u32 = (1 << 29) - 1;

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
    /// `task_struct.cred`, or missing
    pub task_cred: u32,
    /// `cred.uid`, or missing
    pub cred_uid: u32,
    /// `cred.gid`, or missing
    pub cred_gid: u32,
    /// `task_struct.cgroups`, or missing
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`, or missing
    pub css_set_unified: u32,
    /// `css_set.subsys[memory_cgrp_id]`, or missing without the memory controller
    pub css_set_memory: u32,
    /// `cgroup_subsys_state.cgroup`
    pub css_cgroup: u32,
    /// `cgroup.kn`
    pub cgroup_kn: u32,
    /// `cgroup.root`
    pub cgroup_root: u32,
    /// `kernfs_node.id`
    pub kernfs_id: u32,
    /// `kernfs_node.name`, or missing
    pub kernfs_name: u32,
    /// `kernfs_node.__parent` (`parent` before 6.15), or missing
    pub kernfs_parent: u32,
    /// `signal_struct.live`
    pub signal_live: u32,
    /// `signal_struct.nr_threads`
    pub signal_nr_threads: u32,
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
    /// `task_struct.thread_pid`, or missing
    pub task_thread_pid: u32,
    /// `pid.level`, or missing
    pub pid_level: u32,
    /// `pid.numbers`, or missing
    pub pid_numbers: u32,
    /// Size of `upid`
    pub upid_size: u32,
    /// `task_struct.maj_flt`, or missing
    pub task_maj_flt: u32,
    /// `signal_struct.maj_flt`, or missing
    pub signal_maj_flt: u32,
    /// `task_struct.ioac.read_bytes`, or missing without I/O accounting
    pub task_read_bytes: u32,
    /// `task_struct.ioac.write_bytes`, or missing
    pub task_write_bytes: u32,
    /// `signal_struct.ioac.read_bytes`, or missing
    pub signal_read_bytes: u32,
    /// `signal_struct.ioac.write_bytes`, or missing
    pub signal_write_bytes: u32,
    /// `task_struct.pid`
    pub task_pid: u32,
    /// `task_struct.sighand`
    pub task_sighand: u32,
    /// `sighand_struct.action`
    pub sighand_action: u32,
    /// Size of `k_sigaction`
    pub action_size: u32,
    /// `kernel_siginfo.si_code`
    pub siginfo_code: u32,
    /// `kernel_siginfo._sifields`
    pub siginfo_fields: u32,
    /// `mm_struct.saved_auxv`, or missing
    pub mm_saved_auxv: u32,
    /// `mm_struct.exe_file`, or missing
    pub mm_exe_file: u32,
    /// `file.f_path`
    pub file_path: u32,
    /// `path.mnt`
    pub path_mnt: u32,
    /// `path.dentry`
    pub path_dentry: u32,
    /// `vfsmount.mnt_root`
    pub vfsmount_root: u32,
    /// `mount.mnt`, or missing where any of these is
    pub mount_mnt: u32,
    /// `mount.mnt_parent`
    pub mount_parent: u32,
    /// `mount.mnt_mountpoint`
    pub mount_point: u32,
    /// `dentry.d_parent`
    pub dentry_parent: u32,
    /// `dentry.d_name.name`
    pub dentry_name: u32,
    /// `task_struct.stack`, or missing
    pub task_stack: u32,
    /// `task_struct.loginuid`, or missing without auditing
    pub task_login_uid: u32,
    /// `task_struct.sessionid`, or missing without auditing
    pub task_session_id: u32,
    /// `task_struct.pdeath_signal`, or missing
    pub task_parent_death_signal: u32,
    /// `task_struct.blocked`, or missing
    pub task_blocked: u32,
    /// `signal_struct.posix_timers`, or missing
    pub signal_posix_timers: u32,
    /// 1 where the kernel has the helper `bpf_task_pt_regs` (5.15 and later)
    pub has_task_pt_regs: u32,
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
        task_cred: MISSING,
        cred_uid: MISSING,
        cred_gid: MISSING,
        task_cgroups: MISSING,
        css_set_unified: MISSING,
        css_set_memory: MISSING,
        css_cgroup: MISSING,
        cgroup_kn: MISSING,
        cgroup_root: MISSING,
        kernfs_id: MISSING,
        kernfs_name: MISSING,
        kernfs_parent: MISSING,
        signal_live: MISSING,
        signal_nr_threads: MISSING,
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
        task_thread_pid: MISSING,
        pid_level: MISSING,
        pid_numbers: MISSING,
        upid_size: MISSING,
        task_maj_flt: MISSING,
        signal_maj_flt: MISSING,
        task_read_bytes: MISSING,
        task_write_bytes: MISSING,
        signal_read_bytes: MISSING,
        signal_write_bytes: MISSING,
        task_pid: MISSING,
        task_sighand: MISSING,
        sighand_action: MISSING,
        action_size: MISSING,
        siginfo_code: MISSING,
        siginfo_fields: MISSING,
        mm_saved_auxv: MISSING,
        mm_exe_file: MISSING,
        file_path: MISSING,
        path_mnt: MISSING,
        path_dentry: MISSING,
        vfsmount_root: MISSING,
        mount_mnt: MISSING,
        mount_parent: MISSING,
        mount_point: MISSING,
        dentry_parent: MISSING,
        dentry_name: MISSING,
        task_stack: MISSING,
        task_login_uid: MISSING,
        task_session_id: MISSING,
        task_parent_death_signal: MISSING,
        task_blocked: MISSING,
        signal_posix_timers: MISSING,
        has_task_pt_regs: 0,
        mark_victim_has_task: 0,
        common_wake_bytes: 0,
    };
}

const _: () = assert!(size_of::<Layout>() == 72 * size_of::<u32>());
