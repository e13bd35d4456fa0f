//! From the running kernel's BTF to the offsets the programs read at, and which hooks this kernel has.
//! Types are looked up by name and member; the kernel's version number is never asked.

use std::path::Path;

use ai_debugger_ebpf::layout::{Layout, MISSING};
use anyhow::{Context as _, Result, anyhow};
use btfparse::{Offset, Readable, TypeInformation, TypeVariant};

/// Indices into `mm_struct.rss_stat` (kernel include/linux/mm_types_task.h).
const MM_FILEPAGES: u32 = 0;
const MM_ANONPAGES: u32 = 1;
const MM_SHMEMPAGES: u32 = 3;

/// Every tracepoint the programs attach to.
pub(super) const HOOKS: [&str; 5] =
    ["sched_process_exec", "sched_process_exit", "mark_victim", "signal_generate", "sched_process_fork"];

/// What BTF says of this kernel.
#[derive(Debug)]
pub(super) struct KernelTypes {
    /// The offsets.
    pub(super) layout: Layout,
    /// The hooks of [`HOOKS`] that this kernel has.
    pub(super) hooks: Vec<&'static str>,
}

/// Reads `path`, normally `/sys/kernel/btf/vmlinux`. Takes about a tenth of a second: call it once.
pub(super) fn read(path: &Path) -> Result<KernelTypes> {
    let raw = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let types = TypeInformation::new(&Bytes(raw))
        .map_err(|error| anyhow!("{} is not valid BTF: {error:?}", path.display()))?;
    let hooks = HOOKS.into_iter().filter(|hook| prototype(&types, hook).is_some()).collect();
    Ok(KernelTypes { layout: layout(&types)?, hooks })
}

fn layout(types: &TypeInformation) -> Result<Layout> {
    let must = |of: &str, member: &str| {
        offset(types, of, member).with_context(|| format!("this kernel has no {of}.{member}"))
    };
    let may = |of: &str, member: &str| offset(types, of, member).unwrap_or(MISSING);
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
        task_cgroups: may("task_struct", "cgroups"),
        css_set_memory: memory_subsystem(types)
            .and_then(|index| offset(types, "css_set", &format!("subsys[{index}]")))
            .unwrap_or(MISSING),
        css_cgroup: may("cgroup_subsys_state", "cgroup"),
        cgroup_kn: may("cgroup", "kn"),
        kernfs_id: may("kernfs_node", "id"),
        signal_live: must("signal_struct", "live")?,
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
        upid_size: size(types, "upid"),
        task_maj_flt: may("task_struct", "maj_flt"),
        signal_maj_flt: may("signal_struct", "maj_flt"),
        task_read_bytes: may("task_struct", "ioac.read_bytes"),
        task_write_bytes: may("task_struct", "ioac.write_bytes"),
        signal_read_bytes: may("signal_struct", "ioac.read_bytes"),
        signal_write_bytes: may("signal_struct", "ioac.write_bytes"),
        task_pid: must("task_struct", "pid")?,
        task_sighand: must("task_struct", "sighand")?,
        sighand_action: must("sighand_struct", "action")?,
        action_size: size(types, "k_sigaction"),
        siginfo_code: must("kernel_siginfo", "si_code")?,
        siginfo_fields: must("kernel_siginfo", "_sifields")?,
        mm_saved_auxv: may("mm_struct", "saved_auxv"),
        task_stack: may("task_struct", "stack"),
        has_task_pt_regs: u32::from(enumerator(types, "bpf_func_id", "BPF_FUNC_task_pt_regs").is_some()),
        mark_victim_has_task: u32::from(first_argument_is_pointer(types, "mark_victim")),
        common_wake_bytes: 0,
    })
}

/// Byte offset of a member, anonymous members included; `None` where there is none or it is a bit field.
fn offset(types: &TypeInformation, of: &str, member: &str) -> Option<u32> {
    match types.offset_of(types.id_of(of)?, member).ok()?.1 {
        Offset::ByteOffset(bytes) => Some(bytes),
        Offset::BitOffsetAndSize(..) => None,
    }
}

/// One of the resident-set counters: an array of per-CPU counters since 6.2, a struct with an array before.
fn rss_counter(types: &TypeInformation, index: u32) -> u32 {
    offset(types, "mm_struct", &format!("rss_stat[{index}].count"))
        .or_else(|| offset(types, "mm_struct", &format!("rss_stat.count[{index}]")))
        .unwrap_or(MISSING)
}

/// Size of a type in bytes; 0 where this kernel has none of that name.
fn size(types: &TypeInformation, of: &str) -> u32 {
    let size = types.id_of(of).and_then(|id| types.size_of(id).ok());
    size.and_then(|size| u32::try_from(size).ok()).unwrap_or(0)
}

/// The memory controller's index in `css_set.subsys`.
fn memory_subsystem(types: &TypeInformation) -> Option<u64> {
    enumerator(types, "cgroup_subsys_id", "memory_cgrp_id")
}

/// The value of an enumerator; `None` where this kernel has not got it.
fn enumerator(types: &TypeInformation, of: &str, name: &str) -> Option<u64> {
    let TypeVariant::Enum(values) = types.from_id(types.id_of(of)?)? else { return None };
    match values.named_value_list().iter().find(|value| value.name == name)?.value {
        btfparse::Integer32Value::Signed(value) => u64::try_from(value).ok(),
        btfparse::Integer32Value::Unsigned(value) => Some(u64::from(value)),
    }
}

/// The prototype behind `typedef void (*btf_trace_HOOK)(void *, …)`; `None` where the hook does not exist.
fn prototype(types: &TypeInformation, hook: &str) -> Option<btfparse::FuncProto> {
    let TypeVariant::Typedef(alias) = types.from_id(types.id_of(&format!("btf_trace_{hook}"))?)? else {
        return None;
    };
    let TypeVariant::Ptr(pointer) = types.from_id(*alias.tid())? else { return None };
    match types.from_id(*pointer.tid())? {
        TypeVariant::FuncProto(prototype) => Some(prototype),
        _ => None,
    }
}

/// Whether the first argument after the tracepoint's private data is a pointer.
fn first_argument_is_pointer(types: &TypeInformation, hook: &str) -> bool {
    let Some(prototype) = prototype(types, hook) else { return false };
    let argument = prototype.parameter_list().get(1).and_then(|it| types.from_id(it.tid()));
    matches!(argument, Some(TypeVariant::Ptr(_)))
}

/// The whole file in memory, as btfparse wants to read it.
struct Bytes(Vec<u8>);

impl Readable for Bytes {
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), btfparse::Error> {
        let end = || btfparse::Error::new(btfparse::ErrorKind::IOError, "read past the end");
        let start = usize::try_from(offset).map_err(|_| end())?;
        let bytes = start.checked_add(buffer.len()).and_then(|stop| self.0.get(start..stop));
        buffer.copy_from_slice(bytes.ok_or_else(end)?);
        Ok(())
    }
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
