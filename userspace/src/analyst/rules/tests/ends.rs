//! Ends that are no crashes, and loops of them.

use expect_test::expect;

use super::check;
use crate::kinds::fixture::{facts, finding, healthy};
use crate::model::{CaseFile, IncidentKind};

const EXIT: &str = "kernel:sched_process_exit";

fn ended(kind: IncidentKind, summary: &str, statements: &[(&str, &str)]) -> CaseFile {
    let ids: Vec<_> = (1..=statements.len()).map(|n| format!("F{n}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    CaseFile {
        findings: vec![finding(kind, summary, &ids)],
        facts: facts(statements),
        evidence: vec![],
        ..healthy()
    }
}

fn abnormal(cause: &str) -> CaseFile {
    let mut file = ended(
        IncidentKind::AbnormalExit,
        &format!("python3, a supervised process, ended by {cause} after 3.2 s."),
        &[
            (EXIT, &format!("ended by {cause} after living 3.2 s")),
            ("monitor:process", "it is supervised: systemd (pid 1) started it"),
        ],
    );
    file.process.cgroup = Some("/system.slice/api.service".into());
    file
}

#[test]
fn a_service_that_ended_with_a_status() {
    check(
        &abnormal("exit status 1"),
        &expect![[r#"
        python3, a supervised process, ended by exit status 1 after 3.2 s.
        python3 ended with status 1: it decided to end itself, and its last lines of log usually say why.
        Low, by F1 F2
        ? Its configuration, or a deployment, was changed just before [F1]
        ? Something it needs, such as a database, a port, a file or a disk with room, was not there [F1]
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u api.service
        - How its supervisor sees it: result, restarts, limits
          $ systemctl status --no-pager -l api.service
        - Whether the program was replaced just before
          $ ls -l --time-style=full-iso -- /usr/bin/python3
    "#]],
    );
}

#[test]
fn a_service_whose_program_is_not_there() {
    check(
        &abnormal("exit status 203"),
        &expect![[r#"
        python3, a supervised process, ended by exit status 203 after 3.2 s.
        python3 ended with status 203: systemd ends a service so before its program begins: its program is not there or cannot be executed (203/EXEC).
        Medium, by F1 F2
        ? Its configuration, or a deployment, was changed just before [F1]
        ? Something it needs, such as a database, a port, a file or a disk with room, was not there [F1]
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u api.service
        - How its supervisor sees it: result, restarts, limits
          $ systemctl status --no-pager -l api.service
        - Whether the program was replaced just before
          $ ls -l --time-style=full-iso -- /usr/bin/python3
    "#]],
    );
}

#[test]
fn a_containers_first_process_that_was_killed() {
    let mut file = abnormal("SIGKILL (signal 9)");
    let id = "ab".repeat(32);
    let pod = "8a3c1f2e-77b0-4c0e-9a51-0d7c5a3b9e11";
    file.process.cgroup = Some(format!("/kubepods/burstable/pod{pod}/{id}"));
    (file.process.container_id, file.process.pod_uid) = (Some(id), Some(pod.to_owned()));
    check(
        &file,
        &expect![[r#"
        python3, a supervised process, ended by SIGKILL (signal 9) after 3.2 s.
        Somebody killed python3 with SIGKILL, and the kernel's OOM killer did not: most often a supervisor whose stop or health check timed out, a memory guard such as systemd-oomd, or a person.
        Medium, by F1 F2
        ? A deployment, a restart or a person stopped it, without the patience it needs to end [F1]
        - What it said last
          $ crictl logs --tail 100 abababababab
        - How its supervisor sees it: result, restarts, limits
          $ crictl inspect abababababab
        - Which pod it is; then kubectl describe and kubectl logs --previous
          $ kubectl get pods -A -o custom-columns=UID:.metadata.uid,NAMESPACE:.metadata.namespace,POD:.metadata.name,NODE:.spec.nodeName | grep 8a3c1f2e-77b0-4c0e-9a51-0d7c5a3b9e11
        - Whether a memory guard in user space, or the kernel, speaks of it
          $ journalctl --no-pager --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' | grep -iE 'earlyoom|systemd-oomd|out of memory|timed out. killing|\[13674\]'
    "#]],
    );
}

#[test]
fn a_wrapper_that_reports_a_crash() {
    check(
        &abnormal("exit status 139"),
        &expect![[r#"
        python3, a supervised process, ended by exit status 139 after 3.2 s.
        python3 ended with status 139: a shell, an init or a wrapper ends so where what it ran died of SIGSEGV: that one crashed.
        Medium, by F1 F2
        ? Its configuration, or a deployment, was changed just before [F1]
        ? Something it needs, such as a database, a port, a file or a disk with room, was not there [F1]
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u api.service
        - How its supervisor sees it: result, restarts, limits
          $ systemctl status --no-pager -l api.service
        - Whether the program was replaced just before
          $ ls -l --time-style=full-iso -- /usr/bin/python3
    "#]],
    );
}

#[test]
fn a_signal_without_a_handler() {
    check(
        &abnormal("SIGUSR1 (signal 10)"),
        &expect![[r#"
        python3, a supervised process, ended by SIGUSR1 (signal 10) after 3.2 s.
        python3 had no handler for SIGUSR1, and somebody sent it: most often a reload or a log rotation that expects one, sent to the wrong process or before it was ready.
        Medium, by F1 F2
        ? A deployment, a restart or a person stopped it, without the patience it needs to end [F1]
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u api.service
        - How its supervisor sees it: result, restarts, limits
          $ systemctl status --no-pager -l api.service
        - Whether the program was replaced just before
          $ ls -l --time-style=full-iso -- /usr/bin/python3
    "#]],
    );
}

#[test]
fn a_loop_that_a_program_of_ones_own_keeps_up() {
    let file = ended(
        IncidentKind::CrashLoop,
        "python3 keeps dying: 6 times in 10.0 s, last by exit status 3.",
        &[
            ("monitor:history", "6 deaths within 10.0 s, one every 2.0 s on average, at a steady pace"),
            (
                "monitor:history",
                "keeper (pid 13671) has started it with the same arguments 6 times without a success, typically 1.0 s after its end",
            ),
            (EXIT, "ended by exit status 3 after living 1.0 s"),
        ],
    );
    check(
        &file,
        &expect![[r#"
        python3 keeps dying: 6 times in 10.0 s, last by exit status 3.
        python3 ends with exit status 3 after each start and keeper (pid 13671) starts it again. Most often that is its configuration, or something it needs at the start: a port, a file, a database, a permission.
        Medium, by F1 F2 F3
        ? A deployment or a change of configuration broke it [F3]
        ? Something it depends on at the start is down or unreachable [F3]
        - What it said last
          $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        - What starts it again, and since when
          $ ps -o pid,ppid,lstart,args -p 13671; pstree -sp 13671
        - Earlier crashes of the same program
          $ coredumpctl list --no-pager /usr/bin/python3
        - Whether it or what it needs was changed just before: files in /etc younger than a day
          $ find /etc -xdev -type f -mtime -1 -ls
    "#]],
    );
}
