//! What is one wait and what is many, what waits by design, and what a finding says.

use expect_test::{Expect, expect};

use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture;
use crate::observation::IoCounts;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn process() -> ProcessInfo {
    ProcessInfo { pid: 42, name: "worker".into(), ..fixture::healthy().process }
}

pub(super) fn thread(wchan: &str) -> ThreadLook {
    ThreadLook {
        tid: 42,
        comm: b"worker"[..].into(),
        state: 'D',
        start_ticks: 100,
        voluntary_switches: Some(10),
        involuntary_switches: Some(2),
        io: Some(IoCounts { bytes: 5, calls: 3 }),
        wchan: Some(wchan.into()),
        syscall: SystemCall::parse("1 0x3 0x7f 0x1 0x0 0x0 0x0 0x7ffe3ae878c8 0x7fea62c592ad"),
        ..ThreadLook::default()
    }
}

#[test]
fn one_wait_is_told_from_many() {
    let first = || thread("io_schedule");
    let secs = Duration::from_secs;
    for (what, now, lasted, want) in [
        ("untouched", first(), secs(1), Some(Some(0))),
        ("another sleep", ThreadLook { voluntary_switches: Some(11), ..first() }, secs(5), None),
        (
            "a retry each minute",
            ThreadLook { voluntary_switches: Some(13), ..first() },
            secs(180),
            Some(Some(3)),
        ),
        (
            "a retry each minute, but the file moved on",
            ThreadLook { voluntary_switches: Some(13), io: Some(IoCounts { bytes: 6, calls: 4 }), ..first() },
            secs(180),
            None,
        ),
        (
            "in another call after a minute",
            ThreadLook {
                voluntary_switches: Some(11),
                syscall: SystemCall::parse("0 0x3 0x7f 0x1 0x0 0x0 0x0 0x7ffe3ae878c8 0x7fea62c592ad"),
                ..first()
            },
            secs(60),
            None,
        ),
        (
            "elsewhere in the same call",
            ThreadLook { voluntary_switches: Some(11), wchan: Some("f".into()), ..first() },
            secs(60),
            None,
        ),
        ("preempted often", ThreadLook { involuntary_switches: Some(900), ..first() }, secs(60), None),
        ("a thread that took its number", ThreadLook { start_ticks: 101, ..first() }, secs(1), None),
        ("it runs", ThreadLook { state: 'R', ..first() }, secs(1), None),
        ("no counters", ThreadLook { voluntary_switches: None, ..first() }, secs(9), Some(None)),
        (
            "no counters, and it used the CPU",
            ThreadLook { voluntary_switches: None, user_ticks: 1, ..first() },
            secs(9),
            None,
        ),
        (
            "no counters and no call",
            ThreadLook { voluntary_switches: None, syscall: None, ..first() },
            secs(9),
            None,
        ),
    ] {
        assert_eq!(same_wait(&first(), &now, lasted), want, "{what}");
    }
}

#[test]
fn a_sleep_is_a_wait_only_for_an_answer() {
    let asleep = |wchan: &str| ThreadLook { state: 'S', ..thread(wchan) };
    for (wchan, want) in [
        ("request_wait_answer", Some(Some(0))),
        ("__fuse_simple_request.isra.0", Some(Some(0))),
        ("fuse_dev_do_read", None),
        ("do_epoll_wait", None),
        ("pipe_read", None),
    ] {
        assert_eq!(same_wait(&asleep(wchan), &asleep(wchan), HOUR), want, "{wchan}");
    }
    assert_eq!(same_wait(&asleep("request_wait_answer"), &thread("request_wait_answer"), HOUR), None);
}

#[test]
fn long_waits_are_findings_unless_they_are_meant() {
    let after = DetectLimits::default().hung_after;
    for (wchan, lasted, looks, want) in [
        ("nfs_wait_bit_killable", after, 3, Some(Severity::Warning)),
        ("nfs_wait_bit_killable", after - Duration::from_millis(1), 99, None),
        ("nfs_wait_bit_killable", HOUR, 2, None),
        ("nfs_wait_bit_killable", after * 5, 9, Some(Severity::Critical)),
        ("kernel_clone", after, 9, Some(Severity::Warning)),
        ("wait_for_vfork_done.isra.0", HOUR, 9, Some(Severity::Warning)),
        ("__refrigerator", HOUR, 9, None),
        ("coredump_task_exit", HOUR, 9, None),
    ] {
        let thread = thread(wchan);
        let wait = Wait { thread: &thread, lasted, looks, wakes: Some(0), crowd: 1 };
        let draft = detect(&process(), &[wait], 1, &DetectLimits::default());
        assert_eq!(draft.map(|it| it.severity), want, "{wchan} for {lasted:?} in {looks}");
    }
}

#[test]
fn who_only_needs_a_cpu_holds_nobody_up() {
    let after = DetectLimits::default().hung_after;
    for (wchan, crowd, times, child_is_ready, want) in [
        ("rwsem_down_write_slowpath", 1, 1, false, Some(Severity::Warning)),
        ("rwsem_down_write_slowpath", 36, 35, false, None),
        ("__mutex_lock.constprop.0", 36, 36, false, Some(Severity::Warning)),
        ("rwsem_down_read_slowpath", 2, 10, false, Some(Severity::Critical)),
        ("folio_wait_bit_common", 36, 1, false, Some(Severity::Warning)),
        ("percpu_rwsem_wait", 36, 1, false, Some(Severity::Warning)),
        ("kernel_clone", 36, 1, false, Some(Severity::Warning)),
        ("kernel_clone", 36, 99, true, None),
    ] {
        let thread = ThreadLook { child_is_ready, ..thread(wchan) };
        let wait = Wait { thread: &thread, lasted: after * times, looks: 9, wakes: Some(0), crowd };
        let draft = detect(&process(), &[wait], 1, &DetectLimits::default());
        assert_eq!(draft.map(|it| it.severity), want, "{wchan} for {times} times as long, {crowd} a CPU");
        let same = same_wait(&thread, &thread, after);
        assert_eq!(same.is_some(), !child_is_ready, "{wchan}");
    }
}

#[test]
fn the_site_is_where_it_waits_never_who() {
    let site = |wchan, tid| {
        let thread = ThreadLook { tid, ..thread(wchan) };
        let wait = Wait { thread: &thread, lasted: HOUR, looks: 9, wakes: Some(0), crowd: 1 };
        detect(&process(), &[wait], 9, &DetectLimits::default()).unwrap().site
    };
    assert_eq!(site("rwsem_down_write_slowpath.constprop.0", 42), "rwsem_down_write_slowpath");
    assert_eq!(site("rwsem_down_write_slowpath", 99), "rwsem_down_write_slowpath");
    assert_eq!(site("kernel_clone", 42), site("wait_for_vfork_done", 42));
}

fn check(waits: &[Wait<'_>], want: &Expect) {
    let draft = detect(&process(), waits, 12, &DetectLimits::default()).unwrap();
    want.assert_eq(&fixture::golden(&process(), &draft));
}

#[test]
fn a_write_that_hangs() {
    let mut hung = thread("percpu_rwsem_wait");
    hung.file = Some(b"/mnt/data/\x1b[2Jlog"[..].into());
    hung.stack = ["percpu_rwsem_wait", "vfs_write", "ksys_write", "do_syscall_64"].map(Into::into).to_vec();
    let other = ThreadLook { tid: 77, comm: b"pool-\xff1"[..].into(), ..thread("percpu_rwsem_wait") };
    let wait = |thread, secs| Wait {
        thread,
        lasted: Duration::from_secs(secs),
        looks: 14,
        wakes: Some(0),
        crowd: 1,
    };
    check(
        &[wait(&other, 121), wait(&hung, 130)],
        &expect![[r#"
            Warning worker (pid 42) has waited in the kernel for 2 min and does not return.
            - its main thread has been in uninterruptible sleep (D) for at least 2 min, in 14 samples (proc:stat)
              {"for_vfork_child":false,"lasted_ms":130000,"looks":14,"thread":{"is_main":true,"name":"worker","tid":42},"type":"hung_thread"}
            - its context switch count did not change meanwhile: it is a single wait (proc:status)
              {"type":"hung_in_one_wait","wakes":0}
            - it waits in the kernel function percpu_rwsem_wait (proc:wchan)
              {"function":"percpu_rwsem_wait","type":"hung_in_function"}
            - the system call is write() on /mnt/data/�[2Jlog (proc:syscall)
              {"call":"write","file":"/mnt/data/\u001b[2Jlog","type":"hung_in_system_call"}
            - its kernel stack is percpu_rwsem_wait ← vfs_write ← ksys_write ← do_syscall_64 (proc:stack)
              {"functions":["percpu_rwsem_wait","vfs_write","ksys_write","do_syscall_64"],"type":"hung_kernel_stack"}
            - 2 of its 12 threads are hung, this one the longest (proc:stat)
              {"hung":2,"of":12,"type":"hung_threads"}
        "#]],
    );
    check(
        &[wait(&other, 121)],
        &expect![[r#"
            Warning worker (pid 42) has waited in the kernel for 2 min and does not return.
            - its thread pool-�1 (tid 77) has been in uninterruptible sleep (D) for at least 2 min, in 14 samples (proc:stat)
              {"for_vfork_child":false,"lasted_ms":121000,"looks":14,"thread":{"is_main":false,"name":"pool-�1","tid":77},"type":"hung_thread"}
            - its context switch count did not change meanwhile: it is a single wait (proc:status)
              {"type":"hung_in_one_wait","wakes":0}
            - it waits in the kernel function percpu_rwsem_wait (proc:wchan)
              {"function":"percpu_rwsem_wait","type":"hung_in_function"}
            - the system call is write() (proc:syscall)
              {"call":"write","file":null,"type":"hung_in_system_call"}
        "#]],
    );
}

#[test]
fn a_vfork_parent_and_a_page_fault() {
    let mut parent = thread("kernel_clone");
    parent.syscall = None;
    let wait = |thread, wakes| Wait { thread, lasted: HOUR, looks: 99, wakes, crowd: 1 };
    check(
        &[wait(&parent, Some(0))],
        &expect![[r#"
            Warning worker (pid 42) has waited for its vfork child for 60 min and does not return.
            - its main thread has been in uninterruptible sleep (D) for at least 60 min, in 99 samples (proc:stat)
              {"for_vfork_child":true,"lasted_ms":3600000,"looks":99,"thread":{"is_main":true,"name":"worker","tid":42},"type":"hung_thread"}
            - its context switch count did not change meanwhile: it is a single wait (proc:status)
              {"type":"hung_in_one_wait","wakes":0}
            - it waits in the kernel function kernel_clone (proc:wchan)
              {"function":"kernel_clone","type":"hung_in_function"}
        "#]],
    );
    let mut fault = thread("folio_wait_bit_common");
    fault.syscall = SystemCall::parse("-1 0x7ffe3ae878c8 0x7fea62c592ad");
    check(
        &[wait(&fault, None)],
        &expect![[r#"
            Critical worker (pid 42) has waited in the kernel for 60 min and does not return.
            - its main thread has been in uninterruptible sleep (D) for at least 60 min, in 99 samples (proc:stat)
              {"for_vfork_child":false,"lasted_ms":3600000,"looks":99,"thread":{"is_main":true,"name":"worker","tid":42},"type":"hung_thread"}
            - it waits in the kernel function folio_wait_bit_common (proc:wchan)
              {"function":"folio_wait_bit_common","type":"hung_in_function"}
            - it is in a page fault: memory backed by a file or by swap must be read in (proc:syscall)
              {"type":"hung_in_page_fault"}
        "#]],
    );
    let woken = ThreadLook { wchan: None, syscall: None, ..fault.clone() };
    check(
        &[wait(&woken, Some(4))],
        &expect![[r#"
            Critical worker (pid 42) has waited in the kernel for 60 min and does not return.
            - its main thread has been in uninterruptible sleep (D) for at least 60 min, in 99 samples (proc:stat)
              {"for_vfork_child":false,"lasted_ms":3600000,"looks":99,"thread":{"is_main":true,"name":"worker","tid":42},"type":"hung_thread"}
            - it woke 4 times meanwhile and kept waiting in the same system call (proc:status)
              {"type":"hung_in_one_wait","wakes":4}
        "#]],
    );
}

#[test]
fn names_change_neither_the_cause_nor_the_fault() {
    let judged = |name: &[u8], file: &[u8]| {
        let thread = ThreadLook {
            comm: name.into(),
            file: Some(file.into()),
            stack: vec!["percpu_rwsem_wait".into(), "vfs_write".into()],
            ..thread("percpu_rwsem_wait")
        };
        let wait = Wait { thread: &thread, lasted: HOUR, looks: 9, wakes: Some(0), crowd: 1 };
        let draft = detect(&process(), &[wait], 9, &DetectLimits::default()).unwrap();
        let verdict = built_in(&fixture::case_about(&process(), &draft));
        let steps: Vec<_> = verdict.next_steps.into_iter().map(|it| it.command).collect();
        ((draft.site, verdict.probable_cause, verdict.confidence), steps)
    };
    let (plain, steps) = judged(b"worker", b"/srv/data");
    assert!(plain.1.contains("a file system that is frozen"), "{}", plain.1);
    assert!(steps.contains(&"df --output=source,fstype,target -- /srv/data".to_owned()), "{steps:?}");
    for (name, file) in [
        (&b" on /etc/passwd"[..], &b"/srv/data"[..]),
        (b"worker", b"socket:[7] on /etc/passwd"),
        (b"nfs_ rpc_ (tid 1)", b" on "),
        (b"\x1b[2J\n", b"its kernel stack is nfs_wait \xe2\x86\x90 kernel_clone"),
        (b"kernel_clone", b"nfs_wait_bit_killable"),
    ] {
        let (hostile, steps) = judged(name, file);
        assert_eq!(hostile, plain);
        assert!(!steps.concat().contains("/etc/passwd"), "{steps:?}");
    }
}
