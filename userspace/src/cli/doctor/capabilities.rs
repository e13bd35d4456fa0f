//! Which privileges this process has, of those the daemon uses (capabilities(7)).

use std::fs;

use super::report::Check;
use super::roots::Roots;

/// Bit numbers of `include/uapi/linux/capability.h`.
const DAC_READ_SEARCH: u32 = 2;
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const SYS_RESOURCE: u32 = 24;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

pub(super) fn checks(roots: &Roots) -> Vec<Check> {
    let status = fs::read_to_string(roots.proc.join("self/status")).unwrap_or_default();
    let release = fs::read_to_string(roots.proc.join("sys/kernel/osrelease")).unwrap_or_default();
    match effective(&status) {
        Some(set) => judge(set, version(&release)),
        None => vec![Check::warn("capabilities", "CapEff cannot be read from /proc/self/status", "")],
    }
}

/// Pure: the effective set and the kernel's version to lines.
fn judge(set: u64, kernel: Option<(u32, u32)>) -> Vec<Check> {
    let has = |bit: u32| set >> bit & 1 == 1;
    let older_than = |version: (u32, u32)| kernel.is_some_and(|kernel| kernel < version);
    let mut checks = Vec::new();
    for (name, bit) in [("CAP_BPF", BPF), ("CAP_PERFMON", PERFMON)] {
        checks.push(if has(bit) {
            Check::ok(name, "there")
        } else if has(SYS_ADMIN) {
            Check::ok(name, "covered by CAP_SYS_ADMIN")
        } else {
            Check::fail(name, "missing: kernel events cannot be read", format!("run as root or add {name}"))
        });
    }
    for (name, bit, without) in [
        ("CAP_SYS_PTRACE", SYS_PTRACE, "exe, cwd and maps of other users' processes stay unknown"),
        ("CAP_DAC_READ_SEARCH", DAC_READ_SEARCH, "environ, io and fd of other users' processes stay unknown"),
    ] {
        checks.push(if has(bit) {
            Check::ok(name, "there")
        } else {
            Check::warn(name, format!("missing: {without}"), format!("run as root or add {name}"))
        });
    }
    // Since 5.11 BPF memory is charged to the cgroup, no longer to RLIMIT_MEMLOCK (kernel kernel/bpf/syscall.c).
    if older_than((5, 11)) && !has(SYS_RESOURCE) {
        let detail = "missing: kernels before 5.11 count BPF memory against RLIMIT_MEMLOCK";
        checks.push(Check::warn("CAP_SYS_RESOURCE", detail, "add CAP_SYS_RESOURCE or raise RLIMIT_MEMLOCK"));
    }
    checks
}

/// The set of `CapEff:` in /proc/PID/status.
fn effective(status: &str) -> Option<u64> {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(hex.trim(), 16).ok()
}

/// Major and minor of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::super::report::as_text;
    use super::*;

    #[test]
    fn sets_are_judged() {
        let four = 1 << BPF | 1 << PERFMON | 1 << SYS_PTRACE | 1 << DAC_READ_SEARCH;
        for (set, kernel, fails, warns) in [
            (u64::MAX, Some((5, 4)), 0, 0),
            (0, Some((6, 18)), 2, 2),
            (0, Some((5, 10)), 2, 3),
            (four, Some((6, 1)), 0, 0),
            (four, Some((5, 10)), 0, 1),
            (four, None, 0, 0),
            (1 << SYS_ADMIN, Some((5, 11)), 0, 2),
            (four & !(1 << PERFMON), Some((6, 1)), 1, 0),
        ] {
            let text = as_text(&judge(set, kernel));
            let count = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
            assert_eq!((count("FAIL"), count("warn")), (fails, warns), "{set:x} {kernel:?}\n{text}");
        }
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(effective("CapPrm:\t01\nCapEff:\t000001fffeffffff\n"), Some(0x01ff_feff_ffff));
        for broken in ["", "CapEff:\n", "CapEff:\txyz\n"] {
            assert_eq!(effective(broken), None);
        }
        for (release, want) in [
            ("6.18.44-fc-v657\n", Some((6, 18))),
            ("5.4", Some((5, 4))),
            ("6", None),
            ("", None),
            ("x.y", None),
        ] {
            assert_eq!(version(release), want);
        }
    }
}
