//! What is a spin and what is work, and which of them an operator is told of.

mod golden;

use super::*;
use crate::kinds::fixture::healthy;
use crate::observation::IoCounts;

/// A third of the default: enough for a thread with a past.
const WINDOW: Duration = Duration::from_secs(600);

pub(super) fn process() -> ProcessInfo {
    let (name, exe) = ("worker".into(), Some("/usr/bin/worker".into()));
    ProcessInfo { pid: 42, name, exe, argv: vec!["worker".into(), "--fast".into()], ..healthy().process }
}

/// A thread after `secs` of an endless loop in user mode.
pub(super) fn spinning(secs: u64) -> ThreadLook {
    ThreadLook {
        tid: 42,
        comm: b"worker"[..].into(),
        state: 'R',
        start_ticks: 100,
        user_ticks: 500 + secs * 100,
        system_ticks: 50,
        faults: 200,
        voluntary_switches: Some(10),
        involuntary_switches: Some(secs * 4),
        queued: Some(Duration::from_secs(7)),
        io: Some(IoCounts { bytes: 9000, calls: 30 }),
        ..ThreadLook::default()
    }
}

pub(super) fn spin<'a>(first: &'a ThreadLook, now: &'a ThreadLook, lasted: Duration) -> Spin<'a> {
    let ticks = |now: u64, first: u64| Duration::from_millis((now - first) * 10);
    Spin {
        first,
        now,
        lasted,
        looks: 60,
        cpu: Cpu {
            user: ticks(now.user_ticks, first.user_ticks),
            system: ticks(now.system_ticks, first.system_ticks),
        },
        past: CpuPast {
            age: Duration::from_secs(7200),
            cpu: Duration::from_secs(30),
            queued: Duration::ZERO,
        },
        others_work: false,
    }
}

#[test]
fn whatever_moves_is_work() {
    let first = spinning(0);
    let now = || spinning(600);
    let io = |bytes, calls| Some(IoCounts { bytes, calls });
    for (what, now, want) in [
        ("an endless loop", now(), true),
        ("one byte", ThreadLook { io: io(9001, 31), ..now() }, false),
        ("a million empty reads", ThreadLook { io: io(9000, 1_000_030), ..now() }, true),
        ("not known what it moved", ThreadLook { io: None, ..now() }, false),
        ("memory that fills", ThreadLook { faults: 200 + 621, ..now() }, false),
        ("pages that came back", ThreadLook { faults: 200 + 620, ..now() }, true),
        ("it waits for work", ThreadLook { voluntary_switches: Some(10 + 3021), ..now() }, false),
        ("a short pause a few times a second", ThreadLook { voluntary_switches: Some(2600), ..now() }, true),
        ("not known how often it waits", ThreadLook { voluntary_switches: None, ..now() }, false),
        ("asleep at this look", ThreadLook { state: 'S', ..now() }, false),
        ("another program", ThreadLook { comm: b"gcc"[..].into(), ..now() }, false),
        ("a thread that took its number", ThreadLook { start_ticks: 7, ..now() }, false),
        ("a quarter of a core: the host is full", ThreadLook { user_ticks: 500 + 15_000, ..now() }, true),
        (
            "a quarter of a core, and it waits",
            ThreadLook { user_ticks: 500 + 15_000, voluntary_switches: Some(11), ..now() },
            false,
        ),
        (
            "a quarter of a core, some pauses, and else it waits for a CPU",
            ThreadLook {
                user_ticks: 500 + 15_000,
                voluntary_switches: Some(300),
                queued: Some(Duration::from_secs(400)),
                ..now()
            },
            true,
        ),
        ("hardly ever on a CPU", ThreadLook { user_ticks: 500 + 2_900, ..now() }, false),
    ] {
        assert_eq!(spin(&first, &now, WINDOW).goes_on(), want, "{what}");
    }
}

#[test]
fn how_long_it_takes_depends_on_its_past_and_its_priority() {
    let first = spinning(0);
    let limits = DetectLimits::default();
    let new = CpuPast { age: Duration::from_secs(1), cpu: Duration::from_secs(1), queued: Duration::ZERO };
    let idle = CpuPast { age: WINDOW, cpu: Duration::from_secs(299), queued: Duration::ZERO };
    let starved = CpuPast { queued: Duration::from_secs(10), ..idle };
    let busy = CpuPast { age: WINDOW, cpu: Duration::from_secs(590), queued: Duration::ZERO };
    for (what, past, secs, nice, policy, want) in [
        ("an idle service", idle, 600, 0, 0, Some(Severity::Warning)),
        ("an idle service, too early", idle, 599, 0, 0, None),
        ("one that waited for a CPU", starved, 600, 0, 0, None),
        ("one that waited for a CPU, long", starved, 1800, 0, 0, Some(Severity::Warning)),
        ("a new program", new, 600, 0, 0, None),
        ("a new program, long", new, 1800, 0, 0, Some(Severity::Warning)),
        ("one that computes since long", busy, 1799, 0, 0, None),
        ("a job with low priority", idle, 1799, 10, 0, None),
        ("a job with low priority, long", idle, 1800, 10, 0, Some(Severity::Warning)),
        ("a job with the lowest priority", idle, 1800, 19, 0, Some(Severity::Info)),
        ("a batch policy", new, 1800, 0, SCHED_BATCH, Some(Severity::Warning)),
        ("takes what nobody wants", new, 1800, 0, SCHED_IDLE, Some(Severity::Info)),
        ("real-time", idle, 600, 0, SCHED_FIFO, Some(Severity::Critical)),
    ] {
        let now = ThreadLook { nice, policy, ..spinning(secs) };
        let spin = Spin { past, ..spin(&first, &now, Duration::from_secs(secs)) };
        assert_eq!(detect(&process(), &[spin], &limits).map(|it| it.severity), want, "{what}");
        assert_eq!(detect(&process(), &[Spin { looks: 2, ..spin }], &limits), None, "{what}");
    }
}

#[test]
fn a_pool_of_workers_is_no_spin() {
    let first = spinning(0);
    let new = CpuPast::default();
    let idle =
        CpuPast { age: Duration::from_secs(7200), cpu: Duration::from_secs(30), queued: Duration::ZERO };
    for (what, past, sleeps, others_work, want) in [
        ("a worker of a compressor", new, 3, true, false),
        ("a thread that never waits beside others that work", new, 2, true, true),
        ("a request handler that came to hang", idle, 300, true, true),
        ("the same, and nobody works", new, 300, false, true),
    ] {
        let now = ThreadLook { voluntary_switches: Some(10 + sleeps), ..spinning(1800) };
        let spin = Spin { past, others_work, ..spin(&first, &now, Duration::from_secs(1800)) };
        assert_eq!(detect(&process(), &[spin], &DetectLimits::default()).is_some(), want, "{what}");
    }
}

/// All threads of a process after `secs` of an endless loop in each, one at a time.
fn whole(secs: u64) -> ThreadLook {
    ThreadLook { tid: ThreadLook::WHOLE, voluntary_switches: None, ..spinning(secs) }
}

#[test]
fn threads_that_take_turns_are_judged_as_one() {
    let first = whole(0);
    let limits = DetectLimits::default();
    let long = limits.spin_window.as_secs();
    for (what, now, secs, want) in [
        ("for the window", whole(long), long, Some(Severity::Warning)),
        ("for a third of it, idle before", whole(long / 3), long / 3, None),
        ("one waits for something else", ThreadLook { state: 'S', ..whole(long) }, long, None),
        ("a byte", ThreadLook { io: Some(IoCounts { bytes: 9001, calls: 30 }), ..whole(long) }, long, None),
        ("new memory", ThreadLook { faults: 200 + long * 2, ..whole(long) }, long, None),
        ("half of the time", whole(long / 2), long, None),
        (
            "half of the time, and else it waits for a CPU",
            ThreadLook { queued: Some(Duration::from_secs(7 + long / 2)), ..whole(long / 2) },
            long,
            Some(Severity::Warning),
        ),
    ] {
        let spin = spin(&first, &now, Duration::from_secs(secs));
        assert_eq!(detect(&process(), &[spin], &limits).map(|it| it.severity), want, "{what}");
    }
    let (one, now, all) = (spinning(0), spinning(long), whole(long));
    let lasted = limits.spin_window;
    let both = [spin(&first, &all, lasted), spin(&one, &now, lasted)];
    let draft = detect(&process(), &both, &limits).unwrap();
    let one = draft.facts[0].data.as_spin();
    assert!(matches!(one, Some(SpinFact::SpinningThread { thread, .. }) if thread.is_main), "{one:?}");
    let all = detect(&process(), &both[..1], &limits).unwrap().facts[0].data.clone();
    assert!(matches!(all.as_spin(), Some(SpinFact::SpinByTurns { .. })), "{all:?}");
}

#[test]
fn a_command_and_a_pool_get_the_whole_window() {
    let (first, now) = (spinning(0), spinning(600));
    let rustc = ProcessInfo { exe: Some("/usr/bin/rustc".into()), ..process() };
    let limits = DetectLimits::default();
    let spin = spin(&first, &now, WINDOW);
    assert!(detect(&process(), &[spin], &limits).is_some());
    assert!(detect(&rustc, &[spin], &limits).is_none());
    let window = limits.spin_window;
    let long = |cpu_s| Spin {
        lasted: window,
        cpu: Cpu { user: Duration::from_secs(cpu_s), system: Duration::ZERO },
        ..spin
    };
    assert!(detect(&rustc, &[long(1800)], &limits).is_some(), "a compiler that never ends");
    let full_host = ThreadLook { queued: Some(Duration::from_secs(1500)), ..now.clone() };
    let starved = Spin { now: &full_host, ..long(600) };
    assert!(detect(&rustc, &[starved], &limits).is_none(), "a compiler that has had little of the CPUs");
    assert!(detect(&process(), &[starved], &limits).is_some(), "a server that has");
    assert!(detect(&process(), &[Spin { others_work: true, ..spin }], &limits).is_none());
}
