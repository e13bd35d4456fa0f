//! The cause follows the mode, the confidence the past; the words are golden.

use expect_test::expect;

use super::super::tests::check;
use super::*;
use crate::kinds::fixture::{facts, found};
use crate::model::IncidentKind;

fn spin(mode: &str, more: &[(&str, &str)]) -> CaseFile {
    let mut file = found(IncidentKind::CpuSpin, "worker (pid 13674) spins");
    let mut all =
        vec![("proc:stat", "its main thread was ready to run at each of 60 looks"), ("proc:stat", mode)];
    all.push(("proc:io", "it read and wrote no byte meanwhile, neither files, pipes nor storage"));
    all.extend_from_slice(more);
    file.facts = facts(&all);
    file
}

const USER: &str = "of that, 100 % in user mode and 0 % in the kernel";
const KERNEL: &str = "of that, 35 % in user mode and 65 % in the kernel";
const NEW: (&str, &str) = ("proc:stat", "in the 2 h before, it used 0 % of a core: this is new");

#[test]
fn a_loop_in_python() {
    check(
        &spin(USER, &[NEW]),
        &expect![[r#"
        worker (pid 13674) spins
        python3 (pid 13674) runs in a loop of its own code that does not end: a condition that never comes true, a structure that points to itself, a regular expression that runs away, or a lock it spins on.
        Medium, by F1 F3
        ? It computes, and that is its work: a simulation or a search without output looks the same from outside [F1 F2 F3 F4]
        ? It polls by design, as packet and storage engines in user space do (DPDK, SPDK) [F1 F2 F3 F4]
        - Where python3 is, in its own words
          $ py-spy dump --pid 13674
        - Where it runs, three times: the same functions mean a loop
          $ for i in 1 2 3; do gdb -p 13674 -batch -ex 'thread apply all bt 12' 2>/dev/null | grep -A 12 'LWP 13674)'; sleep 1; done
        - What it runs, by samples
          $ perf record -g -t 13674 -- sleep 5 && perf report --stdio | head -60
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
    "#]],
    );
}

#[test]
fn a_loop_through_the_kernel_in_a_service() {
    let mut file = spin(KERNEL, &[]);
    file.process.exe = Some("/usr/sbin/worker".into());
    file.process.cgroup = Some("/system.slice/worker.service".into());
    file.facts[0].data = "its thread net (tid 7) (tid 13680) was ready to run at each of 60 looks".into();
    check(
        &file,
        &expect![[r#"
        worker (pid 13674) spins
        python3 (pid 13674) makes system calls in a loop without waiting: a poll with no time-out, a retry without a pause, or a lock that is tried again and again. No bytes come of it.
        Low, by F1 F3
        ? It computes, and that is its work: a simulation or a search without output looks the same from outside [F1 F2 F3]
        ? It serves so many messages over sockets that it never has to wait: the kernel does not count their bytes [F1 F2 F3]
        - Where it runs, three times: the same functions mean a loop
          $ for i in 1 2 3; do gdb -p 13674 -batch -ex 'thread apply all bt 12' 2>/dev/null | grep -A 12 'LWP 13680)'; sleep 1; done
        - Which system calls it makes, and which fail
          $ timeout 5 strace -c -p 13680
        - What it runs, by samples
          $ perf record -g -t 13680 -- sleep 5 && perf report --stdio | head -60
        - How its supervisor sees it: result, restarts, limits
          $ systemctl status --no-pager -l worker.service
    "#]],
    );
}

#[test]
fn a_read_that_never_waits() {
    let mut file =
        spin(KERNEL, &[("proc:io", "it made 4000000 calls to read or write, and none moved a byte"), NEW]);
    file.process.exe = Some("/opt/jdk/bin/java".into());
    check(
        &file,
        &expect![[r#"
        worker (pid 13674) spins
        python3 (pid 13674) calls read or write again and again, and nothing comes of it: it takes "try again" (EAGAIN) or the end of a file for something to repeat at once, without waiting in poll or epoll.
        Medium, by F1 F3 F4
        ? It computes, and that is its work: a simulation or a search without output looks the same from outside [F1 F2 F3 F4 F5]
        ? The other end of a connection is gone, and the program does not notice [F1 F2 F3 F4 F5]
        - Where python3 is, in its own words
          $ jstack 13674 | head -200
        - Where it runs, three times: the same functions mean a loop
          $ for i in 1 2 3; do gdb -p 13674 -batch -ex 'thread apply all bt 12' 2>/dev/null | grep -A 12 'LWP 13674)'; sleep 1; done
        - Which system calls it makes, and which fail
          $ timeout 5 strace -c -p 13674
        - What it runs, by samples
          $ perf record -g -t 13674 -- sleep 5 && perf report --stdio | head -60
    "#]],
    );
}
