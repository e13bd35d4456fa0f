//! The verdicts on what grows: memory, descriptors, threads, families of processes.

use super::*;
use crate::kinds::fixture::facts;

fn grows(kind: IncidentKind, summary: &str, stated: &[(&str, &str)]) -> CaseFile {
    let mut file = found(kind, summary);
    file.facts = facts(stated);
    let ids: Vec<_> = file.facts.iter().map(|fact| fact.id.clone()).collect();
    file.findings[0].facts = ids;
    file
}

#[test]
fn a_heap_that_grows_in_a_limited_cgroup() {
    let mut file = grows(
        IncidentKind::MemoryGrowth,
        "python3 (pid 13674) grows steadily: by 100.0 MiB in 10 min, 10.0 MiB a minute; what is left lasts 10 min.",
        &[
            ("scan:history", "its anonymous memory grew"),
            ("cgroup:memory", "the memory limit of /oomtest leaves 100 MiB"),
        ],
    );
    file.evidence = vec![
        frozen("status", "VmRSS:\t  230000 kB\nRssAnon:\t 220000 kB\nThreads:\t4\n"),
        frozen("cgroup.memory.max", "268435456\n"),
    ];
    check(
        &file,
        &expect![[r#"
        python3 (pid 13674) grows steadily: by 100.0 MiB in 10 min, 10.0 MiB a minute; what is left lasts 10 min.
        python3 (pid 13674) grows steadily and gives nothing back: objects that are kept and never used again. 95 % of what is resident is anonymous, 214 MiB in all, so it is its own heap and no file cache. It will meet its limit soon: restarting it now, in order, is better than a kill then.
        Medium, by F1 F2
        ? A cache without a bound, or one that is larger than the machine: then it levels off, or would with more memory [F1]
        ? More work than usual: python3 holds what it is given, and shrinks when the work is done [F1]
        - Where the memory is: the largest mappings; [heap] and nameless ones are the program's own
          $ awk '/^[0-9a-f]+-/ {name=$6} /^Anonymous:/ {kb[name]+=$2} END {for (n in kb) print kb[n], "kB", n==""?"(nameless)":n}' /proc/13674/smaps | sort -rn | head
        - Who allocates it: the stacks of what was not freed in 30 s (bcc's memleak)
          $ timeout 40 memleak-bpfcc -p 13674 --top 10 30 1 || timeout 40 memleak -p 13674 --top 10 30 1
        - The cgroup's limit, use and OOM count
          $ grep -sH '' /sys/fs/cgroup/oomtest/memory.{max,high,current,peak,events}
    "#]],
    );
    file.evidence[0] = frozen("status", "VmRSS:\t 1 kB\nThreads:\t900\n");
    assert!(judge(&file).probable_cause.contains("900 threads, and every one has a stack"));
    file.evidence.clear();
    assert_eq!(judge(&file).confidence, Confidence::Low);
}

#[test]
fn descriptors_that_grow() {
    let mut file = grows(
        IncidentKind::FdExhaustion,
        "python3 (pid 13674) opens file descriptors and does not close them: from 100 to 400 in 9 min.",
        &[("scan:history", "open descriptors grew"), ("proc:fd", "the newest 512 are 500 sockets, 12 pipes")],
    );
    file.evidence.push(frozen("fd", "0 /dev/null\n1 socket:[1]\n2 socket:[2]\n3 socket:[3]\n"));
    check(
        &file,
        &expect![[r#"
        python3 (pid 13674) opens file descriptors and does not close them: from 100 to 400 in 9 min.
        python3 (pid 13674) opens more files all the time, towards its limit of 1024, and 75 % of them are sockets: it opens them and does not close them. At the limit open(), accept() and socket() fail with EMFILE ("Too many open files").
        High, by F1 F2
        ? python3 leaks descriptors on an error path: the count grows with failures, not with load [F2]
        ? The limit is too small for the load; then the count follows the number of connections [F2]
        - What is open, by kind, the most frequent first
          $ ls -l /proc/13674/fd | sed -n 's/.* -> //p' | sed 's/:\[[0-9]*\]//' | sort | uniq -c | sort -rn | head -20
        - Its connections by state; many CLOSE-WAIT: the peer hung up and it does not close
          $ ss -tanp | grep 'pid=13674,' | awk '{print $1}' | sort | uniq -c
        - To win time while it runs: a higher limit, without a restart
          $ prlimit --pid 13674 --nofile=4096:4096
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
    "#]],
    );
}

#[test]
fn threads_that_do_not_end() {
    let mut file = grows(
        IncidentKind::ThreadExplosion,
        "python3 (pid 13674) starts threads that do not end: from 20 to 120 in 9 min.",
        &[("proc:stat", "it has 120 threads"), ("scan:history", "they grew from 20 to 120")],
    );
    file.evidence = vec![frozen("status", "Threads:\t120\n"), frozen("cgroup.memory.max", "max\n")];
    check(
        &file,
        &expect![[r#"
        python3 (pid 13674) starts threads that do not end: from 20 to 120 in 9 min.
        python3 (pid 13674) starts threads that do not end (120 now): one for each task or connection, and the tasks wait, most often all for the same lock, server or pool. At the limit pthread_create() and fork() fail with EAGAIN ("Resource temporarily unavailable").
        Medium, by F1 F2
        ? The limit (pids.max, TasksMax, RLIMIT_NPROC) is too small for the load [F1 F2]
        ? What python3 waits for has become slow: then threads pile up without any fault of its own [F1 F2]
        - Its threads by name and by what they wait for
          $ ps -L -p 13674 -o comm=,wchan:32= | sort | uniq -c | sort -rn | head -20
        - Where they wait in its own code
          $ timeout 20 jstack 13674 || gdb -p 13674 -batch -ex 'thread apply all bt 8' | head -200
        - Its limits on tasks: the cgroup's, the user's, the host's
          $ grep -sH '' /sys/fs/cgroup/oomtest/pids.{max,current,events}; grep processes /proc/13674/limits; cat /proc/sys/kernel/{threads-max,pid_max}
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
    "#]],
    );
    file.facts.truncate(1);
    file.findings[0].facts.truncate(1);
    let verdict = judge(&file);
    assert!(verdict.probable_cause.contains("the limit is too small, or they piled up before"));
    assert_eq!(verdict.confidence, Confidence::Low);
}

#[test]
fn a_fork_bomb_whose_first_shell_has_ended() {
    let mut file = grows(
        IncidentKind::ForkStorm,
        "bash (pid 13674) and what it started fill pids.max of /bomb (100 of 100 tasks): the kernel refuses every \
         further fork.",
        &[
            ("proc:stat", "it and what it started are 95 live processes with 95 threads, 95 of them bash"),
            ("cgroup:pids", "pids.max of /bomb is 100, and 100 tasks count against it"),
            ("cgroup:pids.events", "the kernel refused 40 forks by pids.max of /bomb since the scan before"),
            (
                "proc:stat",
                "they are process group 77, whose leader has ended; the process named is its oldest",
            ),
        ],
    );
    file.process.name = "bash".into();
    file.evidence.push(frozen("cgroup.memory.limit_in_bytes", "9223372036854771712\n"));
    check(
        &file,
        &expect![[r#"
        bash (pid 13674) and what it started fill pids.max of /bomb (100 of 100 tasks): the kernel refuses every further fork.
        bash (pid 13674) is one of many shells that start each other and end, as a fork bomb's do: a function or a script that calls itself in the background. The limit is reached: nothing else under it can start a process, a shell to repair it included.
        High, by F1 F2 F3 F4
        ? A batch job that is meant to be like this, with too much at once: then it ends by itself [F1 F4]
        ? The limit is too small for what bash is meant to run [F2 F3]
        - To stop all of them at once, and look; -KILL in place of -STOP ends them
          $ kill -STOP -- -77
        - Who they are: the most frequent command lines
          $ ps -eo pgid=,args= | awk '$1 == 77' | sort | uniq -c | sort -rn | head
        - Its limits on tasks: the cgroup's, the user's, the host's
          $ grep -sH '' /sys/fs/cgroup/pids"$(sed -n 's/^[0-9]*:pids://p' /proc/13674/cgroup)"/pids.{max,current,events}; grep processes /proc/13674/limits; cat /proc/sys/kernel/{threads-max,pid_max}
    "#]],
    );
}

#[test]
fn a_parent_that_starts_and_never_waits() {
    let file = grows(
        IncidentKind::ForkStorm,
        "python3 (pid 13674) starts processes that do not end: from 400 to 700 in 5 min.",
        &[("proc:stat", "it and what it started are 700 live processes with 700 threads, 699 of them sleep")],
    );
    check(
        &file,
        &expect![[r#"
        python3 (pid 13674) starts processes that do not end: from 400 to 700 in 5 min.
        python3 (pid 13674) starts processes and does not wait for them to end: a retry without a pause, a job for every request, or one that starts itself. When the limit is reached, nothing under it can start a process any more.
        Medium, by F1
        ? A batch job that is meant to be like this, with too much at once: then it ends by itself [F1]
        ? The limit is too small for what python3 is meant to run [F1]
        - To stop it without killing it yet: it starts no more; then its children, parents first
          $ kill -STOP 13674 && pkill -STOP -P 13674
        - Who they are: the most frequent command lines
          $ ps --ppid 13674 -o args= | sort | uniq -c | sort -rn | head; pstree -sp 13674 | head -5
        - Its limits on tasks: the cgroup's, the user's, the host's
          $ grep -sH '' /sys/fs/cgroup/oomtest/pids.{max,current,events}; grep processes /proc/13674/limits; cat /proc/sys/kernel/{threads-max,pid_max}
    "#]],
    );
}
