//! Loading the object and attaching its programs, one hook at a time: a hook that cannot be had is reported
//! with the reason, and the others go on.

use ai_debugger_ebpf::formats::Formats;
use ai_debugger_ebpf::layout::Layout;

use super::fallback;
use super::object::{Deliveries, LoadOutcome, ProbeOptions, attach, delivery, maps, object};
use crate::coverage::{Delivery, Hook};

/// Loads and attaches what this kernel and these privileges allow; what became of each hook beside it.
pub(super) fn load(options: &ProbeOptions) -> LoadOutcome {
    let by_type = load_with(options, |_| {});
    if by_type.1.iter().all(|(_, state)| state.is_attached()) {
        return by_type;
    }
    match fallback::load(options, &by_type.1) {
        Some(with_fallback) => with_fallback,
        None => by_type,
    }
}

/// By the kernel's types alone, after `change` was made to what they say.
fn load_with(options: &ProbeOptions, change: impl FnOnce(&mut Layout)) -> LoadOutcome {
    match object(options, Formats::UNKNOWN, change) {
        Err(error) => {
            let absent = Delivery::Absent(format!("{error:#}"));
            (Err(error), Hook::ALL.iter().map(|hook| (*hook, absent.clone())).collect())
        }
        Ok((mut ebpf, types)) => {
            let states: Deliveries = Hook::ALL
                .iter()
                .map(|hook| (*hook, delivery(attach(&mut ebpf, *hook, types.as_ref()))))
                .collect();
            if states.iter().any(|(_, state)| state.is_attached()) {
                (maps(ebpf, options.log, None), states)
            } else {
                let reason = states.first().and_then(|(_, state)| state.reason()).unwrap_or_default();
                (Err(anyhow::anyhow!("no hook could be attached: {reason}")), states)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ai_debugger_ebpf::layout::MISSING;

    use super::*;

    type OffsetOf = fn(&mut Layout) -> &mut u32;

    /// What a kernel may lack, in parts: each load is half a second of the verifier's work.
    const OF_KERNFS: [OffsetOf; 4] = [
        |it| &mut it.cgroup_root,
        |it| &mut it.kernfs_parent,
        |it| &mut it.kernfs_name,
        |it| &mut it.kernfs_id,
    ];
    const OF_CGROUPS: [OffsetOf; 4] = [
        |it| &mut it.css_set_unified,
        |it| &mut it.css_set_memory,
        |it| &mut it.task_cgroups,
        |it| &mut it.task_cred,
    ];
    const OF_TASKS: [OffsetOf; 4] = [
        |it| &mut it.cred_uid,
        |it| &mut it.task_thread_pid,
        |it| &mut it.pid_numbers,
        |it| &mut it.task_maj_flt,
    ];
    const OF_MEMORY: [OffsetOf; 4] = [
        |it| &mut it.mm_exe_file,
        |it| &mut it.mount_mnt,
        |it| &mut it.mm_rss_anon,
        |it| &mut it.signal_maxrss,
    ];
    const OF_WORK: [OffsetOf; 4] = [
        |it| &mut it.task_sum_exec_runtime,
        |it| &mut it.signal_sum_sched_runtime,
        |it| &mut it.signal_read_bytes,
        |it| &mut it.task_write_bytes,
    ];

    /// Loads are checked against the kernel's types: one of a field that is not there would be refused.
    fn check_loads(test: &str, each: &[&[OffsetOf]]) {
        let options = ProbeOptions::small();
        if let Err(error) = load_with(&options, |_| {}).0 {
            return super::super::report_skip(test, &format!("kernel events cannot be had here: {error:#}"));
        }
        for fields in each {
            let states = load_with(&options, |layout| fields.iter().for_each(|it| *it(layout) = MISSING)).1;
            for (hook, state) in states {
                assert_eq!(state, Delivery::Complete, "{hook}");
            }
        }
    }

    fn alone(fields: &[OffsetOf]) -> Vec<&[OffsetOf]> {
        fields.iter().map(std::slice::from_ref).collect()
    }

    #[test]
    fn the_verifier_accepts_programs_without_any_field_that_a_kernel_may_lack() {
        let all = [OF_KERNFS, OF_CGROUPS, OF_TASKS, OF_MEMORY, OF_WORK].concat();
        check_loads("the_verifier_accepts_programs_without_any_field", &[&all]);
    }

    #[test]
    fn the_verifier_accepts_programs_without_a_field_of_kernfs() {
        check_loads("the_verifier_accepts_programs_without_a_field_of_kernfs", &alone(&OF_KERNFS));
    }

    #[test]
    fn the_verifier_accepts_programs_without_a_field_of_cgroups() {
        check_loads("the_verifier_accepts_programs_without_a_field_of_cgroups", &alone(&OF_CGROUPS));
    }

    #[test]
    fn the_verifier_accepts_programs_without_a_field_of_tasks() {
        check_loads("the_verifier_accepts_programs_without_a_field_of_tasks", &alone(&OF_TASKS));
    }

    #[test]
    fn the_verifier_accepts_programs_without_a_field_of_memory() {
        check_loads("the_verifier_accepts_programs_without_a_field_of_memory", &alone(&OF_MEMORY));
    }

    #[test]
    fn the_verifier_accepts_programs_without_a_field_of_work() {
        check_loads("the_verifier_accepts_programs_without_a_field_of_work", &alone(&OF_WORK));
    }
}
