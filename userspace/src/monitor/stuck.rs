//! Threads that hang or spin, from one walk of /proc to the next: since when, and what they had done then.

use std::collections::HashMap;
use std::time::Duration;

use super::Monitor;
use super::ends::is_own;
use crate::host::Host;
use crate::kinds::cpu_spin::{self, Cpu, CpuPast, Spin};
use crate::kinds::hung_task::{self, Wait};
use crate::model::ProcessKey;
use crate::observation::{CloseLook, IoCounts, ThreadLook};

/// Most threads remembered.
const THREADS: usize = 8192;

/// What the looks need to remember.
#[derive(Default)]
pub(super) struct Stuck {
    threads: HashMap<(ProcessKey, u32), Episode>,
}

/// One thread since it was first seen in its present wait, or in its present run without progress.
struct Episode {
    first: ThreadLook,
    /// What its process had moved then.
    process_io: Option<IoCounts>,
    since: Duration,
    looks: u32,
    wakes: Option<u64>,
    /// The most tasks ready to run for each CPU meanwhile.
    crowd: u32,
    last: Duration,
}

impl Episode {
    fn new(look: &CloseLook, thread: &ThreadLook) -> Self {
        let (since, last) = (look.at, look.at);
        Self {
            first: thread.clone(),
            process_io: look.io,
            since,
            looks: 1,
            wakes: Some(0),
            crowd: look.crowd,
            last,
        }
    }

    /// Whether the thread still does what it did; if so, that is noted.
    fn goes_on(&mut self, look: &CloseLook, thread: &ThreadLook, host: &Host) -> bool {
        self.last = look.at;
        self.looks += 1;
        self.crowd = self.crowd.max(look.crowd);
        if thread.state != 'D' {
            return self.spin(look, thread, host).goes_on();
        }
        let wakes = hung_task::same_wait(&self.first, thread, look.at.saturating_sub(self.since));
        self.wakes = wakes.flatten();
        wakes.is_some()
    }

    fn wait<'a>(&self, look: &CloseLook, thread: &'a ThreadLook) -> Wait<'a> {
        let lasted = look.at.saturating_sub(self.since);
        Wait { thread, lasted, looks: self.looks, wakes: self.wakes, crowd: self.crowd }
    }

    fn spin<'a>(&'a self, look: &CloseLook, thread: &'a ThreadLook, host: &Host) -> Spin<'a> {
        let mode = |now: u64, first: u64| host.ticks_to_duration(now.saturating_sub(first));
        let cpu = Cpu {
            user: mode(thread.user_ticks, self.first.user_ticks),
            system: mode(thread.system_ticks, self.first.system_ticks),
        };
        let past = CpuPast {
            age: self.since.saturating_sub(host.ticks_to_duration(self.first.start_ticks)),
            cpu: host.ticks_to_duration(self.first.cpu_ticks()),
            queued: self.first.queued.unwrap_or_default(),
        };
        let moved = |io: Option<IoCounts>| io.map(|io| io.bytes);
        Spin {
            first: &self.first,
            now: thread,
            lasted: look.at.saturating_sub(self.since),
            looks: self.looks,
            cpu,
            past,
            others_work: moved(look.io) != moved(self.process_io),
        }
    }
}

impl Stuck {
    /// Forgets the threads that no walk since `began` looked at.
    pub(super) fn forget(&mut self, began: Duration) {
        self.threads.retain(|_, episode| episode.last >= began);
    }

    /// Notes a look; says how many threads found no room.
    fn note(&mut self, look: &CloseLook, host: &Host) -> u64 {
        let mut turned_away = 0;
        for thread in look.threads.iter().chain(&look.whole) {
            let id = (look.key, thread.tid);
            let goes_on =
                self.threads.get_mut(&id).is_some_and(|episode| episode.goes_on(look, thread, host));
            if goes_on {
                continue;
            }
            if self.threads.len() >= THREADS && !self.threads.contains_key(&id) {
                turned_away += 1;
                continue;
            }
            self.threads.insert(id, Episode::new(look, thread));
        }
        turned_away
    }

    /// The threads of a look with what is remembered of them.
    fn episodes<'a>(
        &'a self,
        look: &'a CloseLook,
        waiting: bool,
    ) -> impl Iterator<Item = (&'a Episode, &'a ThreadLook)> {
        look.threads
            .iter()
            .chain(&look.whole)
            .filter(move |thread| (thread.state == 'D') == waiting)
            .filter_map(|thread| Some((self.threads.get(&(look.key, thread.tid))?, thread)))
    }
}

impl Monitor {
    /// A walk looked closer at a process.
    pub(super) fn on_look(&mut self, look: &CloseLook) {
        self.ask_watches(look.at, |watch, view, found| watch.looked(look, view, found));
        let Some(process) = self.table.get(look.key).filter(|it| it.end.is_none() && !is_own(it)) else {
            return;
        };
        let info = process.info();
        let turned_away = self.stuck.note(look, &self.host);
        self.metrics.count_turned_away("stuck_threads", turned_away);
        let waits: Vec<_> =
            self.stuck.episodes(look, true).map(|(it, thread)| it.wait(look, thread)).collect();
        let spins: Vec<_> =
            self.stuck.episodes(look, false).map(|(it, thread)| it.spin(look, thread, &self.host)).collect();
        // A frozen process waits for its freezer, and says D wherever it was.
        let waits = if look.frozen { &[][..] } else { &waits };
        let drafts = [
            hung_task::detect(&info, waits, look.threads_total, &self.limits),
            cpu_spin::detect(&info, &spins, &self.limits),
        ];
        for draft in drafts.into_iter().flatten() {
            self.raise_condition(draft, info.clone(), look.at);
        }
    }
}

#[cfg(test)]
mod tests;
