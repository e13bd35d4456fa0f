//! What is said of each sign, in full.

use expect_test::{Expect, expect};

use super::super::facts::{ExecFact, Socket};
use super::super::words;
use crate::kinds::case::{CaseFile, Draft, Statement};
use crate::kinds::fixture::{case_of, judged};
use crate::kinds::pieces::Who;
use crate::model::{IncidentKind, Severity};

fn began(severity: Severity, exe: &str, fact: ExecFact) -> CaseFile {
    let parent = Who { name: "bash".into(), pid: 13671 };
    let started = ExecFact::ExecStarted { path: None, uid: Some(0), parent };
    let facts = vec![Statement::new("proc:exe", fact), Statement::new("kernel:sched_process_exec", started)];
    let kind = IncidentKind::SuspiciousExec;
    let mut file = case_of(&Draft { kind, severity, facts, site: String::new() });
    file.evidence = Vec::new();
    file.process.exe = Some(exe.to_owned());
    file
}

fn check(file: &CaseFile, want: &Expect) {
    want.assert_eq(&judged(file));
}

#[test]
fn without_data_there_is_still_a_sentence() {
    let mut file = began(Severity::Info, "/tmp/x", ExecFact::ExecUnseen {});
    file.facts.clear();
    assert_eq!(words::summary(&file, &file.findings[0]), "python3 started in an unusual way.");
}

#[test]
fn a_program_without_a_file() {
    let fact = ExecFact::ExecFromMemory { memfd: "x".into() };
    check(
        &began(Severity::Warning, "/memfd:x (deleted)", fact),
        &expect![[r#"
            python3 runs from memory, without a file.
            python3 (pid 13674) was loaded into memory and run without a file, as malware does to leave no trace and to avoid file checks.
            Low, by F1 F2
            ? A program that protects or unpacks itself like this: a container runtime, a sealed helper, a packer [F1 F2]
            - Save the program while it runs: a copy and its digest
              $ cp /proc/13674/exe /root/suspicious-13674 && sha256sum /proc/13674/exe
            - Who started it, and who is logged in
              $ pstree -sp 13674 || ps -o pid,ppid,lstart,user,args -p 13674,13671; who
            - Its network connections and open files
              $ ss -tunap | grep 'pid=13674,'; ls -l /proc/13674/fd
            - To pause it without losing it
              $ kill -STOP 13674
        "#]],
    );
}

#[test]
fn a_reverse_shell() {
    let fact = ExecFact::ExecShellOnSocket { socket: Socket::Network };
    check(
        &began(Severity::Critical, "/usr/bin/dash", fact),
        &expect![[r#"
            python3 is a shell that takes its commands from a socket.
            python3 (pid 13674) is a shell whose commands come over the network: a reverse shell, or a service that passes a connection to a shell.
            Medium, by F1 F2
            ? An administrator's tool, such as socat or a console server, that is intended to do this [F1 F2]
            - Save the program while it runs: a copy and its digest
              $ cp /proc/13674/exe /root/suspicious-13674 && sha256sum /proc/13674/exe; ls -la -- /usr/bin/dash
            - Who started it, and who is logged in
              $ pstree -sp 13674 || ps -o pid,ppid,lstart,user,args -p 13674,13671; who
            - Its network connections and open files
              $ ss -tunap | grep 'pid=13674,'; ls -l /proc/13674/fd
            - To pause it without losing it
              $ kill -STOP 13674
        "#]],
    );
}

#[test]
fn a_program_in_a_temporary_folder() {
    let fact = ExecFact::ExecFromOpenFolder { folder: "/tmp".into() };
    check(
        &began(Severity::Info, "/tmp/$(reboot) x", fact),
        &expect![[r#"
            python3 was run from a world-writable folder.
            python3 (pid 13674) was run from a world-writable folder: anyone who can put a file there may have caused it to run.
            Low, by F1 F2
            ? A build, a test suite, an installer or a self-extracting tool that unpacks itself there [F1 F2]
            - Save the program while it runs: a copy and its digest
              $ cp /proc/13674/exe /root/suspicious-13674 && sha256sum /proc/13674/exe; ls -la -- '/tmp/$(reboot) x'
            - Who started it, and who is logged in
              $ pstree -sp 13674 || ps -o pid,ppid,lstart,user,args -p 13674,13671; who
            - Its network connections and open files
              $ ss -tunap | grep 'pid=13674,'; ls -l /proc/13674/fd
            - Recent log output
              $ journalctl --no-pager -n 100 --since '2026-11-22 12:25:59 UTC' --until '2026-11-22 12:28:59 UTC' _PID=13674
        "#]],
    );
}
