//! Forks, counted by parent in the kernel: userspace reads the counts with its walk of /proc.

use ai_debugger_ebpf::counters::{FORK_PARENTS, ForkParent};
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruPerCpuHashMap;

use crate::kernel::{Typed, at};

/// Forks by parent. Least recently used parents make room for new ones.
#[map]
static FORKS: LruPerCpuHashMap<ForkParent, u64> = LruPerCpuHashMap::with_max_entries(FORK_PARENTS, 0);

/// Counts a new process for its parent; a new thread is none.
#[inline(always)]
pub(crate) fn count(parent: Typed, child: Typed) {
    if child.u32(at!(task_pid)) != child.u32(at!(task_tgid)) {
        return;
    }
    let leader = parent.pointer(at!(task_group_leader));
    let key = ForkParent {
        start_ns: leader.u64(at!(task_start_boottime)),
        tgid: parent.u32(at!(task_tgid)),
        reserved: 0,
    };
    match FORKS.get_ptr_mut(&key) {
        // SAFETY: a map value of this CPU.
        Some(count) => unsafe { *count += 1 },
        // Only a parent's first fork on this CPU; with the map full of busier parents it is not counted.
        None => {
            let _ = FORKS.insert(&key, &1, 0);
        }
    }
}
