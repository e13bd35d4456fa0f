//! From scan to scan: which threads are still in the wait that they were in.

use std::time::Duration;

use super::stopped::Stopped;
use super::{Wait, detect, is_waiting, same_wait};
use crate::kinds::shared::episodes::Episodes;
use crate::kinds::watch::{Found, View, Watch};
use crate::observation::{CloseLook, SeenProcess, ThreadLook};

/// The threads that wait.
#[derive(Default)]
pub struct HungWatch {
    waits: Episodes,
    stopped: Stopped,
}

impl Watch for HungWatch {
    fn saw(&mut self, seen: &SeenProcess, view: View<'_>, found: &mut Vec<Found>) {
        let Some(stop) = self.stopped.note(seen, view.now) else { return };
        let Some(process) = view.suspect(seen.key) else { return };
        let draft = stop.judge(view.limits);
        found.extend(draft.map(|draft| Found { draft, process: process.info() }));
    }

    fn looked(&mut self, look: &CloseLook, view: View<'_>, found: &mut Vec<Found>) {
        let Some(process) = view.suspect(look.key) else { return };
        view.metrics.count_turned_away("stuck_threads", self.note(look));
        // A frozen process waits for its freezer, and says D wherever it was.
        if look.frozen {
            return;
        }
        let (info, waits) = (process.info(), self.waits(look));
        let draft = detect(&info, &waits, look.threads_total, view.limits);
        found.extend(draft.map(|draft| Found { draft, process: info }));
    }

    fn scanned(&mut self, began: Duration, _view: View<'_>, _found: &mut Vec<Found>) {
        self.waits.forget_unseen(began);
        self.stopped.forget_unseen(began);
    }
}

impl HungWatch {
    /// Says how many threads found no room.
    fn note(&mut self, look: &CloseLook) -> u64 {
        self.waits.note(look, waiting(look), |episode, thread| {
            same_wait(&episode.first, thread, episode.lasted(look)).is_some()
        })
    }

    fn waits<'a>(&self, look: &'a CloseLook) -> Vec<Wait<'a>> {
        let wait = |thread| {
            let episode = self.waits.of(look.key, thread)?;
            let lasted = episode.lasted(look);
            let wakes = same_wait(&episode.first, thread, lasted).flatten();
            Some(Wait { thread, lasted, looks: episode.looks, wakes, crowd: episode.crowd })
        };
        waiting(look).filter_map(wait).collect()
    }
}

fn waiting(look: &CloseLook) -> impl Iterator<Item = &ThreadLook> {
    look.threads.iter().filter(|thread| is_waiting(thread))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProcessKey;

    fn look(at: u64, threads: Vec<ThreadLook>) -> CloseLook {
        let key = ProcessKey { pid: 42, start_ticks: 100 };
        CloseLook { key, at: Duration::from_secs(at), threads_total: 2, threads, ..CloseLook::default() }
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

    fn running(tid: u32) -> ThreadLook {
        ThreadLook { state: 'R', ..waiting(tid, 1) }
    }

    /// How long each thread of the last look has waited, in seconds, and how often it woke.
    fn lasted(looks: &[CloseLook]) -> Vec<(u32, u64, Option<u64>)> {
        let mut watch = HungWatch::default();
        for look in looks {
            assert_eq!(watch.note(look), 0);
            watch.waits.forget_unseen(look.at);
        }
        let waits = watch.waits(looks.last().unwrap());
        waits.iter().map(|it| (it.thread.tid, it.lasted.as_secs(), it.wakes)).collect()
    }

    #[test]
    fn a_wait_lasts_as_long_as_nothing_moves() {
        for (what, looks, want) in [
            (
                "one wait, of a thread that is not the leader",
                vec![
                    look(10, vec![waiting(43, 5)]),
                    look(20, vec![waiting(43, 5)]),
                    look(30, vec![waiting(43, 5)]),
                ],
                vec![(43, 20, Some(0))],
            ),
            (
                "a second wait",
                vec![
                    look(10, vec![waiting(43, 5)]),
                    look(20, vec![waiting(43, 9)]),
                    look(30, vec![waiting(43, 9)]),
                ],
                vec![(43, 10, Some(0))],
            ),
            (
                "gone for a look: it did something else",
                vec![look(10, vec![waiting(43, 5)]), look(20, vec![]), look(30, vec![waiting(43, 5)])],
                vec![(43, 0, Some(0))],
            ),
            (
                "it ran between: a second wait",
                vec![
                    look(10, vec![waiting(42, 1)]),
                    look(20, vec![running(42)]),
                    look(30, vec![waiting(42, 1)]),
                ],
                vec![(42, 0, Some(0))],
            ),
            (
                "from running to waiting",
                vec![look(10, vec![running(42)]), look(20, vec![waiting(42, 1)])],
                vec![(42, 0, Some(0))],
            ),
            ("it only runs", vec![look(10, vec![running(42)]), look(20, vec![running(42)])], vec![]),
        ] {
            assert_eq!(lasted(&looks), want, "{what}");
        }
    }
}
