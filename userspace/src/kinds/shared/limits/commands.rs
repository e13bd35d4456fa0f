//! The commands that show limits.

use crate::kinds::case::CaseFile;
use crate::kinds::opinion::commands::{quote, step};
use crate::kinds::opinion::frozen::Frozen;
use crate::model::NextStep;

/// The limits on tasks that bind this process: its cgroup's on either version, its user's, the host's.
pub fn task_limits(file: &CaseFile) -> NextStep {
    let pid = file.process.pid;
    let cgroup = file.process.cgroup.as_deref().unwrap_or("").trim_end_matches('/');
    let cgroup = if cgroup.is_empty() { String::new() } else { quote(cgroup) };
    let v2 = if Frozen(file).is_cgroup_v2() == Some(false) {
        // The pids controller has a hierarchy, and paths, of its own there.
        format!(
            "grep -sH '' /sys/fs/cgroup/pids\"$(sed -n 's/^[0-9]*:pids://p' /proc/{pid}/cgroup)\"/pids.{{max,current,events}}"
        )
    } else {
        format!("grep -sH '' /sys/fs/cgroup{cgroup}/pids.{{max,current,events}}")
    };
    step(
        "Its limits on tasks: the cgroup's, the user's, the host's",
        format!("{v2}; grep processes /proc/{pid}/limits; cat /proc/sys/kernel/{{threads-max,pid_max}}"),
    )
}
