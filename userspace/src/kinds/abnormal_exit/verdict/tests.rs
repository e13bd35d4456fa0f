//! From how a service ended to what is told of it and its cause.

use expect_test::{Expect, expect};

use super::*;
use crate::analyst::built_in;
use crate::config::DetectLimits;
use crate::kinds::abnormal_exit::detect;
use crate::kinds::abnormal_exit::facts::{AbnormalExitFact, ServiceRole};
use crate::kinds::case::Draft;
use crate::kinds::fixture::{case_about, check_statements, golden, healthy, judged};
use crate::kinds::pieces::Who;
use crate::kinds::shared::ending::fixture::{ended, exit};
use crate::model::ProcessInfo;

/// What systemd started as `api.service`.
fn service() -> ProcessInfo {
    ProcessInfo { ppid: 1, cgroup: Some("/system.slice/api.service".into()), ..healthy().process }
}

fn draft(process: &ProcessInfo, cause: ExitCause) -> Draft {
    detect(&ended(process, &exit(cause)), &DetectLimits::default()).unwrap()
}

/// A service that ended with status 1.
pub(in crate::kinds::abnormal_exit) fn sample() -> (ProcessInfo, Draft) {
    (service(), draft(&service(), ExitCause::Status(1)))
}

fn check(process: &ProcessInfo, cause: ExitCause, want: &Expect) {
    want.assert_eq(&judged(&case_about(process, &draft(process, cause))));
}

#[test]
fn a_service_that_ended_with_a_status() {
    check(
        &service(),
        ExitCause::Status(1),
        &expect![[r#"
            python3, a supervised process, ended by exit status 1 after 3.2 s.
            python3 ended with status 1: it may have met an exception that it did not catch, a MemoryError among them, or called sys.exit(1): the traceback is in its last log lines.
            Low, by F1 F2 F3 F4 F5
            ? Something it needs was not available, such as a database, a port, a file or disk space [F1 F3 F4 F5]
            ? Its configuration was changed, or a new version deployed, shortly before [F1 F3 F4 F5]
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' -u api.service
            - What its supervisor reports: result, restarts, limits
              $ systemctl status --no-pager -l api.service
            - Whether the program was replaced shortly before
              $ ls -l --time-style=full-iso -- /usr/bin/python3
        "#]],
    );
}

#[test]
fn a_containers_first_process_that_was_killed() {
    let (id, pod) = ("ab".repeat(32), "8a3c1f2e-77b0-4c0e-9a51-0d7c5a3b9e11");
    let process = ProcessInfo {
        cgroup: Some(format!("/kubepods/burstable/pod{pod}/{id}")),
        container_id: Some(id),
        pod_uid: Some(pod.to_owned()),
        ..service()
    };
    check(
        &process,
        ExitCause::Signal(9),
        &expect![[r#"
            python3, a supervised process, ended by SIGKILL (signal 9) after 3.2 s.
            Somebody killed python3 with SIGKILL, and it was not the kernel's OOM killer: most often it is a supervisor whose stop or health check timed out, a memory guard such as systemd-oomd, or a person.
            Medium, by F1 F2 F3 F4 F5 F6
            ? A deployment, a restart or a person stopped it, without giving it enough time to exit [F1 F2 F4 F5 F6]
            - Recent log output
              $ crictl logs --tail 100 abababababab
            - What its supervisor reports: result, restarts, limits
              $ crictl inspect abababababab
            - Which pod it is; then kubectl describe and kubectl logs --previous
              $ kubectl get pods -A -o custom-columns=UID:.metadata.uid,NAMESPACE:.metadata.namespace,POD:.metadata.name,NODE:.spec.nodeName | grep 8a3c1f2e-77b0-4c0e-9a51-0d7c5a3b9e11
            - Whether the kernel or a user-space memory guard logged the kill
              $ journalctl --no-pager --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' | grep -iE 'earlyoom|systemd-oomd|out of memory|timed out. killing|\[13674\]'
        "#]],
    );
}

#[test]
fn each_end_has_its_own_cause() {
    for (cause, want, confidence) in [
        (ExitCause::Status(1), "it exited by itself", Confidence::Low),
        (ExitCause::Status(2), "wrong arguments", Confidence::Low),
        (ExitCause::Status(64), "EX_USAGE", Confidence::Medium),
        (ExitCause::Status(66), "EX_NOINPUT", Confidence::Medium),
        (ExitCause::Status(78), "EX_CONFIG", Confidence::Medium),
        (ExitCause::Status(101), "panicked, as a Rust program says with this status", Confidence::Medium),
        (ExitCause::Status(127), "does not exist", Confidence::Medium),
        (
            ExitCause::Status(137),
            "died of SIGKILL, sent to that process by the OOM killer",
            Confidence::Medium,
        ),
        (ExitCause::Status(139), "died of SIGSEGV: that process crashed", Confidence::Medium),
        (ExitCause::Status(203), "(203/EXEC)", Confidence::Medium),
        (ExitCause::Status(255), "return -1", Confidence::Low),
        (ExitCause::Signal(9), "Somebody killed ledger with SIGKILL", Confidence::Medium),
        (ExitCause::Signal(10), "had no handler for SIGUSR1, which somebody sent", Confidence::Medium),
        (
            ExitCause::Signal(14),
            "A timer of ledger expired, and it had no handler for SIGALRM",
            Confidence::Medium,
        ),
        (ExitCause::Signal(34), "had no handler for signal 34", Confidence::Medium),
    ] {
        let process = ProcessInfo {
            name: "ledger".into(),
            exe: Some("/srv/ledger".into()),
            argv: vec!["./ledger".into()],
            ..service()
        };
        let verdict = built_in(&case_about(&process, &draft(&process, cause)));
        assert!(verdict.probable_cause.contains(want), "{cause:?}: {}", verdict.probable_cause);
        assert_eq!(verdict.confidence, confidence, "{cause:?}");
        let stopped = verdict.hypotheses[0].cause.contains("a person stopped it");
        assert_eq!(stopped, matches!(cause, ExitCause::Signal(_)), "{cause:?}");
        let asks_who = verdict.next_steps.iter().any(|step| step.why.contains("memory guard"));
        assert_eq!(asks_who, cause == ExitCause::Signal(9), "{cause:?}");
    }
}

#[test]
fn the_values_and_the_sentences() {
    let process = ProcessInfo { name: "SIGKILL\x1b[2J".into(), ..service() };
    expect![[r#"
        Warning SIGKILL�[2J, a supervised process, ended by SIGKILL (signal 9) after 3.2 s.
        - ended by SIGKILL (signal 9) after living 3.2 s (kernel:sched_process_exit)
          {"age_ms":3200,"cause":{"signal":9},"core_dumped":false,"type":"ended"}
        - SIGKILL, but not from the OOM killer: signal->oom_mm was not set; the sender is not known (kernel:sched_process_exit)
          {"type":"killed_by_unknown"}
        - it is supervised: systemd (pid 1) started it (monitor:process)
          {"parent":{"name":"systemd","pid":1},"role":"supervised","type":"service"}
        - peak resident memory was 24.0 MiB (kernel:sched_process_exit)
          {"rss_bytes":25165824,"type":"peak_memory"}
        - it used 12 ms of CPU time (kernel:sched_process_exit)
          {"cpu_ns":12000000,"type":"cpu_used"}
        - its parent is systemd (pid 1) (kernel:sched_process_exit)
          {"name":"systemd","pid":1,"starts_it_again":false,"type":"parent"}
    "#]].assert_eq(&golden(&process, &draft(&process, ExitCause::Signal(9))));
    let parent = Who { name: "a\nb".into(), pid: 7 };
    let roles = [
        ServiceRole::Supervised,
        ServiceRole::FirstOfContainer,
        ServiceRole::Daemon,
        ServiceRole::Unattended,
    ];
    let of = |role| AbnormalExitFact::Service { role, parent: parent.clone() }.into();
    check_statements(
        &roles.map(of),
        &expect![[r#"
            {"type":"service","role":"supervised","parent":{"name":"a\nb","pid":7}}
              it is supervised: a b (pid 7) started it
            {"type":"service","role":"first_of_container","parent":{"name":"a\nb","pid":7}}
              it is its container's main process: pid 1 in the container
            {"type":"service","role":"daemon","parent":{"name":"a\nb","pid":7}}
              it is a daemon: the process that started it is gone, it has no terminal, and nothing else reads its exit status
            {"type":"service","role":"unattended","parent":{"name":"a\nb","pid":7}}
              it had no terminal and was mostly idle; a b (pid 7) reads its exit status
        "#]],
    );
}
