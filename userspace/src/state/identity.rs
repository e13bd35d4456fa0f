//! Which processes are of the same program, restarts and containers' ids aside.

use crate::cgroup;
use crate::model::ProcessInfo;
use crate::programs;

/// What makes two processes the same program: the executable, or the name without one, an interpreter's script with
/// it, and the cgroup without ids that change with each start.
pub fn program(process: &ProcessInfo) -> String {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let exe = process.exe.as_deref().map(|exe| base(exe.strip_suffix(" (deleted)").unwrap_or(exe)));
    let exe = exe.filter(|name| !name.is_empty()).unwrap_or_else(|| process.name.clone());
    let script = programs::script(process).map(|script| format!(" {}", base(script))).unwrap_or_default();
    let cgroup = process.cgroup.as_deref().map(cgroup::without_ids).unwrap_or_default();
    format!("{exe}{script}\n{cgroup}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, name: &str, exe: Option<&str>, cgroup: Option<&str>) -> ProcessInfo {
        ProcessInfo {
            pid,
            start_ticks: u64::from(pid),
            ppid: 1,
            name: name.into(),
            exe: exe.map(str::to_owned),
            argv: Vec::new(),
            uid: None,
            cgroup: cgroup.map(str::to_owned),
            container_id: None,
            unit: None,
            pod_uid: None,
            container: None,
        }
    }

    #[test]
    fn the_same_program_is_recognised_across_restarts() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let first = process(1, "app", Some("/usr/bin/app"), Some("/docker/0123456789abcdef0123456789abcdef"));
        for (other, same) in [
            (process(2, "renamed", Some("./app"), Some(&format!("/docker/{id}"))), true),
            (process(2, "app", None, Some("/docker/fedcba9876543210fedcba9876543210")), true),
            (
                process(2, "app", Some("/usr/bin/other"), Some("/docker/fedcba9876543210fedcba9876543210")),
                false,
            ),
            (process(2, "app", Some("/usr/bin/app"), Some("/system.slice/app.service")), false),
        ] {
            assert_eq!(program(&first) == program(&other), same, "{other:?}");
        }
    }

    #[test]
    fn scripts_of_one_interpreter_are_different_programs() {
        let of = |script: &str| ProcessInfo {
            argv: ["python3", "-u", script].map(str::to_owned).into(),
            ..process(1, "python3", Some("/usr/bin/python3"), None)
        };
        assert_ne!(program(&of("/srv/a.py")), program(&of("/srv/b.py")));
        assert_eq!(program(&of("/srv/a.py")), program(&of("/tmp/copy/a.py")));
    }
}
