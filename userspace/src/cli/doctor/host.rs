//! The kernel and its file systems, as far as they decide what can be seen.

use std::fs;
use std::path::Path;

use super::report::Check;
use super::roots::Roots;
use crate::kmsg;

/// The inode of the first pid namespace: `PROC_PID_INIT_INO` (kernel include/linux/proc_ns.h).
const INIT_PID_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn checks(roots: &Roots) -> Vec<Check> {
    let mounts = fs::read_to_string(roots.proc.join("self/mountinfo")).unwrap_or_default();
    let mut checks = vec![
        kernel(roots),
        btf(roots),
        proc(roots, &mounts),
        pid_namespace(roots),
        tracefs(&mounts),
        kernel_log(),
        cgroup(roots),
    ];
    checks.extend(lockdown(roots));
    checks
}

fn kernel(roots: &Roots) -> Check {
    match fs::read_to_string(roots.proc.join("sys/kernel/osrelease")) {
        Ok(release) => Check::ok("kernel", release.trim()),
        Err(error) => Check::warn("kernel", format!("cannot read its release: {error}"), ""),
    }
}

fn btf(roots: &Roots) -> Check {
    let path = roots.sys.join("kernel/btf/vmlinux");
    match fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(meta) => Check::ok("BTF", format!("{}, {} bytes", path.display(), meta.len())),
        Err(error) => Check::warn(
            "BTF",
            format!("{} cannot be read: {error}", path.display()),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF, and mount /sys; without BTF, hooks that attach see less",
        ),
    }
}

fn proc(roots: &Roots, mounts: &str) -> Check {
    let root = roots.proc.display();
    if let Err(error) = fs::read_to_string(roots.proc.join("self/stat")) {
        let remedy = "mount the host's /proc and set --proc-root to it";
        return Check::fail("proc", format!("{root} cannot be read: {error}"), remedy);
    }
    match hidepid(mounts, &roots.proc) {
        Some(value) => Check::warn(
            "proc",
            format!("{root} is mounted with hidepid={value}: other users' processes may be hidden"),
            "run as root or with CAP_SYS_PTRACE, or mount it without hidepid",
        ),
        None => Check::ok("proc", format!("{root} can be read")),
    }
}

/// The value of a `hidepid` that hides something, of the /proc mounted last at that place.
fn hidepid(mounts: &str, place: &Path) -> Option<String> {
    let mount = mounts
        .lines()
        .filter_map(Mount::parse)
        .rfind(|it| it.kind == "proc" && Path::new(it.place) == place)?;
    let value = mount.options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
    (!matches!(value, "0" | "off")).then(|| value.to_owned())
}

fn pid_namespace(roots: &Roots) -> Check {
    let namespace = |pid: &str| fs::read_link(roots.proc.join(pid).join("ns/pid"));
    let is_first = |pid: &str| namespace(pid).is_ok_and(|link| link.as_os_str() == INIT_PID_NAMESPACE);
    match namespace("self") {
        _ if is_first("self") => Check::ok("pid namespace", "same as the host's"),
        _ if is_first("1") => {
            Check::ok("pid namespace", format!("{} shows the host's", roots.proc.display()))
        }
        Ok(_) => Check::fail(
            "pid namespace",
            "not the host's: the kernel's pids differ from those in /proc",
            "run it with the host's pid namespace (docker --pid=host, kubernetes hostPID: true)",
        ),
        Err(error) => {
            Check::warn("pid namespace", format!("unknown: {error}"), "check that /proc is the host's")
        }
    }
}

fn tracefs(mounts: &str) -> Check {
    match mounts.lines().filter_map(Mount::parse).find(|it| it.kind == "tracefs") {
        Some(mount) => Check::ok("tracefs", format!("mounted at {}", mount.place)),
        None => Check::warn(
            "tracefs",
            "not mounted: only needed for classic tracepoints, the fallback without BTF",
            "not needed while the hooks attach; otherwise: mount -t tracefs tracefs /sys/kernel/tracing",
        ),
    }
}

fn kernel_log() -> Check {
    match kmsg::Log::trouble() {
        None => Check::ok("kernel log", "readable; OOM incidents include the kernel's own report"),
        Some((reason, remedy)) => Check::warn(
            "kernel log",
            format!("OOM incidents will lack the kernel's report: {reason}"),
            remedy,
        ),
    }
}

fn cgroup(roots: &Roots) -> Check {
    let at = |name: &str| roots.cgroup.join(name);
    let root = roots.cgroup.display();
    let v1_memory =
        at("memory/memory.limit_in_bytes").exists() || at("memory/memory.usage_in_bytes").exists();
    let no_memory = |version: &str| {
        let remedy = "enable the memory controller (kernel command line cgroup_enable=memory)";
        Check::warn(
            "cgroup",
            format!("{version} at {root} without the memory controller: memory limits are unknown"),
            remedy,
        )
    };
    if let Ok(controllers) = fs::read_to_string(at("cgroup.controllers")) {
        return if controllers.split_whitespace().any(|it| it == "memory") {
            Check::ok("cgroup", format!("v2 at {root}, with the memory controller"))
        } else {
            no_memory("v2")
        };
    }
    let hybrid = at("unified/cgroup.controllers").exists();
    match (hybrid, v1_memory) {
        (true, true) => Check::ok("cgroup", format!("hybrid at {root}, memory controller on v1")),
        (true, false) => no_memory("hybrid"),
        (false, true) => Check::ok("cgroup", format!("v1 at {root}, with the memory controller")),
        (false, false) if at("cpu").exists() || at("pids").exists() => no_memory("v1"),
        (false, false) => Check::warn(
            "cgroup",
            format!("none at {root}"),
            "mount the host's cgroups and set --cgroup-root to them",
        ),
    }
}

/// `None` where it cannot be read: securityfs is often not mounted, and then nothing is locked down by it.
fn lockdown(roots: &Roots) -> Option<Check> {
    let modes = fs::read_to_string(roots.sys.join("kernel/security/lockdown")).ok()?;
    let mode = modes.split('[').nth(1)?.split(']').next()?;
    Some(if mode == "confidentiality" {
        let detail = "confidentiality: the kernel does not let BPF programs read its memory";
        Check::fail("lockdown", detail, "boot with lockdown=integrity, or without lockdown")
    } else {
        Check::ok("lockdown", mode)
    })
}

/// A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
struct Mount<'a> {
    place: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let place = before.split(' ').nth(4)?;
        let mut fields = after.split(' ');
        Some(Self { place, kind: fields.next()?, options: fields.nth(1).unwrap_or("") })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::report::{as_text, main_job_can_run};
    use super::*;

    /// A host of files: (path, content), `@` before the content for a link.
    fn check(files: &[(&str, &str)], want: &[&str], can_run: bool) {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, body) in files {
            let body = body.replace("ROOT", &dir.path().display().to_string());
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            match body.strip_prefix('@') {
                Some(target) => symlink(target, at(name)).unwrap(),
                None => fs::write(at(name), body).unwrap(),
            }
        }
        let checks = checks(&Roots { proc: at("proc"), sys: at("sys"), cgroup: at("cgroup") });
        let text = as_text(&checks).replace(&dir.path().display().to_string(), "ROOT");
        for line in want {
            assert!(text.contains(line), "no `{line}` in\n{text}");
        }
        assert_eq!(main_job_can_run(&checks), can_run, "{text}");
    }

    const GOOD: [(&str, &str); 5] = [
        ("proc/sys/kernel/osrelease", "6.18.1\n"),
        ("proc/self/stat", "1 (x) S"),
        ("proc/self/ns/pid", "@pid:[4026531836]"),
        ("sys/kernel/btf/vmlinux", "1234567"),
        ("cgroup/cgroup.controllers", "cpu memory pids\n"),
    ];

    fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        let replaced = |name: &str| more.iter().any(|(other, _)| *other == name);
        GOOD.into_iter().filter(|(name, _)| !replaced(name)).chain(more.iter().copied()).collect()
    }

    #[test]
    fn a_good_host() {
        let mounts = "1 2 0:3 / ROOT/proc rw shared:1 - proc proc rw,hidepid=0\n9 2 0:9 / /sys/kernel/tracing rw - tracefs t rw\n";
        let lines = [
            "ok    kernel — 6.18.1\n",
            "ok    BTF — ROOT/sys/kernel/btf/vmlinux, 7 bytes\n",
            "ok    proc — ROOT/proc can be read\n",
            "ok    pid namespace — same as the host's\n",
            "ok    tracefs — mounted at /sys/kernel/tracing\n",
            "ok    cgroup — v2 at ROOT/cgroup, with the memory controller\n",
            "ok    lockdown — none\n",
        ];
        let lockdown = ("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
        check(&with(&[("proc/self/mountinfo", mounts), lockdown]), &lines, true);
    }

    #[test]
    fn a_host_with_nothing() {
        let lines = [
            "warn  BTF — ",
            "FAIL  proc — ",
            "warn  tracefs — ",
            "warn  cgroup — none at",
            "warn  pid namespace — unknown",
        ];
        check(&[], &lines, false);
    }

    #[test]
    fn what_a_host_may_lack() {
        let mounts = "1 2 0:3 / ROOT/proc rw - proc proc rw\n3 2 0:4 / ROOT/proc rw - proc proc rw,hidepid=invisible\n";
        check(
            &with(&[("proc/self/mountinfo", mounts)]),
            &["warn  proc — ROOT/proc is mounted with hidepid=invisible"],
            true,
        );
        let elsewhere = "1 2 0:3 / /chroot/proc rw - proc proc rw,hidepid=2\nnonsense\n - \n";
        check(&with(&[("proc/self/mountinfo", elsewhere)]), &["ok    proc"], true);
        check(
            &with(&[("proc/self/ns/pid", "@pid:[4026532000]")]),
            &["FAIL  pid namespace — not the host's"],
            false,
        );
        let container = [("proc/self/ns/pid", "@pid:[4026532000]"), ("proc/1/ns/pid", "@pid:[4026531836]")];
        check(&with(&container), &["ok    pid namespace — ROOT/proc shows the host's"], true);
        let locked = ("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
        check(&with(&[locked]), &["FAIL  lockdown"], false);
        check(&with(&[("sys/kernel/security/lockdown", "")]), &["ok    kernel"], true);
    }

    #[test]
    fn every_kind_of_cgroup() {
        let base: Vec<_> = GOOD.into_iter().filter(|(name, _)| !name.starts_with("cgroup")).collect();
        let memory = ("cgroup/memory/memory.limit_in_bytes", "1");
        let unified = ("cgroup/unified/cgroup.controllers", "");
        for (files, want) in [
            (vec![memory], "ok    cgroup — v1 at"),
            (vec![memory, unified], "ok    cgroup — hybrid at"),
            (vec![unified], "warn  cgroup — hybrid at"),
            (vec![("cgroup/pids/tasks", "")], "warn  cgroup — v1 at"),
            (vec![("cgroup/cgroup.controllers", "cpu memoryish")], "warn  cgroup — v2 at"),
        ] {
            check(&[base.clone(), files].concat(), &[want], true);
        }
    }
}
