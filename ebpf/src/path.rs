//! Paths that userspace would come too late for, upwards name by name: of a crash's executable and of a cgroup.

use ai_debugger_ebpf::event::{ARGV_MAX, CrashEvent, PATH_MAX, PATH_NAME_MAX, ProcessEvent};
use ai_debugger_ebpf::layout::MISSING;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;

use crate::kernel::{Typed, at, read_u64};
use crate::task::{self, Task};

/// Names and mounts on the way up.
const STEPS: u32 = 32;

/// The path of the executable as it is mapped, from its directory entry to the root of its mount namespace: what was
/// given to execve(2) may be relative to a directory that nobody knows any more, or a script.
/// Copies the names into the event, the file's own first and a NUL after each; none where the way is too long or does
/// not end at a root, as that of a file in memory.
#[inline(always)]
pub(crate) fn executable(event: &mut CrashEvent, task: u64) {
    if at!(mount_mnt) == MISSING {
        return;
    }
    let file = read_u64(read_u64(task, at!(task_mm)), at!(mm_exe_file));
    if file == 0 {
        return;
    }
    let path = file + u64::from(at!(file_path));
    let mut mount = read_u64(path, at!(path_mnt));
    let mut entry = read_u64(path, at!(path_dentry));
    let mut len = 0_usize;
    for _ in 0..STEPS {
        if mount == 0 || entry == 0 {
            return;
        }
        if entry == read_u64(mount, at!(vfsmount_root)) {
            // `struct mount` holds the `struct vfsmount` that others see.
            let holder = mount - u64::from(at!(mount_mnt));
            let above = read_u64(holder, at!(mount_parent));
            if above == holder {
                event.header.path_len = len as u32;
                return;
            }
            entry = read_u64(holder, at!(mount_point));
            mount = above + u64::from(at!(mount_mnt));
            continue;
        }
        let above = read_u64(entry, at!(dentry_parent));
        if above == entry {
            return;
        }
        let (names, name) = ((&raw mut event.path).cast(), read_u64(entry, at!(dentry_name)));
        // SAFETY: `path` has that room.
        let Some(longer) = (unsafe { copy_name(names, len, name) }) else { return };
        len = longer;
        entry = above;
    }
}

/// Copies the names of the cgroup's path behind argv, its own first and a NUL after each; the bytes copied. It is the
/// cgroup whose id userspace asks for: the memory controller's on v1, else that of v2. Later, cgroup and process are gone.
#[inline(always)]
pub(crate) fn cgroup(event: &mut ProcessEvent, task: Task, argv_len: usize) -> usize {
    let cgroups = task.cgroups();
    let (unified, memory) = (cgroups.pointer(at!(css_set_unified)), task::memory_cgroup(cgroups));
    let root = |cgroup: Typed| cgroup.u64(at!(cgroup_root));
    let cgroup = if root(memory) != 0 && root(memory) != root(unified) { memory } else { unified };
    let mut node = cgroup.pointer(at!(cgroup_kn)).address();
    if node == 0 || at!(kernfs_parent) == MISSING || at!(kernfs_name) == MISSING {
        return 0;
    }
    let names = (&raw mut event.data).cast::<u8>().wrapping_add(argv_len & (ARGV_MAX - 1));
    let mut len = 0_usize;
    for _ in 0..STEPS {
        let above = read_u64(node, at!(kernfs_parent));
        if above == 0 {
            event.header.exe_len = len as u32;
            return len;
        }
        let name = read_u64(node, at!(kernfs_name));
        // SAFETY: `data` has that room behind any argv.
        let Some(longer) = (unsafe { copy_name(names, len, name) }) else { return 0 };
        len = longer;
        node = above;
    }
    0
}

/// Copies the string at `name` behind the first `len` bytes of `names`; how many there are then, `None` where there was
/// no room or nothing to copy.
///
/// # Safety
/// There must be room for `PATH_MAX + PATH_NAME_MAX` bytes.
#[inline(always)]
unsafe fn copy_name(names: *mut u8, len: usize, name: u64) -> Option<usize> {
    if len >= PATH_MAX {
        return None;
    }
    // SAFETY: a local variable. Volatile, so that the mask stays, which every verifier follows.
    let from = unsafe { core::ptr::read_volatile(&raw const len) } & (PATH_MAX - 1);
    // SAFETY: by the caller; the helper checks the source.
    let copied = unsafe {
        bpf_probe_read_kernel_str(
            names.add(from).cast(),
            PATH_NAME_MAX as u32,
            name as *const core::ffi::c_void,
        )
    };
    (copied > 1).then_some(from + (copied as usize & (PATH_NAME_MAX * 2 - 1)))
}
