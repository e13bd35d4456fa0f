//! Forks, counted by parent in the kernel: userspace reads the counts with its walk of /proc.

use ai_debugger_ebpf::counters::{FORK_PARENTS, ForkParent};
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruPerCpuHashMap;

use crate::kernel::{at, read_u32, read_u64};

/// Forks by parent. Least recently used parents make room for new ones.
#[map]
static FORKS: LruPerCpuHashMap<ForkParent, u64> = LruPerCpuHashMap::with_max_entries(FORK_PARENTS, 0);

/// Counts a new process for its parent; a new thread is none.
#[inline(always)]
pub(crate) fn count(parent: u64, child: u64) {
    if read_u32(child, at!(task_pid)) != read_u32(child, at!(task_tgid)) {
        return;
    }
    let leader = read_u64(parent, at!(task_group_leader));
    let key = ForkParent {
        start_ns: read_u64(leader, at!(task_start_boottime)),
        tgid: read_u32(parent, at!(task_tgid)),
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
