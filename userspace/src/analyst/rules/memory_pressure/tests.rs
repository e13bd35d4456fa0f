//! The host's own shortage, with and without a process that grew; golden.

use expect_test::expect;

use super::super::tests::check;
use super::*;
use crate::kinds::fixture::{facts, found};
use crate::model::IncidentKind;

fn shortage(largest: &str) -> CaseFile {
    let mut file =
        found(IncidentKind::MemoryPressure, "The host has 20.0 MiB of its 1000.0 MiB of memory left.");
    file.process.cgroup = None;
    file.facts = facts(&[
        (
            "proc:meminfo",
            "20.0 MiB of the host's 1000.0 MiB of memory are available, page cache included; it has no swap",
        ),
        ("scan", "it was like that for 3 scans in a row"),
        ("proc:stat", largest),
    ]);
    file
}

#[test]
fn a_host_that_a_process_fills() {
    let largest = "python3 (pid 13674) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min";
    check(
        &shortage(largest),
        &expect![[r#"
        The host has 20.0 MiB of its 1000.0 MiB of memory left.
        The host has too little memory left, and the process that grew most lately: python3 (pid 13674) holds 700.0 MiB resident, 512.0 MiB of them in the last 2 min.
        Medium, by F1
        ? Many small processes hold it together: more workers or jobs than the host has room for [F3]
        ? It is no process's: tmpfs files, shared memory, or the kernel's own (Shmem and SUnreclaim in /proc/meminfo) [F1]
        - How much memory the host has left, and who has the rest
          $ free -m; ps -eo pid,rss,comm --sort=-rss | head
        - Whether it stalls now, and what the memory is
          $ grep . /proc/pressure/memory; grep -E 'MemA|Swap|Shmem:|Slab|SUnr|Dirty|HugePages_T' /proc/meminfo
        - What the memory of the named process is: heap, mapped files, shared memory
          $ cat /proc/13674/smaps_rollup
        - Whom the OOM killer would choose: the highest score first
          $ for p in /proc/[0-9]*; do echo "$(cat $p/oom_score) ${p#/proc/} $(cat $p/comm)"; done 2>/dev/null | sort -rn | head
    "#]],
    );
}

#[test]
fn a_host_that_is_too_small() {
    check(
        &shortage("python3 (pid 13674) holds 70.0 MiB resident"),
        &expect![[r#"
        The host has 20.0 MiB of its 1000.0 MiB of memory left.
        The host has too little memory left for what runs on it; no process grew much lately. The largest is python3 (pid 13674).
        Low, by F1
        ? Many small processes hold it together: more workers or jobs than the host has room for [F3]
        ? It is no process's: tmpfs files, shared memory, or the kernel's own (Shmem and SUnreclaim in /proc/meminfo) [F1]
        - How much memory the host has left, and who has the rest
          $ free -m; ps -eo pid,rss,comm --sort=-rss | head
        - Whether it stalls now, and what the memory is
          $ grep . /proc/pressure/memory; grep -E 'MemA|Swap|Shmem:|Slab|SUnr|Dirty|HugePages_T' /proc/meminfo
        - What the memory of the named process is: heap, mapped files, shared memory
          $ cat /proc/13674/smaps_rollup
        - Whom the OOM killer would choose: the highest score first
          $ for p in /proc/[0-9]*; do echo "$(cat $p/oom_score) ${p#/proc/} $(cat $p/comm)"; done 2>/dev/null | sort -rn | head
    "#]],
    );
}
