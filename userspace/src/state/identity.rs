//! Which processes are of the same program, restarts and containers' ids aside.

use crate::cgroup;
use crate::model::ProcessInfo;
use crate::programs;

/// What makes two processes the same program: an interpreter's script, or the executable, or the name without one; and
/// where it runs. A script that names its interpreter in its first line is known
/// by its own path when its start is seen, and by the interpreter's when a scan finds it: it is the same program.
pub fn program(process: &ProcessInfo) -> String {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let exe = process.exe.as_deref().map(|exe| base(exe.strip_suffix(" (deleted)").unwrap_or(exe)));
    let exe = || exe.filter(|name| !name.is_empty()).unwrap_or_else(|| process.name.clone());
    let what = match programs::script(process) {
        Some(script) if !script.starts_with('-') => base(script),
        Some(option) => format!("{} {option}", exe()),
        None => exe(),
    };
    format!("{what}\n{}", place(process))
}

/// Where a process runs, equal for all instances of it: a container's image, and which of a pod's containers it is; else
/// the cgroup, without ids that change with each start. Containers' cgroups differ in their ids alone.
pub fn place(process: &ProcessInfo) -> String {
    let container = process.container.as_ref();
    let image = container.and_then(|it| it.image.as_deref()).map(without_tag).filter(|it| !it.is_empty());
    match (container, image) {
        (Some(it), Some(image)) if it.pod.is_some() => {
            format!("{} in {image}", it.name.as_deref().unwrap_or_default())
        }
        (_, Some(image)) => image.to_owned(),
        _ => process.cgroup.as_deref().map(cgroup::without_ids).unwrap_or_default(),
    }
}

/// `registry:5000/shop/app` of `registry:5000/shop/app:1.2@sha256:…`.
fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// The service unit that a process is, where the service manager itself started it: its cgroup, without what changes
/// from start to start. Main process and children, and whatever their programs are called, are of one unit.
pub fn unit(process: &ProcessInfo) -> Option<String> {
    if process.ppid != 1 {
        return None;
    }
    let (unit, path) = (process.unit.as_deref()?, process.cgroup.as_deref()?);
    // systemd puts an underscore before what could be taken for a file of the kernel's.
    let is_unit = |end: &usize| {
        path[..*end].rsplit('/').next().is_some_and(|it| it.strip_prefix('_').unwrap_or(it) == unit)
    };
    let ends = path.match_indices('/').map(|(at, _)| at);
    let end = [path.len()].into_iter().chain(ends).find(is_unit)?;
    Some(cgroup::without_ids(&path[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContainerInfo;

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
    fn containers_are_told_apart_by_their_images_and_not_by_their_ids() {
        let of = |id: &str, image: Option<&str>, name: &str, pod: Option<&str>| {
            let container = ContainerInfo {
                name: Some(name.into()),
                image: image.map(str::to_owned),
                pod: pod.map(str::to_owned),
                ..ContainerInfo::default()
            };
            let cgroup = format!("/machine.slice/libpod-{}.scope", id.repeat(32));
            let process = process(1, "app", Some("/app"), Some(&cgroup));
            program(&ProcessInfo { container: Some(container), ..process })
        };
        let first = of("3f", Some("reg:5000/shop/app:1"), "angry_hopper", None);
        for (what, other, same) in [
            ("another run", of("4e", Some("reg:5000/shop/app:1"), "calm_turing", None), true),
            ("another version", of("4e", Some("reg:5000/shop/app:2@sha256:ab"), "x", None), true),
            ("another image", of("4e", Some("reg:5000/shop/web:1"), "angry_hopper", None), false),
            ("nothing known", of("4e", None, "angry_hopper", None), false),
        ] {
            assert_eq!(first == other, same, "{what}: {other}");
        }
        let pod = |name, pod| of("3f", Some("shop/app:1"), name, Some(pod));
        assert_eq!(pod("app", "app-1"), pod("app", "app-2"));
        assert_ne!(pod("app", "app-1"), pod("sidecar", "app-1"));
        assert_eq!(of("3f", None, "a", None), of("4e", None, "b", None));
        assert_eq!(without_tag("reg:5000/app"), "reg:5000/app");
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

    #[test]
    fn a_script_is_one_program_however_it_was_first_seen() {
        let of = |name: &str, exe: Option<&str>, argv: &[&str]| {
            let argv = argv.iter().map(|&it| it.to_owned()).collect();
            program(&ProcessInfo { argv, ..process(1, name, exe, Some("/app")) })
        };
        let script = "/srv/nightly-import-worker.sh";
        let by_scan = of("nightly-import-", Some("/usr/bin/bash"), &["/bin/bash", script]);
        for (what, exe, argv, same) in [
            ("its start", Some(script), &["/bin/bash", script][..], true),
            ("its start, an option in the first line", Some(script), &["/bin/bash", "-e", script], true),
            ("its start, arguments", Some(script), &["/bin/bash", script, "-c", "x"], true),
            ("its end alone", None, &["/bin/bash", script], true),
            ("by hand", Some("/bin/bash"), &["bash", "-x", script], true),
            ("another script", Some("/srv/other.sh"), &["/bin/bash", "/srv/other.sh"], false),
            ("no script", Some("/bin/bash"), &["bash", "-c", script], false),
            ("a shell", Some("/bin/bash"), &["-bash"], false),
        ] {
            assert_eq!(of("nightly-import-", exe, argv) == by_scan, same, "{what}");
        }
    }

    #[test]
    fn what_the_manager_started_in_a_unit_is_that_unit() {
        let of = |ppid, unit: Option<&str>, cgroup: &str| {
            let process = process(7, "sh", Some("/bin/sh"), Some(cgroup));
            super::unit(&ProcessInfo { ppid, unit: unit.map(str::to_owned), ..process })
        };
        let app = Some("app.service");
        for (ppid, unit, cgroup, want) in [
            (1, app, "/system.slice/app.service", Some("/system.slice/app.service")),
            (1, app, "/system.slice/app.service/worker", Some("/system.slice/app.service")),
            (1, app, "/system.slice/_app.service", Some("/system.slice/_app.service")),
            (1, Some("run-u7.service"), "/system.slice/run-u7.service", Some("/system.slice/run-*.service")),
            (42, app, "/system.slice/app.service", None),
            (1, None, "/docker/x", None),
        ] {
            assert_eq!(of(ppid, unit, cgroup).as_deref(), want, "{ppid} {cgroup}");
        }
    }
}
