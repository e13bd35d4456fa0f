//! The verdicts on fork storms.

use expect_test::expect;

use crate::kinds::fixture::{self, frozen};
use crate::kinds::fork_storm::tests::{bomb, runaway};

#[test]
fn a_fork_bomb_whose_first_shell_has_ended() {
    let mut file = fixture::case_of(&bomb());
    file.process.name = "bash".into();
    file.evidence.push(frozen("cgroup.memory.limit_in_bytes", "9223372036854771712\n"));
    expect![[r#"
        bash (pid 13674) and its descendants fill pids.max of /app (100 of 100 tasks): the kernel refuses every further fork.
        bash (pid 13674) is one of many shells that start each other and exit, like a fork bomb: a function or a script that calls itself in the background. The limit is reached: nothing else under it can start a process, not even a shell to repair it.
        High, by F1 F2 F3 F4 F5 F6
        ? A batch job that is intended to do this, with too much at once: then it ends by itself [F1 F2 F6]
        ? The limit is too low for what bash is intended to run [F3 F4]
        - To pause all of them at once and examine them; -KILL instead of -STOP ends them
          $ kill -STOP -- -77
        - What they are: the most frequent command lines
          $ ps -eo pgid=,args= | awk '$1 == 77' | sort | uniq -c | sort -rn | head
        - Its limits on tasks: the cgroup's, the user's, the host's
          $ grep -sH '' /sys/fs/cgroup/pids"$(sed -n 's/^[0-9]*:pids://p' /proc/13674/cgroup)"/pids.{max,current,events}; grep processes /proc/13674/limits; cat /proc/sys/kernel/{threads-max,pid_max}
    "#]]
    .assert_eq(&fixture::judged(&file));
}

#[test]
fn a_parent_that_starts_and_never_waits() {
    let file = fixture::case_of(&runaway());
    expect![[r#"
        python3 (pid 13674) and its descendants are 400 processes and grow on every scan: pids.max of /app (700) is full in 29.5 s.
        python3 (pid 13674) starts processes without waiting for them to end: a retry without a pause, a job for every request, or a program that starts itself. Once the limit is reached, nothing under it can start a process.
        Medium, by F1 F2 F3 F4
        ? A batch job that is intended to do this, with too much at once: then it ends by itself [F1 F2 F4]
        ? The limit is too low for what python3 is intended to run [F3]
        - To pause it without killing it: it starts no more processes; then its children, parents first
          $ kill -STOP 13674 && pkill -STOP -P 13674
        - What they are: the most frequent command lines
          $ ps --ppid 13674 -o args= | sort | uniq -c | sort -rn | head; pstree -sp 13674 | head -5
        - Its limits on tasks: the cgroup's, the user's, the host's
          $ grep -sH '' /sys/fs/cgroup/oomtest/pids.{max,current,events}; grep processes /proc/13674/limits; cat /proc/sys/kernel/{threads-max,pid_max}
    "#]]
    .assert_eq(&fixture::judged(&file));
}
