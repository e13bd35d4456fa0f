//! Looks that follow each other: what goes on, what begins anew, what is forgotten.

use super::*;

fn look(at: u64, threads: Vec<ThreadLook>) -> CloseLook {
    let key = ProcessKey { pid: 42, start_ticks: 100 };
    CloseLook {
        key,
        at: Duration::from_secs(at),
        threads_total: 2,
        crowd: 1,
        frozen: false,
        io: None,
        threads,
        whole: None,
    }
}

fn waiting(tid: u32, switches: u64) -> ThreadLook {
    ThreadLook {
        tid,
        state: 'D',
        start_ticks: 100,
        voluntary_switches: Some(switches),
        involuntary_switches: Some(0),
        ..ThreadLook::default()
    }
}

fn running(tid: u32, secs: u64, bytes: u64) -> ThreadLook {
    ThreadLook {
        state: 'R',
        user_ticks: secs * 100,
        io: Some(IoCounts { bytes, calls: 0 }),
        ..waiting(tid, 1)
    }
}

/// How long each thread of the last look has done what it does, in seconds.
fn lasted(looks: &[CloseLook]) -> Vec<(u32, u64)> {
    let mut stuck = Stuck::default();
    for look in looks {
        assert_eq!(stuck.note(look, &Host::sample()), 0);
        stuck.forget(look.at);
    }
    let last = looks.last().unwrap();
    let waits = stuck.episodes(last, true).map(|(it, thread)| (thread.tid, it.wait(last, thread).lasted));
    let spins = stuck
        .episodes(last, false)
        .map(|(it, thread)| (thread.tid, it.spin(last, thread, &Host::sample()).lasted));
    waits.chain(spins).map(|(tid, lasted)| (tid, lasted.as_secs())).collect()
}

#[test]
fn an_episode_lasts_as_long_as_nothing_moves() {
    for (what, looks, want) in [
        (
            "one wait, of a thread that is not the leader",
            vec![
                look(10, vec![waiting(43, 5)]),
                look(20, vec![waiting(43, 5)]),
                look(30, vec![waiting(43, 5)]),
            ],
            vec![(43, 20)],
        ),
        (
            "a second wait",
            vec![
                look(10, vec![waiting(43, 5)]),
                look(20, vec![waiting(43, 9)]),
                look(30, vec![waiting(43, 9)]),
            ],
            vec![(43, 10)],
        ),
        (
            "gone for a look: it did something else",
            vec![look(10, vec![waiting(43, 5)]), look(20, vec![]), look(30, vec![waiting(43, 5)])],
            vec![(43, 0)],
        ),
        (
            "a run without progress",
            vec![look(10, vec![running(42, 1, 7)]), look(20, vec![running(42, 11, 7)])],
            vec![(42, 10)],
        ),
        (
            "a byte begins it anew",
            vec![
                look(10, vec![running(42, 1, 7)]),
                look(20, vec![running(42, 11, 8)]),
                look(30, vec![running(42, 21, 8)]),
            ],
            vec![(42, 10)],
        ),
        (
            "from running to waiting",
            vec![look(10, vec![running(42, 1, 7)]), look(20, vec![waiting(42, 1)])],
            vec![(42, 0)],
        ),
    ] {
        assert_eq!(lasted(&looks), want, "{what}");
    }
}

#[test]
fn a_reused_pid_begins_anew() {
    let mut other = look(20, vec![waiting(42, 5)]);
    other.key.start_ticks = 2000;
    assert_eq!(lasted(&[look(10, vec![waiting(42, 5)]), other]), [(42, 0)]);
}

#[test]
fn the_past_and_the_others_are_known() {
    let mut stuck = Stuck::default();
    let with_io = |at, secs, bytes| CloseLook {
        io: Some(IoCounts { bytes, calls: 0 }),
        ..look(at, vec![running(43, secs, 7)])
    };
    // 41 s old at the first look, with 2 s of CPU time.
    let (first, second) = (with_io(42, 2, 100), with_io(52, 12, 200));
    stuck.note(&first, &Host::sample());
    stuck.note(&second, &Host::sample());
    let (episode, thread) = stuck.episodes(&second, false).next().unwrap();
    let spin = episode.spin(&second, thread, &Host::sample());
    assert_eq!(
        spin.past,
        CpuPast { age: Duration::from_secs(41), cpu: Duration::from_secs(2), queued: Duration::ZERO }
    );
    assert_eq!((spin.cpu.user, spin.others_work, spin.looks), (Duration::from_secs(10), true, 2));
}

#[test]
fn no_more_threads_are_remembered_than_the_limit() {
    let mut stuck = Stuck::default();
    let most = u32::try_from(THREADS).unwrap();
    let crowd = |tids: std::ops::Range<u32>| look(10, tids.map(|tid| waiting(tid, 5)).collect());
    assert_eq!(stuck.note(&crowd(0..most + 7), &Host::sample()), 7);
    assert_eq!((stuck.note(&crowd(0..most), &Host::sample()), stuck.threads.len()), (0, THREADS));
}
