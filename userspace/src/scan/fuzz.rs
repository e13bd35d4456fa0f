//! For the fuzzer: files of /proc and of cgroups. A process chooses its name, its arguments and its cgroup's name; where
//! /proc is a folder of somebody's, all of it.

use super::{pressure, task, walk};
use crate::{cgroup, evidence};

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    task::fuzz(bytes);
    let _ = evidence::start_ticks_in(bytes);
    let text = String::from_utf8_lossy(bytes);
    pressure::fuzz(&text);
    let _ = walk::memory_in(&text);
    let _ = cgroup::of_process(&text);
    for line in text.lines() {
        drop(cgroup::container_id(line));
        let _ = cgroup::unit(line);
        drop(cgroup::pod_uid(line));
        let _ = cgroup::runtime(line);
        let _ = cgroup::is_of_user_manager(line);
        let plain = cgroup::without_ids(line);
        assert_eq!(cgroup::without_ids(&plain), plain, "without ids there are none");
    }
}
