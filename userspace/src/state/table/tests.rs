//! Who is in the table, and until when.

use super::*;

fn key(pid: u32, start_ticks: u64) -> ProcessKey {
    ProcessKey { pid, start_ticks }
}

fn event(key: ProcessKey, at: u64, comm: &str) -> KernelProcess {
    KernelProcess {
        comm: comm.as_bytes().into(),
        parent_comm: b"init"[..].into(),
        argv: b"arg\0"[..].into(),
        ..KernelProcess::sample(key, Duration::from_secs(at))
    }
}

fn exit(process: KernelProcess) -> KernelExit {
    KernelExit::sample(process, Some(0))
}

#[test]
fn an_end_is_taken_once_and_keeps_what_the_exec_said() {
    let mut table = Table::default();
    let mut exec = event(key(5, 50), 1, "a");
    exec.exe = Some(b"/bin/a"[..].into());
    table.exec(exec.clone(), None);
    let mut end = event(key(5, 50), 2, "b");
    end.argv = Box::default();
    let ended = table.end(exit(end.clone()), None, None).expect("the first report");
    assert_eq!(
        (&*ended.comm, &*ended.argv, ended.exe.as_deref()),
        (&b"b"[..], &b"arg\0"[..], Some(&b"/bin/a"[..]))
    );
    assert!(table.end(exit(end), None, None).is_none(), "the second thread's report");
    assert!(table.exec(exec, None).is_none(), "an exec that was overtaken");
    assert_eq!((table.live_len(), table.ended_len()), (0, 1));
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut table = Table::default();
    table.exec(event(key(5, 50), 1, "old"), None);
    table.exec(event(key(5, 60), 2, "new"), None);
    assert_eq!(table.by_pid(5).unwrap().key, key(5, 60));
    assert_eq!(&*table.get(key(5, 50)).unwrap().comm, b"old");
    assert_eq!((table.live_len(), table.ended_len()), (1, 1));
    table.end(exit(event(key(5, 60), 3, "new")), None, None);
    assert_eq!(table.by_pid(5).unwrap().key, key(5, 60), "the latest of the ended");
}

#[test]
fn a_service_has_one_elder() {
    let mut table = Table::default();
    let mut add = |pid, ppid, start_ticks, cgroup: &str| {
        let event = KernelProcess { parent: key(ppid, 0), ..event(key(pid, start_ticks), 1, "x") };
        table.exec(event, Some(cgroup.into()));
    };
    let cron = "/system.slice/cron.service";
    add(5, 1, 50, cron);
    add(6, 5, 60, cron);
    add(7, 1, 70, cron);
    add(8, 1, 80, "/system.slice/app.service");
    add(9, 1, 90, "/");
    add(10, 1, 100, "/");
    for (pid, want) in [(5, false), (6, false), (7, true), (8, false), (10, false)] {
        assert_eq!(table.has_elder(table.by_pid(pid).unwrap()), want, "{pid}");
    }
}

#[test]
fn who_is_not_heard_of_is_silent_and_may_vanish() {
    let mut table = Table::default();
    table.exec(event(key(5, 50), 1, "early"), None);
    table.exec(event(key(6, 60), 9, "late"), None);
    assert_eq!(table.silent_since(Duration::from_secs(5)), [key(5, 50)]);
    table.vanish(key(5, 50), Duration::from_secs(10));
    assert!(table.get(key(5, 50)).unwrap().end.is_none());
    table.forget_ended(Duration::from_secs(11));
    assert!(table.get(key(5, 50)).is_none());
}

#[test]
fn what_is_below_us_is_ours_for_good() {
    let mut table = Table::default();
    let below = |pid, parent| KernelProcess { parent: key(parent, 0), ..event(key(pid, 1), 1, "x") };
    let us = std::process::id();
    let (child, grandchild, other) = (us.wrapping_add(1), us.wrapping_add(2), us.wrapping_add(3));
    table.exec(below(child, us), None);
    table.exec(below(grandchild, child), None);
    table.exec(below(other, us + 100), None);
    assert!(table.end(exit(below(child, us)), None, None).unwrap().own);
    // An orphan by now; its fork was never seen before.
    assert!(table.end(exit(below(grandchild + 9, grandchild)), None, None).unwrap().own);
    assert!(table.end(exit(below(grandchild, us + 100)), None, None).unwrap().own);
    assert!(!table.end(exit(below(other, us + 100)), None, None).unwrap().own);
}

#[test]
fn an_end_that_a_walk_saw_first_still_gets_its_record() {
    let mut table = Table::default();
    table.exec(event(key(5, 50), 1, "a"), None);
    table.vanish(key(5, 50), Duration::from_secs(2));
    let ended = table.end(exit(event(key(5, 50), 3, "a")), None, None).expect("the report of its end");
    assert!(ended.end.is_some() && &*ended.argv == b"arg\0");
    assert_eq!((table.ended_len(), table.ended_order.len()), (1, 1));
    assert!(table.end(exit(event(key(5, 50), 3, "a")), None, None).is_none(), "once");
}

#[test]
fn both_halves_are_bounded() {
    let mut table = Table::default();
    for pid in 0..u32::try_from(LIVE_MAX).unwrap() + 3 {
        table.exec(event(key(pid, 1), 1, "a"), None);
    }
    // One that is known keeps its place; an end needs none.
    table.exec(event(key(0, 1), 2, "b"), None);
    assert!(table.end(exit(event(key(u32::MAX, 1), 2, "a")), None, None).is_some());
    assert_eq!((table.live_len(), table.refused), (LIVE_MAX, Refused { execs: 3, walks: 0 }));
    let host = Host::read("/proc".as_ref());
    let own = crate::scan::measure("/proc".as_ref(), std::process::id(), &host).unwrap();
    (0..2).for_each(|_| table.seen(&own, Duration::from_secs(3), &host));
    assert_eq!((table.live_len(), table.refused), (LIVE_MAX, Refused { execs: 3, walks: 2 }));
    let metrics = Metrics::new();
    // The second time there is nothing new.
    (0..2).for_each(|_| table.refused.report(&metrics));
    let loss = |way, kind| Loss { way, kind, reason: LossReason::ProcessTable };
    let want = [(loss(Way::CommonRing, EventKind::Exec), 3), (loss(Way::Scan, EventKind::Process), 2)];
    assert_eq!(metrics.coverage.now().evidence_lost, want.into());
    for pid in 0..u32::try_from(ENDED_MAX).unwrap() + 5 {
        table.end(exit(event(key(pid, 1), 2, "a")), None, None);
    }
    assert_eq!((table.ended_len(), table.ended_order.len()), (ENDED_MAX, ENDED_MAX));
    assert!(table.get(key(4, 1)).is_none() && table.get(key(5, 1)).is_some());
}
