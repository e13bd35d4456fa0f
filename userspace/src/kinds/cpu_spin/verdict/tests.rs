//! The cause follows the mode, the confidence the past; the words are golden.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::super::tests::{spin, spinning};
use super::super::{CpuPast, Spin, detect};
use super::*;
use crate::config::DetectLimits;
use crate::kinds::case::Draft;
use crate::kinds::fixture::{case_of, healthy, judged};
use crate::model::ProcessInfo;
use crate::observation::{IoCounts, ThreadLook};

const WINDOW: Duration = Duration::from_secs(1800);
/// Nothing is known of what it did before.
const YOUNG: CpuPast = CpuPast { age: Duration::ZERO, cpu: Duration::ZERO, queued: Duration::ZERO };
const IDLE: CpuPast = CpuPast { age: Duration::from_secs(7200), ..YOUNG };

/// As the detector finds it: a thread with this share in the kernel, in percent.
fn draft(tid: u32, kernel: u64, empty_calls: u64, past: CpuPast) -> Draft {
    let first = ThreadLook { tid, ..spinning(0) };
    let now = spinning(WINDOW.as_secs());
    let ticks = now.user_ticks - first.user_ticks;
    let now = ThreadLook {
        tid,
        comm: b"net (tid 7)"[..].into(),
        user_ticks: first.user_ticks + ticks * (100 - kernel) / 100,
        system_ticks: first.system_ticks + ticks * kernel / 100,
        io: first.io.map(|io| IoCounts { calls: io.calls + empty_calls, ..io }),
        ..now
    };
    let first = ThreadLook { comm: now.comm.clone(), ..first };
    let spin = Spin { past, ..spin(&first, &now, WINDOW) };
    detect(&healthy().process, &[spin], &DetectLimits::default()).unwrap()
}

fn found(tid: u32, kernel: u64, empty_calls: u64, past: CpuPast) -> CaseFile {
    case_of(&draft(tid, kernel, empty_calls, past))
}

/// A process that was idle, and loops since half an hour.
pub(in crate::kinds::cpu_spin) fn sample() -> (ProcessInfo, Draft) {
    (healthy().process, draft(13674, 0, 0, IDLE))
}

fn check(file: &CaseFile, want: &Expect) {
    want.assert_eq(&judged(file));
}

#[test]
fn a_loop_in_python() {
    check(
        &found(13674, 0, 0, IDLE),
        &expect![[r#"
            python3 (pid 13674) has run without a pause for 30 min (100 % of a core) without visible progress.
            python3 (pid 13674) is in an endless loop in its own code: a condition that never becomes true, a structure that points to itself, a runaway regular expression, or a lock it spins on.
            Medium, by F1 F2 F3 F4 F5
            ? Computing is its job: a simulation or a search without output looks the same from outside [F1 F2 F3 F4 F5]
            ? It polls by design, as packet and storage engines in user space do (DPDK, SPDK) [F1 F2 F3 F4 F5]
            - Where python3 is, as its own runtime shows it
              $ py-spy dump --pid 13674
            - Where it runs, sampled three times: the same functions mean a loop
              $ for i in 1 2 3; do gdb -p 13674 -batch -ex 'thread apply all bt 12' 2>/dev/null | grep -A 12 'LWP 13674)'; sleep 1; done
            - Which functions it runs, by sampling
              $ perf record -g -t 13674 -- sleep 5 && perf report --stdio | head -60
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        "#]],
    );
}

#[test]
fn a_loop_through_the_kernel_in_a_service() {
    let mut file = found(13680, 65, 0, YOUNG);
    file.process.exe = Some("/usr/sbin/worker".into());
    file.process.cgroup = Some("/system.slice/worker.service".into());
    check(
        &file,
        &expect![[r#"
            python3 (pid 13674) has run without a pause for 30 min (100 % of a core) without visible progress.
            python3 (pid 13674) makes system calls in a loop without waiting: a poll with a zero timeout, a retry without a pause, or a lock that is tried again and again. No data moves.
            Low, by F1 F2 F3 F4 F5
            ? Computing is its job: a simulation or a search without output looks the same from outside [F1 F2 F3 F4 F5]
            ? It handles so many messages over sockets that it never has to wait: the kernel does not count bytes on sockets [F1 F2 F3 F4 F5]
            - Where it runs, sampled three times: the same functions mean a loop
              $ for i in 1 2 3; do gdb -p 13674 -batch -ex 'thread apply all bt 12' 2>/dev/null | grep -A 12 'LWP 13680)'; sleep 1; done
            - Which system calls it makes, and which fail
              $ timeout 5 strace -c -p 13680
            - Which functions it runs, by sampling
              $ perf record -g -t 13680 -- sleep 5 && perf report --stdio | head -60
            - What its supervisor reports: result, restarts, limits
              $ systemctl status --no-pager -l worker.service
        "#]],
    );
}

#[test]
fn a_read_that_never_waits() {
    let mut file = found(13674, 65, 4_000_000, IDLE);
    file.process.exe = Some("/opt/jdk/bin/java".into());
    check(
        &file,
        &expect![[r#"
            python3 (pid 13674) has run without a pause for 30 min (100 % of a core) without visible progress.
            python3 (pid 13674) calls read or write again and again without moving any data: it repeats the call at once after "try again" (EAGAIN) or the end of a file, instead of waiting in poll or epoll.
            Medium, by F1 F2 F3 F4 F5 F6
            ? Computing is its job: a simulation or a search without output looks the same from outside [F1 F2 F3 F4 F5 F6]
            ? The other end of a connection is gone, and the program does not notice [F1 F2 F3 F4 F5 F6]
            - Where python3 is, as its own runtime shows it
              $ jstack 13674 | head -200
            - Where it runs, sampled three times: the same functions mean a loop
              $ for i in 1 2 3; do gdb -p 13674 -batch -ex 'thread apply all bt 12' 2>/dev/null | grep -A 12 'LWP 13674)'; sleep 1; done
            - Which system calls it makes, and which fail
              $ timeout 5 strace -c -p 13674
            - Which functions it runs, by sampling
              $ perf record -g -t 13674 -- sleep 5 && perf report --stdio | head -60
        "#]],
    );
}
