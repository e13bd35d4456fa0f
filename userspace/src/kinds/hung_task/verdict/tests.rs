//! The cause follows the kernel functions; the words are golden.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::super::{Wait, detect, tests::thread};
use super::*;
use crate::analyst::built_in;
use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::kinds::fixture::{case_of, healthy, judged};
use crate::model::{IncidentKind, ProcessInfo, Severity};
use crate::observation::ThreadLook;

/// As the detector finds it, with these functions on the stack.
fn draft(wchan: &str, stack: &str) -> Draft {
    let process = healthy().process;
    let thread = ThreadLook {
        tid: process.pid,
        file: Some(b"/mnt/it's data/log"[..].into()),
        stack: stack.split(" ← ").filter(|it| !it.is_empty()).map(Into::into).collect(),
        ..thread(wchan)
    };
    let lasted = Duration::from_secs(130);
    let wait = Wait { thread: &thread, lasted, looks: 14, wakes: None, crowd: 1 };
    detect(&process, &[wait], 1, &DetectLimits::default()).unwrap()
}

fn hung(wchan: &str, stack: &str) -> CaseFile {
    case_of(&draft(wchan, stack))
}

/// A write that waits for a disk.
pub(in crate::kinds::hung_task) fn sample() -> (ProcessInfo, Draft) {
    (healthy().process, draft("io_schedule", "io_schedule ← folio_wait_bit_common"))
}

fn check(file: &CaseFile, want: &Expect) {
    want.assert_eq(&judged(file));
}

#[test]
fn causes_by_kernel_function() {
    for (wchan, stack, want) in [
        ("kernel_clone", "kernel_clone ← __do_sys_vfork ← do_syscall_64", Cause::Vfork),
        ("rpc_wait_bit_killable", "rpc_wait_bit_killable ← __rpc_execute ← nfs4_call_sync", Cause::Network),
        ("folio_wait_bit_common", "folio_wait_bit_common ← nfs_wb_folio ← write_begin", Cause::Network),
        (
            "request_wait_answer",
            "request_wait_answer ← __fuse_simple_request ← fuse_lookup_name",
            Cause::Fuse,
        ),
        ("percpu_rwsem_wait", "percpu_rwsem_wait ← mnt_want_write ← path_openat", Cause::Frozen),
        ("percpu_rwsem_wait", "percpu_rwsem_wait ← vfs_write ← ksys_write", Cause::Frozen),
        ("percpu_rwsem_wait", "percpu_rwsem_wait ← cgroup_css_set_fork ← copy_process", Cause::Lock),
        ("jbd2_log_wait_commit", "jbd2_log_wait_commit ← ext4_sync_file ← do_fsync", Cause::Disk),
        ("io_schedule", "", Cause::Disk),
        ("rwsem_down_write_slowpath", "rwsem_down_write_slowpath ← vfs_unlink", Cause::Lock),
        ("autofs_wait", "autofs_wait ← autofs_mount_wait", Cause::Automount),
        ("some_new_function", "", Cause::Unknown),
    ] {
        let file = hung(wchan, stack);
        assert!(cause(&file, &file.findings[0]) == want, "{wchan} {stack}: {}", words(want).0);
    }
}

#[test]
fn a_frozen_file_system() {
    let file = hung("percpu_rwsem_wait", "percpu_rwsem_wait ← mnt_want_write ← path_openat");
    check(
        &file,
        &expect![[r#"
            python3 (pid 13674) has waited in the kernel for 2 min and does not return.
            python3 (pid 13674) wants to write to a file system that is frozen: somebody ran fsfreeze or started a snapshot, and did not finish it. It continues once the file system is thawed.
            High, by F1 F2 F3 F4
            ? A snapshot or a backup is still running, and thaws the file system when it is done [F2 F3 F4]
            - Where each of its waiting threads is in the kernel
              $ for t in /proc/13674/task/*; do grep -qs '^State:.D' $t/status && (echo "$t $(cat $t/wchan)"; cat $t/stack); done
            - Which file system it is; then, if no snapshot is at work: fsfreeze --unfreeze MOUNTPOINT
              $ df --output=source,fstype,target -- '/mnt/it'\''s data/log'
            - Everything else that waits like this
              $ ps -eLo pid,tid,stat,wchan:32,etime,comm | awk '$3 ~ /^D/'
            - What the kernel logged about it
              $ journalctl -k --no-pager -n 500 | grep -iE 'blocked for|i/o error|not responding|timed? ?out|reset'
        "#]],
    );
}

#[test]
fn a_vfork_parent() {
    check(
        &hung("kernel_clone", "kernel_clone ← __do_sys_vfork"),
        &expect![[r#"
            python3 (pid 13674) has waited for its vfork child for 2 min and does not return.
            python3 (pid 13674) started a child with vfork(2) or posix_spawn(3) and cannot continue before the child runs its program or exits. The child does neither: it is blocked itself, most often opening a file or a pipe, or its code does more between vfork and exec than is allowed. SIGKILL ends either process.
            High, by F1 F2 F3 F4
            ? The child is stopped by a signal or a debugger [F2 F3 F4]
            ? The program the child should run is on a file system that does not answer [F2 F3 F4]
            - Where each of its waiting threads is in the kernel
              $ for t in /proc/13674/task/*; do grep -qs '^State:.D' $t/status && (echo "$t $(cat $t/wchan)"; cat $t/stack); done
            - Its children and what they wait for
              $ ps -o pid,stat,wchan:32,etime,args --ppid 13674; ls -l /proc/13674/fd
            - Everything else that waits like this
              $ ps -eLo pid,tid,stat,wchan:32,etime,comm | awk '$3 ~ /^D/'
            - What the kernel logged about it
              $ journalctl -k --no-pager -n 500 | grep -iE 'blocked for|i/o error|not responding|timed? ?out|reset'
        "#]],
    );
}

#[test]
fn a_file_server_that_is_gone() {
    check(
        &hung("rpc_wait_bit_killable", "rpc_wait_bit_killable ← nfs4_proc_getattr"),
        &expect![[r#"
            python3 (pid 13674) has waited in the kernel for 2 min and does not return.
            python3 (pid 13674) waits for a network file server that does not answer: the server or the network is down. With a hard mount it waits forever, and continues by itself once the server is back.
            High, by F1 F2 F3 F4
            ? The server was moved on purpose: a new address, a firewall rule [F2 F3 F4]
            - Where each of its waiting threads is in the kernel
              $ for t in /proc/13674/task/*; do grep -qs '^State:.D' $t/status && (echo "$t $(cat $t/wchan)"; cat $t/stack); done
            - Which remote and FUSE file systems it uses (df and ls would hang on them)
              $ grep -E ' (nfs4?|cifs|smb3|ceph|9p|fuse[^ ]*|autofs) ' /proc/13674/mounts
            - Everything else that waits like this
              $ ps -eLo pid,tid,stat,wchan:32,etime,comm | awk '$3 ~ /^D/'
            - What the kernel logged about it
              $ journalctl -k --no-pager -n 500 | grep -iE 'blocked for|i/o error|not responding|timed? ?out|reset'
        "#]],
    );
}

#[test]
fn a_disk() {
    let mut file = hung("io_schedule", "io_schedule ← folio_wait_bit_common ← filemap_fault");
    file.process.cgroup = Some("/system.slice/db.service".into());
    check(
        &file,
        &expect![[r#"
            python3 (pid 13674) has waited in the kernel for 2 min and does not return.
            python3 (pid 13674) waits for a disk or the file system on it, and gets no answer: a failing device, a lost path to storage, or an overloaded queue.
            Medium, by F1 F2 F3 F4
            ? The device works, but is overloaded by other requests [F2 F3 F4]
            ? A bug in a driver or file system; then the kernel log has a stack trace [F2 F3 F4]
            - Where each of its waiting threads is in the kernel
              $ for t in /proc/13674/task/*; do grep -qs '^State:.D' $t/status && (echo "$t $(cat $t/wchan)"; cat $t/stack); done
            - Requests that the devices have not completed (in flight: reads, writes)
              $ grep -H . /sys/block/*/inflight | grep -v ' 0  *0$'
            - Everything else that waits like this
              $ ps -eLo pid,tid,stat,wchan:32,etime,comm | awk '$3 ~ /^D/'
            - What the kernel logged about it
              $ journalctl -k --no-pager -n 500 | grep -iE 'blocked for|i/o error|not responding|timed? ?out|reset'
        "#]],
    );
}

#[test]
fn memory_that_its_own_limit_refuses_is_no_disk() {
    for (stack, want, wrong) in [
        (
            "mem_cgroup_oom_synchronize ← pagefault_out_of_memory ← do_user_addr_fault",
            "the OOM killer is switched off for that cgroup",
            "a disk",
        ),
        ("mem_cgroup_handle_over_high ← exit_to_user_mode_loop", "memory.high", "a disk"),
        ("io_schedule ← folio_wait_bit_common ← filemap_fault", "waits for a disk", "OOM killer"),
    ] {
        let wchan = stack.split(' ').next().unwrap();
        let cause = built_in(&hung(wchan, stack)).probable_cause;
        assert!(cause.contains(want), "{cause}");
        assert!(!cause.contains(wrong) && !cause.contains("will kill"), "{cause}");
    }
}

#[test]
fn who_waits_for_a_fuse_program_sleeps_as_others_do() {
    let process = healthy().process;
    let found = |wchan: &str| {
        let thread = ThreadLook { state: 'S', ..thread(wchan) };
        let lasted = Duration::from_secs(130);
        let wait = Wait { thread: &thread, lasted, looks: 14, wakes: None, crowd: 1 };
        detect(&process, &[wait], 1, &DetectLimits::default()).unwrap()
    };
    let file = case_of(&found("request_wait_answer"));
    let cause = built_in(&file).probable_cause;
    assert!(cause.contains("serves a FUSE file system"), "{cause}");
    let first = crate::render::facts(&file).remove(0).text;
    assert!(first.contains("has slept (S)"), "{first}");
}

#[test]
fn a_stopped_service_is_let_go_on() {
    let stopped = HungFact::HungStopped { lasted_ms: 130_000, looks: 14 };
    let facts = vec![Statement::new("proc:stat", stopped)];
    let draft =
        Draft { kind: IncidentKind::HungTask, severity: Severity::Warning, facts, site: "stopped".into() };
    let verdict = built_in(&case_of(&draft));
    assert!(verdict.probable_cause.contains("nobody has sent SIGCONT"), "{}", verdict.probable_cause);
    assert!(verdict.summary.contains("has been stopped by a signal for 2 min"), "{}", verdict.summary);
    let steps: Vec<_> = verdict.next_steps.iter().map(|step| &*step.command).collect();
    assert!(steps.contains(&"kill -CONT 13674"), "{steps:?}");
}
