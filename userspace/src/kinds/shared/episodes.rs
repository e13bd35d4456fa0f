//! Threads that do one and the same thing from look to look: since when, and what they had done then. What one and the
//! same thing is, each kind says for itself.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::ProcessKey;
use crate::observation::{CloseLook, IoCounts, ThreadLook};

/// Most threads that are remembered from scan to scan.
const THREADS: usize = 8192;

/// The threads that are watched.
#[derive(Default)]
pub struct Episodes {
    threads: HashMap<(ProcessKey, u32), Episode>,
}

/// One thread since it was first seen at what it does.
pub struct Episode {
    /// The thread at the first look.
    pub first: ThreadLook,
    /// What its process had moved then.
    pub process_io: Option<IoCounts>,
    /// When that look was.
    pub since: Duration,
    /// Looks, the first and the last included.
    pub looks: u32,
    /// The most tasks ready to run for each CPU meanwhile.
    pub crowd: u32,
    last: Duration,
}

impl Episode {
    fn new(look: &CloseLook, thread: &ThreadLook) -> Self {
        let (first, process_io) = (thread.clone(), look.io);
        Self { first, process_io, since: look.at, looks: 1, crowd: look.crowd, last: look.at }
    }

    /// The time from the first look to this one.
    pub fn lasted(&self, look: &CloseLook) -> Duration {
        look.at.saturating_sub(self.since)
    }
}

impl Episodes {
    /// Notes these threads of a look, of which `goes_on` says whether they still do the same; says how many found no
    /// room.
    pub fn note<'a>(
        &mut self,
        look: &CloseLook,
        threads: impl Iterator<Item = &'a ThreadLook>,
        goes_on: impl Fn(&Episode, &ThreadLook) -> bool,
    ) -> u64 {
        let mut turned_away = 0;
        for thread in threads {
            let id = (look.key, thread.tid);
            if let Some(episode) = self.threads.get_mut(&id) {
                if goes_on(episode, thread) {
                    (episode.last, episode.looks) = (look.at, episode.looks + 1);
                    episode.crowd = episode.crowd.max(look.crowd);
                } else {
                    *episode = Episode::new(look, thread);
                }
            } else if self.threads.len() >= THREADS {
                turned_away += 1;
            } else {
                self.threads.insert(id, Episode::new(look, thread));
            }
        }
        turned_away
    }

    /// What is remembered of a thread.
    pub fn of(&self, key: ProcessKey, thread: &ThreadLook) -> Option<&Episode> {
        self.threads.get(&(key, thread.tid))
    }

    /// Forgets the threads that no scan since `began` looked at: they did something else.
    pub fn forget_unseen(&mut self, began: Duration) {
        self.threads.retain(|_, episode| episode.last >= began);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at: u64, start_ticks: u64, tids: std::ops::Range<u32>) -> CloseLook {
        let thread = |tid| ThreadLook { tid, start_ticks, ..ThreadLook::default() };
        CloseLook {
            key: ProcessKey { pid: 42, start_ticks },
            at: Duration::from_secs(at),
            crowd: 60 - u32::try_from(at).unwrap(),
            threads: tids.map(thread).collect(),
            ..CloseLook::default()
        }
    }

    fn note(episodes: &mut Episodes, look: &CloseLook, goes_on: bool) -> u64 {
        let turned_away = episodes.note(look, look.threads.iter(), |_, _| goes_on);
        episodes.forget_unseen(look.at);
        turned_away
    }

    /// For how long, in how many looks and how crowded the only thread of the look is.
    fn episode(episodes: &Episodes, look: &CloseLook) -> (u64, u32, u32) {
        let it = episodes.of(look.key, &look.threads[0]).unwrap();
        (it.lasted(look).as_secs(), it.looks, it.crowd)
    }

    #[test]
    fn an_episode_lasts_until_something_else_is_done() {
        let mut episodes = Episodes::default();
        let looks = [10, 20, 30, 40].map(|at| look(at, 100, 43..44));
        let mut seen = Vec::new();
        for (look, goes_on) in looks.iter().zip([true, true, true, false]) {
            note(&mut episodes, look, goes_on);
            seen.push(episode(&episodes, look));
        }
        assert_eq!(seen, [(0, 1, 50), (10, 2, 50), (20, 3, 50), (0, 1, 20)]);
    }

    #[test]
    fn what_a_scan_did_not_see_and_a_reused_pid_begin_anew() {
        let mut episodes = Episodes::default();
        note(&mut episodes, &look(10, 100, 43..44), true);
        note(&mut episodes, &look(20, 100, 0..0), true);
        let again = look(30, 100, 43..44);
        note(&mut episodes, &again, true);
        assert_eq!(episode(&episodes, &again), (0, 1, 30));
        let other = look(40, 2000, 43..44);
        note(&mut episodes, &other, true);
        assert_eq!(episode(&episodes, &other), (0, 1, 20));
    }

    #[test]
    fn no_more_threads_are_remembered_than_the_limit() {
        let mut episodes = Episodes::default();
        let most = u32::try_from(THREADS).unwrap();
        assert_eq!(note(&mut episodes, &look(10, 100, 0..most + 7), true), 7);
        assert_eq!(note(&mut episodes, &look(20, 100, 0..most), true), 0);
        assert_eq!(episodes.threads.len(), THREADS);
    }
}
