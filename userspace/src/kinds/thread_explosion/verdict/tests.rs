//! The verdicts on threads.

use expect_test::expect;

use crate::analyst::built_in;
use crate::kinds::fixture::{self, frozen};
use crate::kinds::thread_explosion::tests::{leak, limit, look};
use crate::model::Confidence;

#[test]
fn threads_that_do_not_end() {
    let mut file = fixture::case_of(&leak());
    file.evidence = vec![frozen("cgroup.memory.max", "max\n")];
    expect![[r#"
        python3 (pid 13674) starts threads that do not end: from 20 to 120 in 9 min; its limit is reached in 9 min.
        python3 (pid 13674) starts threads that do not end (120 now): one for each task or connection, and they wait, most often all for the same lock, server or pool. At the limit pthread_create() and fork() fail with EAGAIN ("Resource temporarily unavailable").
        Medium, by F1 F2 F3 F4
        ? The limit (pids.max, TasksMax, RLIMIT_NPROC) is too low for the load [F2]
        ? What python3 waits for has become slow: then threads pile up without a fault in the program [F1 F3 F4]
        - Its threads by name and by what they wait for
          $ ps -L -p 13674 -o comm=,wchan:32= | sort | uniq -c | sort -rn | head -20
        - Where they wait in the program's own code
          $ timeout 20 jstack 13674 || gdb -p 13674 -batch -ex 'thread apply all bt 8' | head -200
        - Its limits on tasks: the cgroup's, the user's, the host's
          $ grep -sH '' /sys/fs/cgroup/oomtest/pids.{max,current,events}; grep processes /proc/13674/limits; cat /proc/sys/kernel/{threads-max,pid_max}
        - Recent log output
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
    "#]]
    .assert_eq(&fixture::judged(&file));
    let near = fixture::case_of(&look(90, &[], Some(&limit(100, 100)), 2).unwrap());
    let verdict = built_in(&near);
    assert!(verdict.probable_cause.contains("the limit is too low, or they piled up earlier"));
    assert_eq!(verdict.confidence, Confidence::Low);
}
