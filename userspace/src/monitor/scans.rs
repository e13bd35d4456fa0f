//! What the scans of /proc add: measurements and zombies; and who is gone without a kernel event to say so.

use std::time::Duration;

use super::case::Material;
use super::raise::{Evidence, Record};
use super::{Monitor, located, roots};
use crate::host::boot_time;
use crate::kinds;
use crate::kinds::case::Draft;
use crate::metrics::StateLabel;
use crate::model::ProcessInfo;
use crate::observation::{ScanDone, SeenProcess};

impl Monitor {
    /// A scan saw a process.
    pub(super) fn on_seen(&mut self, seen: &SeenProcess) {
        let now = boot_time();
        if matches!(seen.state, 'Z' | 'X') {
            self.on_zombie(seen, now);
            return;
        }
        self.table.seen(seen, now, &self.host);
        if let Some(process) = self.table.get(seen.key).filter(|_| !seen.kernel_thread) {
            let began = process.began.unwrap_or_else(|| self.host.ticks_to_duration(seen.key.start_ticks));
            self.history.add(seen, began, now);
        }
        self.ask_watches(now, |watch, view, found| watch.saw(seen, view, found));
        let Some(process) = self.table.get_live_mut(seen.key) else { return };
        located::locate(&mut self.containers, process);
        if seen.details.is_some() {
            roots::keep_found(process, &self.kept);
            self.watches.iter_mut().for_each(|watch| watch.began(process, &self.limits, &self.metrics));
        }
    }

    fn on_zombie(&mut self, seen: &SeenProcess, now: Duration) {
        let ended = self.table.get(seen.key).and_then(|it| it.end.as_ref());
        let since = ended.map_or(now, |end| end.at);
        // Without a kernel event this is how its end is learnt.
        self.table.vanish(seen.key, now);
        self.zombies.add(seen, since, now);
    }

    /// A scan is over: what it did not see is gone, and what must hold across processes is judged.
    pub(super) fn on_scan_done(&mut self, done: ScanDone) {
        let now = boot_time();
        self.users.refresh(now);
        self.cgroups = std::mem::take(&mut self.cgroups_read);
        for key in self.table.silent_since(done.began) {
            self.table.vanish(key, now);
        }
        self.zombies.forget_unseen(done.began);
        self.history.forget_unseen(done.began);
        self.metrics.count_turned_away("history", std::mem::take(&mut self.history.refused));
        self.ask_watches(now, |watch, view, found| watch.scanned(done.began, view, found));
        self.standing.scanned(done.began, |kind| kinds::room(kind).lasts());
        self.table.forget_ended(now.saturating_sub(self.limits.ended_keep));
        self.table.refused.report(&self.metrics);
        for (state, count) in [("live", self.table.live_len()), ("ended", self.table.ended_len())] {
            let gauge = self.metrics.processes.get_or_create_owned(&StateLabel { state });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.health.first_scan_done();
    }

    pub(super) fn raise_condition(&mut self, draft: Draft, process: ProcessInfo, now: Duration) {
        let events_lost = self.losses.since_last(&self.metrics);
        self.standing.note(process.key(), &draft, now, &self.metrics);
        self.raiser.raise(
            draft,
            Material { process, at: now, events_lost },
            Evidence::Read,
            Record::default(),
        );
    }
}
