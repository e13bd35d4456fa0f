//! Work that several threads of a process share: an interpreter's lock goes round, a runtime moves its tasks from thread
//! to thread. Each of them sleeps often, all of them together never do. What they have used is remembered from scan to
//! scan, to tell those that work from those that only are there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::task::{self, Careful};
use crate::host::Host;
use crate::observation::ThreadLook;

/// A process with more threads is not looked at as a whole.
const THREADS: usize = 128;
/// From this share of a core on, in percent, a thread has a part in the work.
const PART_PERCENT: u64 = 5;
/// Where a thread waits for another one of its process (kernel/futex/waitwake.c, and futex.c before 5.16).
const FUTEX: &str = "futex_";

/// What the threads of one process had used when it was last looked at.
#[derive(Default)]
pub(super) struct Shares {
    at: Duration,
    ticks: Vec<(u32, u64)>,
}

/// The process as a whole; `None` where nothing can be said of it yet.
pub(super) fn look(
    process: &Path,
    threads: &[ThreadLook],
    (at, host): (Duration, &Host),
    shares: &mut Shares,
    reader: &mut Careful<'_>,
) -> Option<ThreadLook> {
    if threads.len() > THREADS || threads.len() < 2 {
        return None;
    }
    let ticks = threads.iter().map(|it| (it.tid, it.cpu_ticks())).collect();
    let before = std::mem::replace(shares, Shares { at, ticks });
    if before.ticks.is_empty() {
        return None;
    }
    let elapsed = at.saturating_sub(before.at);
    let has_part = |thread: &ThreadLook| {
        let earlier = before.ticks.iter().find(|(tid, _)| *tid == thread.tid).map_or(0, |(_, ticks)| *ticks);
        let used = host.ticks_to_duration(thread.cpu_ticks().saturating_sub(earlier));
        used.as_micros() * 100 >= elapsed.as_micros() * u128::from(PART_PERCENT)
    };
    let directory = |thread: &ThreadLook| process.join("task").join(thread.tid.to_string());
    // What sleeps anywhere else waits for something that is not done here: a client, a disk, the time.
    let waits_for_others = |thread: &ThreadLook| {
        thread.state == 'R'
            || thread.state == 'S'
                && fs::read_to_string(directory(thread).join("wchan")).is_ok_and(|it| it.starts_with(FUTEX))
    };
    let at_work = threads.iter().filter(|thread| has_part(thread)).all(waits_for_others);
    let queued = |thread: &ThreadLook| {
        fs::read_to_string(directory(thread).join("schedstat")).ok().and_then(|it| task::queued(&it))
    };
    let queued = threads.iter().filter_map(queued).sum();
    let whole = task::stat(process)?;
    Some(ThreadLook {
        tid: ThreadLook::WHOLE,
        state: if at_work { 'R' } else { 'S' },
        queued: Some(queued),
        io: task::io(process, reader),
        ..whole
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::cmdline::Cmdlines as PatientReader;

    /// Threads 42, 43, … of process 42: their state, CPU ticks, and where they wait.
    fn write(process: &Path, threads: &[(char, u64, &str)]) -> Vec<ThreadLook> {
        let stat = |tid: usize, state, ticks: u64| {
            let fields: Vec<_> =
                (4..=52).map(|field| if field == 14 { ticks } else { 0 }.to_string()).collect();
            format!("{tid} (x) {state} {}", fields.join(" "))
        };
        fs::create_dir_all(process).unwrap();
        let total = threads.iter().map(|(_, ticks, _)| ticks).sum();
        fs::write(process.join("stat"), stat(42, 'S', total)).unwrap();
        let io = "rchar: 1\nwchar: 2\nsyscr: 5\nsyscw: 6\nread_bytes: 10\nwrite_bytes: 20\n";
        fs::write(process.join("io"), io).unwrap();
        let one = |(tid, (state, ticks, wchan)): (usize, &(char, u64, &str))| {
            let task = process.join("task").join(tid.to_string());
            fs::create_dir_all(&task).unwrap();
            fs::write(task.join("stat"), stat(tid, *state, *ticks)).unwrap();
            fs::write(task.join("wchan"), wchan).unwrap();
            fs::write(task.join("schedstat"), "1000 2000000000 9").unwrap();
            task::stat(&task).unwrap()
        };
        (42..).zip(threads).map(one).collect()
    }

    #[test]
    fn threads_that_wait_for_each_other_only_are_at_work() {
        let host = Host::sample();
        let root = tempfile::tempdir().unwrap();
        for (what, threads, want) in [
            ("a lock goes round", &[('R', 500, "0"), ('S', 400, "futex_wait_queue")][..], Some('R')),
            (
                "nobody at this moment",
                &[('S', 500, "futex_do_wait"), ('S', 400, "futex_wait_queue")],
                Some('R'),
            ),
            ("one waits for clients", &[('R', 900, "0"), ('S', 400, "ep_poll")], Some('S')),
            ("one waits for the disk", &[('R', 900, "0"), ('D', 400, "folio_wait_bit")], Some('S')),
            ("who waits for clients does nothing", &[('R', 900, "0"), ('S', 4, "ep_poll")], Some('R')),
            ("one thread alone", &[('R', 900, "0")], None),
        ] {
            let process = root.path().join(what).join("42");
            let (mut shares, mut reader) = (Shares::default(), PatientReader::default());
            let mut reader = Careful { reader: &mut reader, held_up: false };
            let mut at = |secs, threads: &[(char, u64, &str)]| {
                let threads = write(&process, threads);
                look(&process, &threads, (Duration::from_secs(secs), &host), &mut shares, &mut reader)
            };
            let idle: Vec<_> = threads.iter().map(|(state, _, wchan)| (*state, 0, *wchan)).collect();
            assert_eq!(at(10, &idle), None, "{what}: nothing to compare with");
            let whole = at(20, threads);
            assert_eq!(whole.as_ref().map(|it| it.state), want, "{what}");
            if let Some(whole) = whole {
                let total = threads.iter().map(|(_, ticks, _)| ticks).sum();
                let queued = Some(Duration::from_secs(2 * u64::try_from(threads.len()).unwrap()));
                assert_eq!((whole.tid, whole.user_ticks, whole.queued), (ThreadLook::WHOLE, total, queued));
                assert_eq!(whole.io.map(|io| io.bytes), Some(33));
            }
        }
    }
}
