//! When memory has run short, what is said of it, and what causes it; golden.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::analyst::built_in;
use crate::kinds::case::CaseFile;
use crate::kinds::fixture::{case_of, frozen, healthy, judged, told};
use crate::model::{Confidence, ProcessInfo};

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
        ("stalls with little left", memory(149, (50, 100), (20.0, 20.0)), 2, Some(Severity::Warning)),
        ("stalls of a cgroup at its own limit", memory(150, (50, 100), (90.0, 90.0)), 9, None),
        ("a peak that has just begun", memory(100, no_swap, (90.0, 19.9)), 9, None),
        ("a peak that is over", memory(100, no_swap, (19.9, 60.0)), 9, None),
        ("not measured", HostMemory { stall: None, ..memory(100, no_swap, (0.0, 0.0)) }, 9, None),
    ] {
        let draft = host(&memory, scans, &[], &DetectLimits::default());
        assert_eq!(draft.map(|it| it.severity), want, "{what}");
    }
}

#[test]
fn nothing_is_said_before_enough_scans_could_be() {
    let limits = DetectLimits::default();
    for (interval_ms, want_ms) in [(1_000, 1_000), (10_000, 10_000), (100, 100)] {
        let patience = (ROOM.patience)(&limits, Duration::from_millis(interval_ms));
        assert_eq!(patience, Duration::from_millis(want_ms));
    }
    let often = DetectLimits { memory_scans: 4, ..limits };
    assert_eq!((ROOM.patience)(&often, Duration::from_secs(10)), Duration::from_secs(30));
}

#[test]
fn a_stalled_cgroup() {
    let limits = DetectLimits::default();
    for (full_avg10, full_avg60, scans, want) in
        [(20.0, 20.0, 2, true), (20.0, 20.0, 1, false), (19.0, 20.0, 9, false), (20.0, 19.0, 9, false)]
    {
        let stall = Stall { some_avg60: 90.0, full_avg10, full_avg60 };
        assert_eq!(
            super::stall("/app", &stall, scans, &[], &limits).is_some(),
            want,
            "{full_avg10} {full_avg60}"
        );
    }
}

fn resident(pid: u32, name: &str, rss_bytes: u64, grown: Option<MemoryGrown>) -> Resident {
    Resident { process: Who { name: name.into(), pid }, rss_bytes, grown }
}

#[test]
fn a_working_set_close_to_the_limit_for_long_enough_is_a_finding() {
    for (usage_bytes, file_bytes, scans, want) in [
        (950, 0, 2, true),
        (949, 0, 2, false),
        (1000, 100, 9, false),
        (1000, 50, 2, true),
        (1000, 0, 1, false),
    ] {
        let cgroup = CgroupMemory { path: "/app".into(), usage_bytes, file_bytes, limit_bytes: 1000 };
        let processes = [resident(9, "big", 2048, None)];
        let draft = near_limit(&cgroup, scans, &processes, &DetectLimits::default());
        assert_eq!(draft.is_some(), want, "{usage_bytes} {file_bytes} {scans}");
        if let Some(draft) = draft {
            let said = told(&draft);
            assert_eq!(said.facts[3], "big (pid 9) holds 2.0 KiB resident");
            assert_eq!(said.summary, "The memory cgroup /app holds 950 B of its 1000 B.");
        }
    }
}

fn check(draft: Option<Draft>, want: &Expect) {
    let draft = draft.unwrap();
    let said = told(&draft);
    let mut got = format!("{:?} {} [{}]\n", draft.severity, said.summary, draft.site);
    for (text, fact) in said.facts.iter().zip(&draft.facts) {
        got.push_str(&format!("- {text} ({})\n", fact.source));
    }
    want.assert_eq(&got);
}

#[test]
fn the_growers_are_named() {
    let limits = DetectLimits::default();
    let processes = [
        resident(9, "api\x1b[2J", 700 * MIB, Some(MemoryGrown { bytes: 512 * MIB, over_ms: 130_000 })),
        resident(8, "db", 200 * MIB, None),
    ];
    check(
        host(&memory(20, (0, 0), (1.0, 3.0)), 3, &processes, &limits),
        &expect![[r#"
        Critical The host has 20.0 MiB of its 1000.0 MiB of memory left. [host]
        - 20.0 MiB of the host's 1000.0 MiB of memory are available, page cache included; it has no swap (proc:meminfo)
        - all tasks waited for memory for 1.0 % of the last 10 s and 3.0 % of the last minute, some for 3.0 % (proc:pressure)
        - it was in this state for 3 scans in a row (scan)
        - api�[2J (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min (proc:stat)
        - db (pid 8) holds 200.0 MiB resident (proc:stat)
    "#]],
    );
    check(
        host(&memory(90, (60, 100), (45.0, 31.0)), 3, &processes, &limits),
        &expect![[r#"
        Warning The host stalls for lack of memory: for 31 % of the last minute, all tasks waited for it. [host]
        - 90.0 MiB of the host's 1000.0 MiB of memory are available, page cache included; 60.0 MiB of its 100.0 MiB of swap are free (proc:meminfo)
        - all tasks waited for memory for 45.0 % of the last 10 s and 31.0 % of the last minute, some for 31.0 % (proc:pressure)
        - it was in this state for 3 scans in a row (scan)
        - api�[2J (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min (proc:stat)
        - db (pid 8) holds 200.0 MiB resident (proc:stat)
    "#]],
    );
    let stall = Stall { some_avg60: 80.0, full_avg10: 60.0, full_avg60: 41.0 };
    check(
        super::stall("/app\n", &stall, 2, &processes[..1], &limits),
        &expect![[r#"
        Warning The cgroup /app  stalls for lack of memory: for 41 % of the last minute, all its tasks waited for it. [cgroup]
        - all tasks waited for memory for 60.0 % of the last 10 s and 41.0 % of the last minute, some for 80.0 % (cgroup:memory.pressure)
        - it was in this state for 2 scans in a row (scan)
        - api�[2J (pid 9) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min (proc:stat)
    "#]],
    );
}

/// A host that has nearly nothing left.
fn short(largest: Resident) -> Draft {
    let mut short = memory(20, (0, 0), (0.0, 0.0));
    short.stall = None;
    host(&short, 3, &[largest], &DetectLimits::default()).unwrap()
}

/// The case of it.
fn shortage(largest: Resident) -> CaseFile {
    let mut file = case_of(&short(largest));
    file.process.cgroup = None;
    file
}

/// A host that its largest process fills.
pub(super) fn sample() -> (ProcessInfo, Draft) {
    (healthy().process, short(resident(13674, "python3", 800, None)))
}

fn check_verdict(file: &CaseFile, want: &Expect) {
    want.assert_eq(&judged(file));
}

#[test]
fn a_host_that_a_process_fills() {
    let grown = Some(MemoryGrown { bytes: 512 * MIB, over_ms: 130_000 });
    check_verdict(
        &shortage(resident(13674, "python3", 700 * MIB, grown)),
        &expect![[r#"
            The host has 20.0 MiB of its 1000.0 MiB of memory left.
            The host has too little memory left, and the process that grew most recently is python3 (pid 13674): by 512 MiB in the last 2 min, to 700 MiB.
            Medium, by F1 F2 F3
            ? Many small processes use it together: more workers or jobs than the host has memory for [F3]
            ? No process holds it: it is tmpfs files, shared memory, or the kernel's own memory (Shmem and SUnreclaim in /proc/meminfo) [F1]
            - How much memory the host has left, and which processes use the rest
              $ free -m; ps -eo pid,rss,comm --sort=-rss | head
            - Whether it stalls now, and what the memory is used for
              $ grep . /proc/pressure/memory; grep -E 'MemA|Swap|Shmem:|Slab|SUnr|Dirty|HugePages_T' /proc/meminfo
            - What the named process's memory consists of: heap, mapped files, shared memory
              $ cat /proc/13674/smaps_rollup
            - Which process the OOM killer would choose: the highest score first
              $ for p in /proc/[0-9]*; do echo "$(cat $p/oom_score) ${p#/proc/} $(cat $p/comm)"; done 2>/dev/null | sort -rn | head
        "#]],
    );
}

#[test]
fn a_host_that_is_too_small() {
    // Nor does a name that reads as if it had grown make it so.
    check_verdict(
        &shortage(resident(13674, ", 9 B of them in the last 2 min", 70 * MIB, None)),
        &expect![[r#"
            The host has 20.0 MiB of its 1000.0 MiB of memory left.
            The host has too little memory left for what runs on it; no process grew much recently. The largest is python3 (pid 13674).
            Low, by F1 F2 F3
            ? Many small processes use it together: more workers or jobs than the host has memory for [F3]
            ? No process holds it: it is tmpfs files, shared memory, or the kernel's own memory (Shmem and SUnreclaim in /proc/meminfo) [F1]
            - How much memory the host has left, and which processes use the rest
              $ free -m; ps -eo pid,rss,comm --sort=-rss | head
            - Whether it stalls now, and what the memory is used for
              $ grep . /proc/pressure/memory; grep -E 'MemA|Swap|Shmem:|Slab|SUnr|Dirty|HugePages_T' /proc/meminfo
            - What the named process's memory consists of: heap, mapped files, shared memory
              $ cat /proc/13674/smaps_rollup
            - Which process the OOM killer would choose: the highest score first
              $ for p in /proc/[0-9]*; do echo "$(cat $p/oom_score) ${p#/proc/} $(cat $p/comm)"; done 2>/dev/null | sort -rn | head
        "#]],
    );
}

/// The case of /oomtest at its limit of 1000 bytes, with these files.
fn near(evidence: &[(&str, &str)]) -> CaseFile {
    let cgroup = CgroupMemory { path: "/oomtest".into(), usage_bytes: 990, file_bytes: 0, limit_bytes: 1000 };
    let draft = near_limit(&cgroup, 2, &[resident(13674, "python3", 900, None)], &DetectLimits::default());
    let evidence = evidence.iter().map(|(name, body)| frozen(name, body)).collect();
    CaseFile { evidence, ..case_of(&draft.unwrap()) }
}

#[test]
fn a_cgroup_that_one_process_fills() {
    let file = near(&[
        ("status", "VmRSS:\t  230000 kB\n"),
        ("cgroup.memory.max", "268435456\n"),
        ("cgroup.memory.current", "255000000\n"),
    ]);
    check_verdict(
        &file,
        &expect![[r#"
        The memory cgroup /oomtest holds 990 B of its 1000 B.
        The cgroup uses 243 MiB of 256 MiB (94 %), and 224 MiB of it is python3 (pid 13674)'s own. If it keeps growing, the kernel will kill it.
        High, by F1 F2 F3 F4
        ? python3 leaks memory: it only ever grows [F4]
        ? The limit is too low for normal work; then memory use is high but stable [F1 F2]
        - The cgroup's limit, use and OOM count
          $ grep -sH '' /sys/fs/cgroup/oomtest/memory.{max,high,current,peak,events}
        - What its memory consists of: heap, mapped files, shared memory
          $ cat /proc/13674/smaps_rollup; grep -E '^(Vm|Rss)' /proc/13674/status
        - Other processes in the cgroup, the largest first
          $ ps -o pid,rss,etime,comm --sort=-rss -p "$(paste -sd, /sys/fs/cgroup/oomtest/cgroup.procs)"
    "#]],
    );
}

#[test]
fn the_cause_follows_the_frozen_files() {
    let (max, current) = (("cgroup.memory.max", "268435456\n"), ("cgroup.memory.current", "255000000\n"));
    let cases: [(&[(&str, &str)], _, _); 7] = [
        (&[("cgroup.memory.max", "0\n")], "almost all the memory", Confidence::Low),
        (
            &[max, current, ("status", "VmRSS:\t 230000 kB\n")],
            "is python3 (pid 13674)'s own",
            Confidence::High,
        ),
        (
            &[max, current, ("status", "VmRSS:\t 2300 kB\n")],
            "other processes in the cgroup have the rest",
            Confidence::Medium,
        ),
        (&[max, current, ("cgroup.memory.stat", "file 200000000\n")], "is page cache", Confidence::Medium),
        (
            &[max, current, ("cgroup.memory.stat", "file 200000000\nshmem 190000000\n")],
            "shared memory or files on tmpfs",
            Confidence::High,
        ),
        (
            &[max, current, ("cgroup.memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n")],
            "nothing there is killed",
            Confidence::High,
        ),
        (&[max, current], "the kernel will kill a process in it", Confidence::Medium),
    ];
    for (files, want, confidence) in cases {
        let verdict = built_in(&near(files));
        assert!(verdict.probable_cause.contains(want), "{files:?}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{files:?}");
    }
}
