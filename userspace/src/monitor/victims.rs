//! Victims of the OOM killer between the choice and the end, of which either may be reported first.

use std::collections::HashMap;
use std::time::Duration;

use super::raise::Reading;
use crate::model::ProcessKey;
use crate::observation::OomVictim;
use crate::state::process::{Process, lossy};

/// How long a chosen victim may take to end before the case is raised without its end.
const VICTIM_PATIENCE: Duration = Duration::from_secs(3);
/// Most victims waited for at once.
const VICTIMS: usize = 256;
/// How long the end of a victim waits for the word of who chose it: the kernel marks it before it reports (kernel
/// mm/oom_kill.c, `mark_oom_victim`), and another CPU may end it in between.
pub(super) const WORD_PATIENCE: Duration = Duration::from_millis(50);
/// Most ends that wait so.
const EARLY: usize = 64;

/// What is waited for.
#[derive(Default)]
pub(super) struct Victims {
    chosen: HashMap<u32, Chosen>,
    early: Vec<EarlyEnd>,
}

/// A victim whose end has not been reported yet.
pub(super) struct Chosen {
    pub(super) victim: OomVictim,
    /// Its files, being read while they are there.
    pub(super) reading: Option<Reading>,
}

impl Chosen {
    /// Pid and name of who was allocating.
    pub(super) fn trigger(&self) -> (u32, String) {
        (self.victim.trigger.pid, lossy(&self.victim.trigger_comm))
    }
}

/// The end of a victim of which nobody has said yet who chose it; or of a process that killed itself with its child, whose
/// end may be reported next.
pub(super) struct EarlyEnd {
    pub(super) process: Process,
    pub(super) starter: ProcessKey,
    until: Duration,
}

impl Victims {
    /// Waits for its end; `false`: too many are waited for.
    pub(super) fn choose(&mut self, chosen: Chosen) -> bool {
        let has_room = self.chosen.len() < VICTIMS;
        if has_room {
            self.chosen.insert(chosen.victim.pid, chosen);
        }
        has_room
    }

    /// The choice of who has ended now.
    pub(super) fn take(&mut self, pid: u32) -> Option<Chosen> {
        self.chosen.remove(&pid)
    }

    /// Victims that were chosen but whose end nobody has reported: stuck, or its report was lost.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<(u32, Chosen)> {
        self.chosen.extract_if(|_, it| it.victim.at + VICTIM_PATIENCE < now).collect()
    }

    /// Whether one more end can wait.
    pub(super) const fn has_room_for_early(&self) -> bool {
        self.early.len() < EARLY
    }

    /// An end waits for the word of who chose the process.
    pub(super) fn wait(&mut self, process: Process, starter: ProcessKey, now: Duration) {
        self.early.push(EarlyEnd { process, starter, until: now + WORD_PATIENCE });
    }

    /// Whether ends wait for who chose them.
    pub(super) const fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// The end of this victim, where it was reported first.
    pub(super) fn ended_early(&mut self, victim: &OomVictim) -> Option<EarlyEnd> {
        let at = self.early.iter().position(|it| is_victim(it.process.key, victim))?;
        Some(self.early.swap_remove(at))
    }

    /// Ends that have waited for long enough: the word was lost, or there is no such hook.
    pub(super) fn due(&mut self, now: Duration) -> Vec<EarlyEnd> {
        self.early.extract_if(.., |it| it.until <= now).collect()
    }
}

/// Whether this is the process that was chosen; not every kernel says when it started.
pub(super) fn is_victim(key: ProcessKey, victim: &OomVictim) -> bool {
    key.pid == victim.pid && victim.start_ticks.is_none_or(|start| start == key.start_ticks)
}
