//! What keeps the watcher alive and on a CPU while the host is in trouble: that is when it is needed. Without the
//! privilege it runs as any other process, and an operator's own choice stays as it is.

use std::fs;

use rustix::process::{getpriority_process, setpriority_process};

/// Nice value: about nine times the weight of others (kernel kernel/sched/core.c, `sched_prio_to_weight`). With a
/// fork bomb's hundred runnable processes a core, a fair share would be too late.
const NICE: i32 = -10;
/// The OOM killer takes nearly everything else first (proc_pid_oom_score_adj(5)); −1000 would be never.
const OOM_SCORE_ADJ: &str = "-900";
const OOM_FILE: &str = "/proc/self/oom_score_adj";

/// To be called before there are other threads: a priority is a thread's own, and threads inherit it
/// (setpriority(2)).
pub(super) fn protect() {
    if getpriority_process(None).is_ok_and(|nice| nice == 0) {
        setpriority_process(None, NICE).ok();
    }
    if fs::read_to_string(OOM_FILE).is_ok_and(|adjusted| adjusted.trim() == "0") {
        fs::write(OOM_FILE, OOM_SCORE_ADJ).ok();
    }
}
