//! Who is supervised, and what is stated of an end.

use expect_test::expect;

use super::fixture::{ended, exit, process};
use super::*;
use crate::kinds::fixture::check_statements;
use crate::render;

#[test]
fn supervisors_are_known_by_name() {
    let exit = exit(ExitCause::Status(0));
    for (ppid, parent_name, want) in [
        (1, "init", true),
        (1, "process_api", false),
        (7, "systemd", true),
        (7, "containerd-shim", true),
        (7, "bash", false),
        (7, "systemd-journal", false),
        (7, "", false),
    ] {
        let process = ProcessInfo { ppid, ..process() };
        let it = Ended { parent_name, ..ended(&process, &exit) };
        assert_eq!(it.is_supervised(), want, "{ppid} {parent_name}");
        assert!(!Ended { origin: Origin::Orphan, ..it.clone() }.is_supervised(), "an orphan");
        assert!(!Ended { origin: Origin::Forked, ..it }.is_supervised(), "a fork");
    }
}

#[test]
fn a_shell_that_a_person_types_into_is_not_managed() {
    let exit = exit(ExitCause::Status(1));
    let terminal = Session { id: 42, group: 42, has_terminal: true };
    for (parent_name, argv, session, want) in [
        ("systemd", &["bash"][..], None, false),
        ("systemd", &["bash", "-c", "./app"], None, true),
        ("containerd-shim", &["bash"], None, false),
        ("containerd-shim", &["bash", "-i", "x"], Some(terminal), false),
    ] {
        let argv = argv.iter().map(|&it| it.to_owned()).collect();
        let process = ProcessInfo { ppid: 1, name: "bash".into(), exe: None, argv, ..process() };
        let it = Ended { parent_name, session, ..ended(&process, &exit) };
        assert!(it.is_supervised());
        assert_eq!(it.is_service_managed(), want, "{parent_name} {:?}", process.argv);
    }
}

#[test]
fn what_was_there_before_us_is_a_service_where_it_leads_a_session_without_terminal() {
    let process = ProcessInfo { ppid: 1, ..process() };
    let exit = exit(ExitCause::Status(1));
    for (id, has_terminal, want) in [(42, false, true), (42, true, false), (7, false, false)] {
        let session = Some(Session { id, group: id, has_terminal });
        let it = Ended { origin: Origin::Found, session, parent_name: "systemd", ..ended(&process, &exit) };
        assert_eq!(it.is_supervised(), want, "{session:?}");
    }
    for (cgroup, want) in [
        ("/user.slice/user-0.slice/session-3.scope", false),
        ("/user.slice/user-0.slice/user@0.service/app.slice/run-r5.scope", false),
        ("/user.slice/user-0.slice/user@0.service/app.slice/app.service", true),
        ("/machine.slice/libpod-3f.scope/system.slice/app.service", true),
        ("/system.slice/app.service", true),
        ("/app", true),
    ] {
        let process = ProcessInfo { cgroup: Some(cgroup.to_owned()), ..process.clone() };
        let it = ended(&process, &exit);
        assert_eq!(it.is_supervised(), want, "an orphan in {cgroup}");
        assert!(Ended { parent_name: "runsv", ..it }.is_supervised(), "runsv's own in {cgroup}");
    }
}

#[test]
fn only_a_containers_first_process_is_supervised_by_its_runtime() {
    let process = process();
    for (ns_pid, want) in [(Some(1), true), (Some(17), false), (None, true)] {
        let exit = ExitRecord { ns_pid, ..exit(ExitCause::Status(1)) };
        let it = Ended { parent_name: "containerd-shim", ..ended(&process, &exit) };
        assert_eq!(it.is_supervised(), want, "{ns_pid:?}");
    }
}

#[test]
fn absent_values_are_left_out_of_the_facts() {
    let process = process();
    let mut exit = exit(ExitCause::Signal(11));
    let told = |exit: &ExitRecord| -> Vec<String> {
        ended(&process, exit).facts().iter().map(|it| render::fact(&it.data)).collect()
    };
    let full = told(&exit);
    assert_eq!(full[0], "ended by SIGSEGV (signal 11) after living 3.2 s");
    assert_eq!(full[1], "peak resident memory was 24.0 MiB");
    assert_eq!(full.len(), 4);
    exit.cpu_ns = None;
    exit.peak_rss_bytes = None;
    exit.core_dumped = true;
    let less = told(&exit);
    assert_eq!(less.len(), 2);
    assert!(less[0].contains("core dumped"));
}

#[test]
fn each_statement_has_a_value_and_a_sentence() {
    let cgroup = "/a\x1b[2J\u{202e}b".into();
    check_statements(
        &[
            EndFact::Ended { cause: ExitCause::Status(3), core_dumped: false, age_ms: 3_200 }.into(),
            EndFact::Ended { cause: ExitCause::Signal(6), core_dumped: true, age_ms: 90_000 }.into(),
            EndFact::Ended { cause: ExitCause::Unknown, core_dumped: false, age_ms: 0 }.into(),
            EndFact::OomVictim {}.into(),
            EndFact::ChildEnded { child: Who { name: "a\nb".into(), pid: 8 }, cause: ExitCause::Signal(11) }
                .into(),
            EndFact::PassedOn { by: Who { name: "tini".into(), pid: 9 } }.into(),
            EndFact::PeakMemory { rss_bytes: 24 << 20 }.into(),
            EndFact::CgroupAtEnd { cgroup, limit_bytes: 24 << 20, usage_bytes: 1 << 20 }.into(),
            EndFact::CpuUsed { cpu_ns: 12_000_000 }.into(),
            EndFact::Parent { name: "a\nb".into(), pid: 7, starts_it_again: true }.into(),
        ],
        &expect![[r#"
            {"type":"ended","cause":{"status":3},"core_dumped":false,"age_ms":3200}
              ended by exit status 3 after living 3.2 s
            {"type":"ended","cause":{"signal":6},"core_dumped":true,"age_ms":90000}
              ended by SIGABRT (signal 6, core dumped) after living 1 min
            {"type":"ended","cause":"unknown","core_dumped":false,"age_ms":0}
              ended by an unknown cause after living 0 µs
            {"type":"oom_victim"}
              the OOM killer chose it: signal->oom_mm was set when SIGKILL ended it
            {"type":"child_ended","child":{"name":"a\nb","pid":8},"cause":{"signal":11}}
              its child a b (pid 8) had ended by SIGSEGV (signal 11) a moment before: its own end passes that on
            {"type":"passed_on","by":{"name":"tini","pid":9}}
              tini (pid 9) ended in the same way after it, and only passes that on
            {"type":"peak_memory","rss_bytes":25165824}
              peak resident memory was 24.0 MiB
            {"type":"cgroup_at_end","cgroup":"/a\u001b[2J\u202eb","limit_bytes":25165824,"usage_bytes":1048576}
              its memory cgroup /a�[2Jb has a limit of 24.0 MiB and uses 1.0 MiB of it now
            {"type":"cpu_used","cpu_ns":12000000}
              it used 12 ms of CPU time
            {"type":"parent","name":"a\nb","pid":7,"starts_it_again":true}
              its parent is a b (pid 7), which starts it again
        "#]],
    );
}
