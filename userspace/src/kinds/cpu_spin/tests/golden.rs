//! What is said of a spin, and the cause it names, whatever the names say.

use expect_test::{Expect, expect};

use super::*;
use crate::analyst::built_in;
use crate::kinds::fixture::{case_about, golden};
use crate::model::Confidence;

fn check(spins: &[Spin<'_>], want: &Expect) {
    let draft = detect(&process(), spins, &DetectLimits::default()).unwrap();
    want.assert_eq(&golden(&process(), &draft));
}

#[test]
fn a_loop_and_a_retry_without_a_pause() {
    let first = spinning(0);
    let now = spinning(600);
    check(
        &[spin(&first, &now, WINDOW)],
        &expect![[r#"
            Warning worker (pid 42) has run without a pause for 10 min (100 % of a core) without visible progress.
            - its main thread was running or ready to run in each of 60 samples in 10 min and used 10 min of CPU time (proc:stat)
              {"cpu_ms":600000,"lasted_ms":600000,"looks":60,"thread":{"is_main":true,"name":"worker","tid":42},"type":"spinning_thread"}
            - of that, 100 % in user mode and 0 % in the kernel (proc:stat)
              {"kernel_percent":0,"type":"spin_cpu_split","user_percent":100}
            - meanwhile it read and wrote nothing: no files, no pipes, no storage (proc:io)
              {"type":"spin_without_io"}
            - it waited for something 0 times and touched new memory 0 times (proc:status)
              {"faults":0,"type":"spin_hardly_waits","waits":0}
            - in the 2 h before, it used 0 % of a core: this is new (proc:stat)
              {"age_ms":7200000,"is_new":true,"queued_percent":0,"type":"spin_past","used_percent":0}
        "#]],
    );
    let retry = ThreadLook {
        tid: 77,
        comm: b"net-\x1b[0m1"[..].into(),
        user_ticks: 500 + 15_000,
        system_ticks: 50 + 45_000,
        queued: Some(Duration::from_secs(1203)),
        io: Some(IoCounts { bytes: 9000, calls: 4_000_030 }),
        nice: 5,
        ..spinning(1800)
    };
    let long = Duration::from_secs(1800);
    let retry_first = ThreadLook { tid: 77, comm: b"net-\x1b[0m1"[..].into(), ..spinning(0) };
    let spin = Spin { others_work: true, ..spin(&retry_first, &retry, long) };
    let past = CpuPast { age: Duration::from_secs(2), cpu: Duration::from_secs(2), queued: Duration::ZERO };
    check(
        &[Spin { past, ..spin }],
        &expect![[r#"
            Warning worker (pid 42) has run without a pause for 30 min (33 % of a core) without visible progress.
            - its thread net-�[0m1 (tid 77) was running or ready to run in each of 60 samples in 30 min and used 10 min of CPU time (proc:stat)
              {"cpu_ms":600000,"lasted_ms":1800000,"looks":60,"thread":{"is_main":false,"name":"net-\u001b[0m1","tid":77},"type":"spinning_thread"}
            - of that, 25 % in user mode and 75 % in the kernel (proc:stat)
              {"kernel_percent":75,"type":"spin_cpu_split","user_percent":25}
            - meanwhile it read and wrote nothing: no files, no pipes, no storage (proc:io)
              {"type":"spin_without_io"}
            - it made 4000000 read or write calls, and none moved a byte (proc:io)
              {"calls":4000000,"type":"spin_empty_calls"}
            - it was kept waiting for a CPU for 19 min: other tasks use the CPUs too (proc:schedstat)
              {"queued_ms":1196000,"type":"spin_queued"}
            - it waited for something 0 times and touched new memory 0 times (proc:status)
              {"faults":0,"type":"spin_hardly_waits","waits":0}
            - it used 100 % of a core in the 2.0 s before: it may always have been like this (proc:stat)
              {"age_ms":2000,"is_new":false,"queued_percent":0,"type":"spin_past","used_percent":100}
            - it has the priority of a background job (proc:stat)
              {"type":"spin_low_priority"}
            - other threads of the process did I/O meanwhile (proc:io)
              {"type":"spin_beside_work"}
        "#]],
    );
    check(
        &[spin, spin],
        &expect![[r#"
            Warning worker (pid 42) has run without a pause for 30 min, in 2 threads, (33 % of a core) without visible progress.
            - its thread net-�[0m1 (tid 77) was running or ready to run in each of 60 samples in 30 min and used 10 min of CPU time (proc:stat)
              {"cpu_ms":600000,"lasted_ms":1800000,"looks":60,"thread":{"is_main":false,"name":"net-\u001b[0m1","tid":77},"type":"spinning_thread"}
            - of that, 25 % in user mode and 75 % in the kernel (proc:stat)
              {"kernel_percent":75,"type":"spin_cpu_split","user_percent":25}
            - meanwhile it read and wrote nothing: no files, no pipes, no storage (proc:io)
              {"type":"spin_without_io"}
            - it made 4000000 read or write calls, and none moved a byte (proc:io)
              {"calls":4000000,"type":"spin_empty_calls"}
            - it was kept waiting for a CPU for 19 min: other tasks use the CPUs too (proc:schedstat)
              {"queued_ms":1196000,"type":"spin_queued"}
            - it waited for something 0 times and touched new memory 0 times (proc:status)
              {"faults":0,"type":"spin_hardly_waits","waits":0}
            - in the 2 h before, it used 0 % of a core: this is new (proc:stat)
              {"age_ms":7200000,"is_new":true,"queued_percent":0,"type":"spin_past","used_percent":0}
            - it has the priority of a background job (proc:stat)
              {"type":"spin_low_priority"}
            - 2 of its threads do that (proc:stat)
              {"threads":2,"type":"spinning_threads"}
        "#]],
    );
}

#[test]
fn a_loop_that_goes_from_thread_to_thread() {
    let (first, now) = (whole(0), whole(1800));
    check(
        &[spin(&first, &now, Duration::from_secs(1800))],
        &expect![[r#"
            Warning worker (pid 42) has run without a pause for 30 min, alternating between several threads, (100 % of a core) without visible progress.
            - one or another of its threads was running or ready to run in each of 60 samples in 30 min and used 30 min of CPU time (proc:stat)
              {"cpu_ms":1800000,"lasted_ms":1800000,"looks":60,"type":"spin_by_turns"}
            - of that, 100 % in user mode and 0 % in the kernel (proc:stat)
              {"kernel_percent":0,"type":"spin_cpu_split","user_percent":100}
            - meanwhile it read and wrote nothing: no files, no pipes, no storage (proc:io)
              {"type":"spin_without_io"}
            - the running threads waited for nothing but each other (futex), and touched new memory 0 times (proc:wchan)
              {"faults":0,"type":"spin_waits_for_each_other"}
            - in the 2 h before, it used 0 % of a core: this is new (proc:stat)
              {"age_ms":7200000,"is_new":true,"queued_percent":0,"type":"spin_past","used_percent":0}
        "#]],
    );
}

#[test]
fn names_change_neither_the_cause_nor_how_sure_it_is() {
    let judged = |name: &[u8], past: CpuPast| {
        let first = ThreadLook { tid: 77, comm: name.into(), ..spinning(0) };
        let now = ThreadLook { tid: 77, comm: name.into(), ..spinning(1800) };
        let spin = Spin { past, ..spin(&first, &now, Duration::from_secs(1800)) };
        let draft = detect(&process(), &[spin], &DetectLimits::default()).unwrap();
        let verdict = built_in(&case_about(&process(), &draft));
        let steps: Vec<_> = verdict.next_steps.into_iter().map(|it| it.command).collect();
        (verdict.probable_cause, verdict.confidence, steps)
    };
    let idle = CpuPast { age: Duration::from_secs(7200), ..CpuPast::default() };
    for (past, sure) in [(CpuPast::default(), Confidence::Low), (idle, Confidence::Medium)] {
        let plain = judged(b"pool-1", past);
        assert!(plain.0.contains("an endless loop in its own code") && plain.1 == sure, "{plain:?}");
        assert!(plain.2.iter().any(|it| it.contains("perf record -g -t 77 ")), "{:?}", plain.2);
        for name in [
            &b": this is new"[..],
            b"one or another of its threads",
            b"none moved a byte",
            b"x (tid 1) y",
            b"of that, 1 % in user mode and 99 % in the kernel",
            b"\x1b[2J\xff",
        ] {
            assert_eq!(judged(name, past), plain, "{}", String::from_utf8_lossy(name));
        }
    }
}
