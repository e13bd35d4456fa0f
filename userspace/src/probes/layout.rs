//! From the running kernel's BTF to the offsets the programs read at, and which hooks this kernel has.
//! Types are looked up by name and member; the kernel's version number is never asked.

use std::path::Path;

use ai_debugger_ebpf::layout::{Layout, MISSING};
use anyhow::{Context as _, Result};

use super::btf::Types;
use crate::coverage::Hook;

/// Indices into `mm_struct.rss_stat` (kernel include/linux/mm_types_task.h).
const MM_FILEPAGES: u32 = 0;
const MM_ANONPAGES: u32 = 1;
const MM_SHMEMPAGES: u32 = 3;

/// What BTF says of this kernel.
#[derive(Debug)]
pub(super) struct KernelTypes {
    pub(super) layout: Layout,
    /// The hooks that this kernel has.
    pub(super) hooks: Vec<Hook>,
    /// What the loader needs of BTF: the hooks' types, under their numbers.
    pub(super) btf: Vec<u8>,
}

/// Reads `path`, normally `/sys/kernel/btf/vmlinux`. Takes some hundredths of a second: call it once.
pub(super) fn read(path: &Path) -> Result<KernelTypes> {
    let raw = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let types = Types::parse(raw).with_context(|| format!("{} is not valid BTF", path.display()))?;
    let hooks =
        Hook::ALL.iter().copied().filter(|hook| types.callback(&callback(*hook), 1).is_some()).collect();
    let btf = types.only(&Hook::ALL.iter().map(|hook| callback(*hook)).collect::<Vec<_>>());
    Ok(KernelTypes { layout: layout(&types)?, hooks, btf })
}

/// The type of what a tracepoint calls: `typedef void (*btf_trace_HOOK)(void *, …)`.
fn callback(hook: Hook) -> String {
    format!("btf_trace_{hook}")
}

fn layout(types: &Types) -> Result<Layout> {
    let must = |of: &str, member: &str| {
        types.offset(of, member).with_context(|| format!("this kernel has no {of}.{member}"))
    };
    let may = |of: &str, member: &str| types.offset(of, member).unwrap_or(MISSING);
    Ok(Layout {
        task_tgid: must("task_struct", "tgid")?,
        task_flags: must("task_struct", "flags")?,
        task_group_leader: must("task_struct", "group_leader")?,
        task_real_parent: must("task_struct", "real_parent")?,
        task_start_boottime: must("task_struct", "start_boottime")
            .or_else(|_| must("task_struct", "real_start_time"))?,
        task_comm: must("task_struct", "comm")?,
        task_exit_code: must("task_struct", "exit_code")?,
        task_signal: must("task_struct", "signal")?,
        task_mm: must("task_struct", "mm")?,
        task_sum_exec_runtime: may("task_struct", "se.sum_exec_runtime"),
        task_cred: may("task_struct", "cred"),
        cred_uid: may("cred", "uid"),
        cred_gid: may("cred", "gid"),
        task_cgroups: may("task_struct", "cgroups"),
        css_set_unified: may("css_set", "dfl_cgrp"),
        css_set_memory: types
            .enumerator("cgroup_subsys_id", "memory_cgrp_id")
            .and_then(|index| types.offset("css_set", &format!("subsys[{index}]")))
            .unwrap_or(MISSING),
        css_cgroup: may("cgroup_subsys_state", "cgroup"),
        cgroup_kn: may("cgroup", "kn"),
        cgroup_root: may("cgroup", "root"),
        kernfs_id: may("kernfs_node", "id"),
        kernfs_parent: types
            .offset("kernfs_node", "__parent")
            .unwrap_or_else(|| may("kernfs_node", "parent")),
        kernfs_name: may("kernfs_node", "name"),
        signal_live: must("signal_struct", "live")?,
        signal_nr_threads: must("signal_struct", "nr_threads")?,
        signal_flags: must("signal_struct", "flags")?,
        signal_group_exit_code: must("signal_struct", "group_exit_code")?,
        signal_maxrss: may("signal_struct", "maxrss"),
        signal_oom_mm: must("signal_struct", "oom_mm")?,
        signal_sum_sched_runtime: may("signal_struct", "sum_sched_runtime"),
        mm_arg_start: must("mm_struct", "arg_start")?,
        mm_arg_end: must("mm_struct", "arg_end")?,
        mm_hiwater_rss: may("mm_struct", "hiwater_rss"),
        mm_rss_file: rss_counter(types, MM_FILEPAGES),
        mm_rss_anon: rss_counter(types, MM_ANONPAGES),
        mm_rss_shmem: rss_counter(types, MM_SHMEMPAGES),
        bprm_filename: must("linux_binprm", "filename")?,
        task_thread_pid: may("task_struct", "thread_pid"),
        pid_level: may("pid", "level"),
        pid_numbers: may("pid", "numbers"),
        upid_size: types.size("upid").unwrap_or(0),
        task_maj_flt: may("task_struct", "maj_flt"),
        signal_maj_flt: may("signal_struct", "maj_flt"),
        task_read_bytes: may("task_struct", "ioac.read_bytes"),
        task_write_bytes: may("task_struct", "ioac.write_bytes"),
        signal_read_bytes: may("signal_struct", "ioac.read_bytes"),
        signal_write_bytes: may("signal_struct", "ioac.write_bytes"),
        task_pid: must("task_struct", "pid")?,
        task_sighand: must("task_struct", "sighand")?,
        sighand_action: must("sighand_struct", "action")?,
        action_size: types.size("k_sigaction").unwrap_or(0),
        siginfo_code: must("kernel_siginfo", "si_code")?,
        siginfo_fields: must("kernel_siginfo", "_sifields")?,
        mm_saved_auxv: may("mm_struct", "saved_auxv"),
        mm_exe_file: may("mm_struct", "exe_file"),
        file_path: may("file", "f_path"),
        path_mnt: may("path", "mnt"),
        path_dentry: may("path", "dentry"),
        vfsmount_root: may("vfsmount", "mnt_root"),
        mount_mnt: if has_paths(types) { may("mount", "mnt") } else { MISSING },
        mount_parent: may("mount", "mnt_parent"),
        mount_point: may("mount", "mnt_mountpoint"),
        dentry_parent: may("dentry", "d_parent"),
        dentry_name: may("dentry", "d_name.name"),
        task_stack: may("task_struct", "stack"),
        task_login_uid: may("task_struct", "loginuid"),
        task_session_id: may("task_struct", "sessionid"),
        task_parent_death_signal: may("task_struct", "pdeath_signal"),
        task_blocked: may("task_struct", "blocked"),
        signal_posix_timers: may("signal_struct", "posix_timers"),
        has_task_pt_regs: u32::from(types.enumerator("bpf_func_id", "BPF_FUNC_task_pt_regs").is_some()),
        mark_victim_has_task: u32::from(types.callback(&callback(Hook::OomVictim), 1) == Some(true)),
        common_wake_bytes: 0,
    })
}

/// Whether all is known that leads from a file to its path.
fn has_paths(types: &Types) -> bool {
    let needed = [
        ("mm_struct", "exe_file"),
        ("file", "f_path"),
        ("path", "mnt"),
        ("path", "dentry"),
        ("vfsmount", "mnt_root"),
        ("mount", "mnt_parent"),
        ("mount", "mnt_mountpoint"),
        ("dentry", "d_parent"),
        ("dentry", "d_name.name"),
    ];
    needed.iter().all(|(of, member)| types.offset(of, member).is_some())
}

/// One of the resident-set counters: an array of per-CPU counters since 6.2. Those before need not be known: they
/// are asked for at a process's end, where its memory is still there since 6.16 only.
fn rss_counter(types: &Types, index: u32) -> u32 {
    types.offset("mm_struct", &format!("rss_stat[{index}].count")).unwrap_or(MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_btf_is_an_error_that_names_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\x9f\xeb\x01not quite").unwrap();
        let error = format!("{:#}", read(file.path()).unwrap_err());
        assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
        assert!(read(Path::new("/nonexistent/btf")).is_err());
    }
}
