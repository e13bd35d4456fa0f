//! When memory as a whole has run out, and what is said of it.

use expect_test::{Expect, expect};

use super::*;
use crate::detect::Grown;

const MIB: u64 = 1 << 20;

fn memory(available: u64, swap: (u64, u64), full: (f64, f64)) -> HostMemory {
    HostMemory {
        total_bytes: 1000 * MIB,
        available_bytes: available * MIB,
        swap_free_bytes: swap.0 * MIB,
        swap_total_bytes: swap.1 * MIB,
        stall: Some(Stall { some_avg60: full.1, full_avg10: full.0, full_avg60: full.1 }),
        cgroups: Vec::new(),
    }
}

#[test]
fn shortage_and_stalls() {
    let no_swap = (0, 0);
    for (what, memory, scans, want) in [
        ("plenty", memory(500, no_swap, (0.0, 0.0)), 9, None),
        ("at the line", memory(30, no_swap, (0.0, 0.0)), 9, None),
        ("short", memory(29, no_swap, (0.0, 0.0)), 2, Some(Severity::Critical)),
        ("short for a moment", memory(29, no_swap, (0.0, 0.0)), 1, None),
        ("short, but there is swap", memory(29, (1, 100), (0.0, 0.0)), 9, None),
        ("short, and swap is full", memory(29, (0, 100), (0.0, 0.0)), 9, Some(Severity::Critical)),
        ("stalls", memory(100, (50, 100), (20.0, 20.0)), 2, Some(Severity::Warning)),
        ("a peak that has just begun", memory(100, no_swap, (90.0, 19.9)), 9, None),
        ("a peak that is over", memory(100, no_swap, (19.9, 60.0)), 9, None),
        ("not measured", HostMemory { stall: None, ..memory(100, no_swap, (0.0, 0.0)) }, 9, None),
    ] {
        let draft = host(&memory, scans, &[], &DetectLimits::default());
        assert_eq!(draft.map(|it| it.severity), want, "{what}");
    }
}

#[test]
fn a_stalled_cgroup() {
    let limits = DetectLimits::default();
    for (full_avg10, full_avg60, scans, want) in
        [(20.0, 20.0, 2, true), (20.0, 20.0, 1, false), (19.0, 20.0, 9, false), (20.0, 19.0, 9, false)]
    {
        let stall = Stall { some_avg60: 90.0, full_avg10, full_avg60 };
        assert_eq!(cgroup("/app", &stall, scans, &[], &limits).is_some(), want, "{full_avg10} {full_avg60}");
    }
}

fn check(draft: Option<Draft>, want: &Expect) {
    let draft = draft.unwrap();
    let mut got = format!("{:?} {} [{}]\n", draft.severity, draft.summary, draft.site);
    for fact in &draft.facts {
        got.push_str(&format!("- {} ({})\n", fact.text(), fact.source));
    }
    want.assert_eq(&got);
}

#[test]
fn the_growers_are_named() {
    let limits = DetectLimits::default();
    let secs = std::time::Duration::from_secs;
    let resident = |pid, name: &str, rss_bytes, grown| Resident { pid, name: name.into(), rss_bytes, grown };
    let processes = [
        resident(9, "api\x1b[2J", 700 * MIB, Some(Grown { bytes: 512 * MIB, over: secs(130) })),
        resident(8, "db", 200 * MIB, None),
    ];
    check(
        host(&memory(20, (0, 0), (1.0, 3.0)), 3, &processes, &limits),
        &expect![[r#"
        Critical The host has 20.0 MiB of its 1000.0 MiB of memory left. [host]
        - 20.0 MiB of the host's 1000.0 MiB of memory are available, page cache included; it has no swap (proc:meminfo)
        - all tasks waited for memory for 1.0 % of the last 10 s and 3.0 % of the last minute, some for 3.0 % (proc:pressure)
        - it was like that for 3 scans in a row (scan)
        - api�[2J (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min (proc:stat)
        - db (pid 8) holds 200.0 MiB resident (proc:stat)
    "#]],
    );
    check(
        host(&memory(90, (60, 100), (45.0, 31.0)), 3, &processes, &limits),
        &expect![[r#"
        Warning The host stalls for want of memory: for 31 % of the last minute, all tasks waited for it. [host]
        - 90.0 MiB of the host's 1000.0 MiB of memory are available, page cache included; 60.0 MiB of its 100.0 MiB of swap are free (proc:meminfo)
        - all tasks waited for memory for 45.0 % of the last 10 s and 31.0 % of the last minute, some for 31.0 % (proc:pressure)
        - it was like that for 3 scans in a row (scan)
        - api�[2J (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min (proc:stat)
        - db (pid 8) holds 200.0 MiB resident (proc:stat)
    "#]],
    );
    let stall = Stall { some_avg60: 80.0, full_avg10: 60.0, full_avg60: 41.0 };
    check(
        cgroup("/app\n", &stall, 2, &processes[..1], &limits),
        &expect![[r#"
        Warning The cgroup /app  stalls for want of memory: for 41 % of the last minute, all its tasks waited for it. [cgroup]
        - all tasks waited for memory for 60.0 % of the last 10 s and 41.0 % of the last minute, some for 80.0 % (cgroup:memory.pressure)
        - it was like that for 2 scans in a row (scan)
        - api�[2J (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min (proc:stat)
    "#]],
    );
}
