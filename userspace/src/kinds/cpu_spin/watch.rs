//! From scan to scan: which threads have run all the time and moved nothing.

use std::time::Duration;

use super::{Cpu, CpuPast, Spin, detect};
use crate::host::Host;
use crate::kinds::shared::episodes::{Episode, Episodes};
use crate::kinds::watch::{Found, View, Watch};
use crate::observation::{CloseLook, IoCounts, ThreadLook};

/// The threads that run.
#[derive(Default)]
pub struct SpinWatch {
    runs: Episodes,
}

impl Watch for SpinWatch {
    fn looked(&mut self, look: &CloseLook, view: View<'_>, found: &mut Vec<Found>) {
        let Some(process) = view.suspect(look.key) else { return };
        view.metrics.count_turned_away("stuck_threads", self.note(look, view.host));
        let (info, spins) = (process.info(), self.spins(look, view.host));
        let draft = detect(&info, &spins, view.limits);
        found.extend(draft.map(|draft| Found { draft, process: info }));
    }

    fn scanned(&mut self, began: Duration, _view: View<'_>, _found: &mut Vec<Found>) {
        self.runs.forget_unseen(began);
    }
}

impl SpinWatch {
    /// Says how many threads found no room.
    fn note(&mut self, look: &CloseLook, host: &Host) -> u64 {
        self.runs.note(look, running(look), |episode, thread| spin(episode, look, thread, host).goes_on())
    }

    fn spins<'a>(&'a self, look: &'a CloseLook, host: &Host) -> Vec<Spin<'a>> {
        let spin = |thread| Some(spin(self.runs.of(look.key, thread)?, look, thread, host));
        running(look).filter_map(spin).collect()
    }
}

fn running(look: &CloseLook) -> impl Iterator<Item = &ThreadLook> {
    look.threads.iter().chain(&look.whole).filter(|thread| thread.state != 'D')
}

fn spin<'a>(episode: &'a Episode, look: &CloseLook, thread: &'a ThreadLook, host: &Host) -> Spin<'a> {
    let first = &episode.first;
    let mode = |now: u64, first: u64| host.ticks_to_duration(now.saturating_sub(first));
    let cpu = Cpu {
        user: mode(thread.user_ticks, first.user_ticks),
        system: mode(thread.system_ticks, first.system_ticks),
    };
    let past = CpuPast {
        age: episode.since.saturating_sub(host.ticks_to_duration(first.start_ticks)),
        cpu: host.ticks_to_duration(first.cpu_ticks()),
        queued: first.queued.unwrap_or_default(),
    };
    let moved = |io: Option<IoCounts>| io.map(|io| io.bytes);
    let others_work = moved(look.io) != moved(episode.process_io);
    let (lasted, looks) = (episode.lasted(look), episode.looks);
    Spin { first, now: thread, lasted, looks, cpu, past, others_work }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProcessKey;

    fn look(at: u64, threads: Vec<ThreadLook>) -> CloseLook {
        let key = ProcessKey { pid: 42, start_ticks: 100 };
        CloseLook { key, at: Duration::from_secs(at), threads_total: 2, threads, ..CloseLook::default() }
    }

    fn running(tid: u32, secs: u64, bytes: u64) -> ThreadLook {
        ThreadLook {
            tid,
            state: 'R',
            start_ticks: 100,
            user_ticks: secs * 100,
            voluntary_switches: Some(1),
            involuntary_switches: Some(0),
            io: Some(IoCounts { bytes, calls: 0 }),
            ..ThreadLook::default()
        }
    }

    fn waiting(tid: u32) -> ThreadLook {
        ThreadLook { state: 'D', ..running(tid, 1, 7) }
    }

    /// How long each thread of the last look has run, in seconds.
    fn lasted(looks: &[CloseLook]) -> Vec<(u32, u64)> {
        let mut watch = SpinWatch::default();
        for look in looks {
            assert_eq!(watch.note(look, &Host::sample()), 0);
            watch.runs.forget_unseen(look.at);
        }
        let spins = watch.spins(looks.last().unwrap(), &Host::sample());
        spins.iter().map(|it| (it.now.tid, it.lasted.as_secs())).collect()
    }

    #[test]
    fn a_run_lasts_as_long_as_nothing_moves() {
        for (what, looks, want) in [
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
                "it waited between: a second run",
                vec![
                    look(10, vec![running(42, 1, 7)]),
                    look(20, vec![waiting(42)]),
                    look(30, vec![running(42, 21, 7)]),
                ],
                vec![(42, 0)],
            ),
            ("it only waits", vec![look(10, vec![waiting(42)]), look(20, vec![waiting(42)])], vec![]),
        ] {
            assert_eq!(lasted(&looks), want, "{what}");
        }
    }

    #[test]
    fn the_past_and_the_others_are_known() {
        let mut watch = SpinWatch::default();
        let with_io = |at, secs, bytes| CloseLook {
            io: Some(IoCounts { bytes, calls: 0 }),
            ..look(at, vec![running(43, secs, 7)])
        };
        // 41 s old at the first look, with 2 s of CPU time.
        let (first, second) = (with_io(42, 2, 100), with_io(52, 12, 200));
        watch.note(&first, &Host::sample());
        watch.note(&second, &Host::sample());
        let spins = watch.spins(&second, &Host::sample());
        let spin = spins.first().unwrap();
        assert_eq!(
            spin.past,
            CpuPast { age: Duration::from_secs(41), cpu: Duration::from_secs(2), queued: Duration::ZERO }
        );
        assert_eq!((spin.cpu.user, spin.others_work, spin.looks), (Duration::from_secs(10), true, 2));
    }
}
