//! What is said of each sign, and the cause it names, whatever the names say.

use expect_test::{Expect, expect};

use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture::{case_about, golden};

fn told(mut it: It, change: impl Fn(&mut It), want: &Expect) {
    change(&mut it);
    want.assert_eq(&golden(&it.process, &draft(&it).unwrap()));
}

#[test]
fn each_statement_in_words() {
    let memory = |it: &mut It| {
        seen(it, "/memfd:\x1b[2Jx (deleted)", true);
        it.process.argv = vec!["[kworker/0:1]".into()];
    };
    told(
        it("/proc/self/fd/3", &["x"]),
        memory,
        &expect![[r#"
            Critical 3 runs from memory, without a file and poses as a kernel thread.
            - it runs from memory: its executable is the memfd �[2Jx, not a file (proc:exe)
              {"memfd":"\u001b[2Jx","type":"exec_from_memory"}
            - it is named 3 (argv[0] [kworker/0:1]), as only kernel threads are, but it is a user-space program (kernel:sched_process_exec)
              {"argv0":"[kworker/0:1]","name":"3","type":"exec_named_as_kernel_thread"}
            - it was started from /proc/self/fd/3 as user 0 by bash (pid 7) (kernel:sched_process_exec)
              {"parent":{"name":"bash","pid":7},"path":"/proc/self/fd/3","type":"exec_started","uid":0}
        "#]],
    );
    let gone = |it: &mut It| {
        (it.process.name, it.process.argv, it.look) = ("kswapd0".into(), Vec::new(), None);
        (it.process.uid, it.process.exe) = (None, None);
    };
    told(
        it("/opt/x", &[]),
        gone,
        &expect![[r#"
        Warning kswapd0 poses as a kernel thread.
        - it is named kswapd0 (argv[0] not known), as only kernel threads are, but it is a user-space program (kernel:sched_process_exec)
          {"argv0":null,"name":"kswapd0","type":"exec_named_as_kernel_thread"}
        - it was started by bash (pid 7) (kernel:sched_process_exec)
          {"parent":{"name":"bash","pid":7},"path":null,"type":"exec_started","uid":null}
        - it ended before it could be examined: only the kernel's record of the exec is known (monitor:process)
          {"type":"exec_unseen"}
    "#]],
    );
    told(
        it("/opt/x", &[]),
        |it| seen(it, "/opt/x y (deleted)", true),
        &expect![[r#"
        Warning x runs from a deleted file.
        - its executable /opt/x y was deleted right after it started, and nothing took its place (proc:exe)
          {"path":"/opt/x y","type":"exec_file_deleted"}
        - it was started from /opt/x as user 0 by bash (pid 7) (kernel:sched_process_exec)
          {"parent":{"name":"bash","pid":7},"path":"/opt/x","type":"exec_started","uid":0}
    "#]],
    );
    let place = |it: &mut It| {
        it.parent = "php-fpm8.2";
        it.look.as_mut().unwrap().owner = Some(1000);
    };
    told(
        it("/dev/shm/.x", &["x"]),
        place,
        &expect![[r#"
        Critical .x was run from a world-writable folder.
        - it was run from /dev/shm, which is world-writable (kernel:sched_process_exec)
          {"folder":"/dev/shm","type":"exec_from_open_folder"}
        - the file belongs to user 1000, who can change what root runs (monitor:process)
          {"type":"exec_file_owner","uid":1000}
        - its name is hidden (monitor:process)
          {"type":"exec_name_hidden"}
        - programs do not belong in /dev/shm: it is emptied at the next boot (monitor:process)
          {"type":"exec_from_shared_memory"}
        - php-fpm8.2 is a network service and seldom starts programs (monitor:process)
          {"service":"php-fpm8.2","type":"exec_by_network_service"}
        - it was started from /dev/shm/.x as user 0 by php-fpm8.2 (pid 7) (kernel:sched_process_exec)
          {"parent":{"name":"php-fpm8.2","pid":7},"path":"/dev/shm/.x","type":"exec_started","uid":0}
    "#]],
    );
    let on = |stdin| move |it: &mut It| it.look.as_mut().unwrap().stdin = Some(stdin);
    for (stdin, want) in [
        (
            Stdin::Network,
            expect![[r#"
            Critical sh is a shell that takes its commands from a socket.
            - its standard input is a network socket: it takes its commands from there (proc:fd)
              {"socket":"network","type":"exec_shell_on_socket"}
            - it was started from /bin/sh as user 0 by bash (pid 7) (kernel:sched_process_exec)
              {"parent":{"name":"bash","pid":7},"path":"/bin/sh","type":"exec_started","uid":0}
        "#]],
        ),
        (
            Stdin::Local,
            expect![[r#"
            Info sh is a shell that takes its commands from a socket.
            - its standard input is a local socket: it takes its commands from there (proc:fd)
              {"socket":"local","type":"exec_shell_on_socket"}
            - it was started from /bin/sh as user 0 by bash (pid 7) (kernel:sched_process_exec)
              {"parent":{"name":"bash","pid":7},"path":"/bin/sh","type":"exec_started","uid":0}
        "#]],
        ),
        (
            Stdin::OtherSocket,
            expect![[r#"
            Warning sh is a shell that takes its commands from a socket.
            - its standard input is a socket that is neither local nor an internet socket: it takes its commands from there (proc:fd)
              {"socket":"other_family","type":"exec_shell_on_socket"}
            - it was started from /bin/sh as user 0 by bash (pid 7) (kernel:sched_process_exec)
              {"parent":{"name":"bash","pid":7},"path":"/bin/sh","type":"exec_started","uid":0}
        "#]],
        ),
    ] {
        told(it("/bin/sh", &["sh", "-i"]), on(stdin), &want);
    }
}

/// From the exec to the cause, whatever the names say.
#[test]
fn the_cause_is_that_of_the_most_telling_sign() {
    let memory: fn(&mut It) = |it| seen(it, "/memfd:its standard input is a network socket (deleted)", true);
    let deleted: fn(&mut It) = |it| seen(it, "/opt/it runs from memory (deleted)", true);
    let posing: fn(&mut It) = |it| it.process.argv = vec!["[kworker/0:1]".into()];
    let network: fn(&mut It) = |it| it.look.as_mut().unwrap().stdin = Some(Stdin::Network);
    let local: fn(&mut It) = |it| it.look.as_mut().unwrap().stdin = Some(Stdin::Local);
    let both: fn(&mut It) = |it| {
        seen(it, "/opt/x (deleted)", true);
        it.process.name = "kswapd0".into();
    };
    for (exe, change, want) in [
        ("/proc/self/fd/3", memory, "was loaded into memory"),
        ("/opt/x", deleted, "runs from a file that was deleted"),
        ("/opt/x", posing, "gives itself the name of a kernel thread"),
        ("/bin/sh", network, "is a shell whose commands come over the network"),
        ("/bin/sh", local, "is a shell that takes its commands from a socket"),
        ("/tmp/.it is named ", |_| {}, "was run from a world-writable folder"),
        ("/opt/x", both, "gives itself the name of a kernel thread"),
    ] {
        for parent in ["bash", "its standard input is ", "\x1b[2J: it runs from memory"] {
            let mut it = it(exe, &["x"]);
            (it.process.cgroup, it.parent) = (None, parent);
            change(&mut it);
            let verdict = built_in(&case_about(&it.process, &draft(&it).unwrap()));
            assert!(verdict.probable_cause.contains(want), "{exe}: {}", verdict.probable_cause);
        }
    }
}
