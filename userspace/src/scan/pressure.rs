//! Reads how much memory is left and how long tasks stall for want of it. A kernel that does not measure stalls
//! (before 4.20, or with `psi=0`) is no fault: there is one sign less to judge by.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::cgroup::Hierarchy;
use crate::observation::{HostMemory, Stall};

/// What `/proc/meminfo`, `/proc/pressure/memory` and the `memory.pressure` of these cgroups say now.
pub(super) fn read<'a>(
    proc_root: &Path,
    hierarchy: &Hierarchy,
    cgroups: impl Iterator<Item = &'a Arc<str>>,
) -> Option<HostMemory> {
    let mut memory = parse_meminfo(&fs::read_to_string(proc_root.join("meminfo")).ok()?)?;
    memory.stall = stall(&proc_root.join("pressure/memory"));
    if matches!(hierarchy, Hierarchy::Unified(_)) {
        let of = |path: &Arc<str>| {
            let file = hierarchy.directory(path)?.join("memory.pressure");
            Some((Arc::clone(path), stall(&file)?))
        };
        memory.cgroups = cgroups.filter_map(of).collect();
    }
    Some(memory)
}

/// Reading fails with EOPNOTSUPP where stalls are not measured.
fn stall(file: &Path) -> Option<Stall> {
    parse_stall(&fs::read_to_string(file).ok()?)
}

/// For the fuzzer: all that is parsed here.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn fuzz(text: &str) {
    drop(parse_meminfo(text));
    let _ = parse_stall(text);
}

fn parse_meminfo(text: &str) -> Option<HostMemory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(HostMemory {
        total_bytes: bytes("MemTotal")?,
        available_bytes: bytes("MemAvailable")?,
        swap_total_bytes: bytes("SwapTotal").unwrap_or(0),
        swap_free_bytes: bytes("SwapFree").unwrap_or(0),
        ..HostMemory::default()
    })
}

fn parse_stall(text: &str) -> Option<Stall> {
    let average = |line: &str, name: &str| {
        let line = text.lines().find(|it| it.split(' ').next() == Some(line))?;
        let value = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
        value.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent))
    };
    Some(Stall {
        some_avg60: average("some", "avg60")?,
        full_avg10: average("full", "avg10")?,
        full_avg60: average("full", "avg60")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_as_the_kernel_writes_them() {
        let text = "some avg10=71.20 avg60=40.01 avg300=9.90 total=31\nfull avg10=55.50 avg60=30.00 avg300=7.00 total=9\n";
        let want = Stall { some_avg60: 40.01, full_avg10: 55.5, full_avg60: 30.0 };
        assert_eq!(parse_stall(text), Some(want));
        for broken in
            ["", "some avg10=1.00 avg60=1.00 avg300=1.00 total=1\n", "some avg60=x\nfull avg10=1 avg60=1\n"]
        {
            assert_eq!(parse_stall(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_is_left_of_memory() {
        let text = "MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    200 kB\nSwapCached: 7 kB\nSwapTotal:  50 kB\nSwapFree:  40 kB\n";
        let memory = parse_meminfo(text).unwrap();
        assert_eq!((memory.total_bytes, memory.available_bytes), (1_024_000, 204_800));
        assert_eq!((memory.swap_total_bytes, memory.swap_free_bytes), (51_200, 40_960));
        assert_eq!(parse_meminfo("MemTotal: 1000 kB\n"), None, "a kernel before 3.14");
    }

    #[test]
    fn cgroups_have_stalls_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a")).unwrap();
        fs::create_dir_all(root.path().join("pressure")).unwrap();
        fs::write(root.path().join("meminfo"), "MemTotal: 9 kB\nMemAvailable: 3 kB\n").unwrap();
        let psi = "some avg10=9.00 avg60=8.00 avg300=1.00 total=1\nfull avg10=7.00 avg60=6.00 avg300=1.00 total=1\n";
        fs::write(root.path().join("a/memory.pressure"), psi).unwrap();
        let (a, gone): (Arc<str>, Arc<str>) = ("/a".into(), "/gone".into());
        let of = |hierarchy: &Hierarchy| read(root.path(), hierarchy, [&a, &gone].into_iter()).unwrap();
        let memory = of(&Hierarchy::Unified(root.path().to_owned()));
        let stall = Stall { some_avg60: 8.0, full_avg10: 7.0, full_avg60: 6.0 };
        assert_eq!((memory.stall, memory.cgroups), (None, vec![(Arc::clone(&a), stall)]));
        assert!(of(&Hierarchy::MemoryV1(root.path().to_owned())).cgroups.is_empty());
    }
}
