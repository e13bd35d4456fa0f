//! Histories: what is kept, how thin, for whom, and that it stays small.

use super::*;
use crate::observation::Session;

const WINDOW: Duration = Duration::from_secs(600);
const HORIZON: Duration = Duration::from_secs(6 * 3600);

fn seen(pid: u32, anon_mib: Option<u64>, fds: Option<u64>, threads: u64) -> SeenProcess {
    SeenProcess {
        key: ProcessKey { pid, start_ticks: 1 },
        ppid: 1,
        session: Session { id: 1, group: pid, has_terminal: false },
        comm: b"app"[..].into(),
        state: 'S',
        cpu_ticks: 0,
        threads,
        rss_bytes: anon_mib.unwrap_or(0) << 20,
        anon_bytes: anon_mib.map(|mib| mib << 20),
        shmem_bytes: None,
        tables_bytes: None,
        size_bytes: 0,
        kernel_thread: false,
        fds,
        fd_limit: None,
        moved_to: None,
        details: None,
    }
}

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn filled(secs: u64, every: u64, fds: impl Fn(u64) -> u64) -> History {
    let mut history = History::new(WINDOW, HORIZON);
    for now in (0..=secs).step_by(usize::try_from(every).unwrap()) {
        history.add(&seen(5, None, Some(fds(now)), 1), Duration::ZERO, at(now));
    }
    history
}

fn only(history: &History) -> &Series {
    history.series.get(&ProcessKey { pid: 5, start_ticks: 1 }).unwrap()
}

#[test]
fn a_day_of_walks_leaves_few_points_that_cover_the_stretches() {
    let history = filled(86_400, 10, |now| 100 + now / 1000);
    let series = only(&history);
    assert!(series.recent.points.len() <= POINTS && series.long.points.len() <= POINTS);
    let recent = series.recent(Measure::Fds, WINDOW, WINDOW);
    assert!(recent.len() >= POINTS / 2 && recent.len() <= POINTS, "{}", recent.len());
    assert!((86_400.0 - recent[0].0) > 500.0 && recent[recent.len() - 1] == (86_400.0, 186.0));
    let long = series.long(Measure::Fds, WINDOW);
    let covered = long[long.len() - 1].0 - long[0].0;
    assert!((21_600.0..30_000.0).contains(&covered), "{covered}");
    assert!(long.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(series.latest(Measure::Fds), Some(186));
    assert_eq!(series.latest(Measure::AnonKib), None, "absent, not 0");
}

#[test]
fn the_past_is_remembered_by_its_largest_value() {
    let history = filled(86_400, 10, |now| if now == 20_000 || now < 9_000 { 5000 } else { 40 });
    let series = only(&history);
    assert_eq!(series.peak_before(Measure::Fds, 80_000.0), Some(5000));
    assert_eq!(series.peak_before(Measure::AnonKib, 80_000.0), None);
    let short = filled(100, 10, |_| 40);
    assert_eq!(only(&short).peak_before(Measure::Fds, 0.0), None);
}

#[test]
fn the_start_of_a_program_does_not_count() {
    let mut history = History::new(WINDOW, HORIZON);
    for now in (1000..=2300).step_by(10) {
        history.add(&seen(5, None, Some(50), 1), at(1000), at(now));
    }
    let recent = only(&history).recent(Measure::Fds, WINDOW, WINDOW);
    assert!(recent[0].0 >= 1700.0, "{:?}", recent[0]);
    let long = only(&history).long(Measure::Fds, WINDOW);
    assert!(long[0].0 >= 1600.0, "{:?}", long[0]);
}

#[test]
fn small_processes_have_no_history_until_they_grow() {
    let mut history = History::new(WINDOW, HORIZON);
    for (pid, process) in [
        (1, seen(1, None, Some(31), 15)),
        (2, seen(2, None, Some(32), 1)),
        (3, seen(3, None, None, 16)),
        (4, seen(4, Some(20), None, 1)),
        (5, SeenProcess { kernel_thread: true, ..seen(5, None, None, 99) }),
    ] {
        history.add(&process, Duration::ZERO, at(1));
        let kept = history.series.contains_key(&ProcessKey { pid, start_ticks: 1 });
        assert_eq!(kept, matches!(pid, 2..=4), "{pid}");
    }
    history.add(&seen(2, None, Some(3), 1), Duration::ZERO, at(2));
    let two = history.series.get(&ProcessKey { pid: 2, start_ticks: 1 }).unwrap();
    assert_eq!(two.recent(Measure::Fds, WINDOW, WINDOW).len(), 0, "start-up");
    assert_eq!(two.latest(Measure::Fds), Some(3), "once kept, always kept");
}

#[test]
fn ends_new_programs_and_reused_pids_begin_anew() {
    let mut history = filled(100, 10, |_| 50);
    history.forget(ProcessKey { pid: 5, start_ticks: 2 });
    assert_eq!(history.series.len(), 1, "another process with that pid");
    history.forget_unseen(at(100));
    assert_eq!(history.series.len(), 1);
    history.forget_unseen(at(101));
    assert_eq!(history.series.len(), 0);
}

#[test]
fn it_is_bounded_and_says_what_it_refused() {
    let mut history = History::new(WINDOW, HORIZON);
    for pid in 0..u32::try_from(PROCESSES).unwrap() + 7 {
        history.add(&seen(pid, None, Some(50), 1), Duration::ZERO, at(1));
    }
    assert_eq!((history.series.len(), history.refused), (PROCESSES, 7));
    assert!(size_of::<Point>() * POINTS * 2 + size_of::<Series>() <= 1536);
}
