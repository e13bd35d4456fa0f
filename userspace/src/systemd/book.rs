//! Pure: what is known of each unit, made of what systemd says one after the other. Each signal carries all that can
//! change (systemd src/core/dbus-unit.c, `send_changed_signal`), so a state that was skipped is no state that was missed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use super::said::{Said, Settings};
use crate::observation::{
    JobKind, MainProcess, StopReason, Unit, UnitLife, UnitResult, UnitStage, UnitState, UnitStop,
};

/// Most units that are known at once; of those that are not running the one heard of longest ago makes room.
const UNITS: usize = 2048;

/// The units.
#[derive(Default)]
pub(super) struct Book(HashMap<Arc<str>, Page>);

/// One unit and what only the book needs of it.
struct Page {
    unit: Unit,
    /// The first message of a pair, until the second comes.
    half: Option<Said>,
    /// The id of the job it has.
    job_id: u32,
    /// Its last life was to be followed by another, which has not begun.
    waited: bool,
    /// Whether what its file says was asked for.
    asked: bool,
}

impl Page {
    fn new(name: Arc<str>) -> Self {
        let unit = Unit::new(name);
        Self { unit, half: None, job_id: 0, waited: false, asked: false }
    }
}

/// There is no room: every unit that is known is running.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Book {
    /// Whether anything was said of this unit.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether what the unit's file says is to be asked for: once, of those that are in use.
    pub(super) fn wants_settings(&mut self, name: &str) -> bool {
        let page = self.0.get_mut(name).filter(|page| !page.asked && page.unit.state != UnitState::Inactive);
        page.is_some_and(|page| {
            page.asked = true;
            true
        })
    }

    /// What the units' files say may be something else now: of those in use it is to be asked again.
    pub(super) fn forget_settings(&mut self) -> impl Iterator<Item = String> {
        self.0.values_mut().filter_map(|page| {
            page.asked = page.unit.state != UnitState::Inactive;
            page.asked.then(|| page.unit.name.to_string())
        })
    }

    /// How a unit stood when the book was opened, and what that says; no news.
    pub(super) fn begin_with(
        &mut self,
        name: &str,
        said: Said,
        now: Duration,
    ) -> Result<Option<Arc<Unit>>, Full> {
        if self.knows(name) {
            return Ok(None);
        }
        let page = self.page(name)?;
        (page.unit.at, page.unit.state) = (now, said.state.map_or(UnitState::Inactive, |it| it.0));
        page.waited = page.unit.state == UnitState::WaitsToRestart;
        Ok(Some(Arc::new(page.unit.clone())))
    }

    /// The first message of a pair, on what only a service has.
    pub(super) fn half(&mut self, name: &str, said: Said) -> Result<(), Full> {
        self.page(name)?.half = Some(said);
        Ok(())
    }

    /// The second message, on what every unit has: the unit, where something is new.
    pub(super) fn whole(&mut self, name: &str, said: Said, now: Duration) -> Result<Option<Arc<Unit>>, Full> {
        let page = self.page(name)?;
        let said = page.half.take().unwrap_or_default().and(said);
        Ok(page.turn(now, |page| page.apply(&said, now)))
    }

    /// What was asked for of a unit; what a signal has said since is newer.
    pub(super) fn learn(
        &mut self,
        name: &str,
        settings: &Settings,
        said: &Said,
        now: Duration,
    ) -> Option<Arc<Unit>> {
        let page = self.0.get_mut(name)?;
        page.turn(now, |page| {
            let unit = &mut page.unit;
            unit.restart = settings.restart.or(unit.restart);
            unit.start_timeout = settings.start_timeout;
            unit.stop_timeout = settings.stop_timeout;
            unit.watchdog = settings.watchdog;
            if unit.restarts == 0 {
                unit.restarts = said.restarts.unwrap_or(0);
            }
            if unit.life == UnitLife::default() && unit.state.is_alive() {
                unit.life.main = main_process(said);
            }
        })
    }

    /// A job was made, for this unit.
    pub(super) fn job(&mut self, name: &str, id: u32) -> Result<(), Full> {
        let page = self.page(name)?;
        if page.job_id != id {
            (page.job_id, page.unit.job) = (id, Some(JobKind::Other));
        }
        Ok(())
    }

    /// What a job is to do.
    pub(super) fn job_is(&mut self, name: &str, id: u32, kind: JobKind, now: Duration) -> Option<Arc<Unit>> {
        let page = self.0.get_mut(name).filter(|page| page.job_id == id)?;
        page.turn(now, |page| {
            page.unit.job = Some(kind);
            let stop = page.unit.life.stopping.as_mut().filter(|it| it.why == StopReason::InOrder);
            if let (Some(stop), Some(why)) = (stop, asked(kind)) {
                stop.why = why;
            }
        })
    }

    /// Room for one more unit, or the page of one that is known.
    fn page(&mut self, name: &str) -> Result<&mut Page, Full> {
        if !self.knows(name) && self.0.len() >= UNITS {
            let idle = self.0.values().filter(|page| !page.unit.state.is_alive());
            let oldest = idle.min_by_key(|page| page.unit.at).map(|page| Arc::clone(&page.unit.name));
            self.0.remove(&oldest.ok_or(Full)?);
        }
        let name: Arc<str> = name.into();
        Ok(match self.0.entry(Arc::clone(&name)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(Page::new(name)),
        })
    }
}

impl Page {
    /// Does it; the unit, where that changed anything of it.
    fn turn(&mut self, now: Duration, act: impl FnOnce(&mut Self)) -> Option<Arc<Unit>> {
        let before = self.unit.clone();
        act(self);
        let is_new = self.unit != before;
        is_new.then(|| {
            self.unit.at = now;
            Arc::new(self.unit.clone())
        })
    }

    fn apply(&mut self, said: &Said, now: Duration) {
        let before = self.unit.state;
        let (after, killed) = said.state.unwrap_or((before, false));
        self.set_job(said.job);
        self.unit.restarts = said.restarts.unwrap_or(self.unit.restarts);
        let main = main_process(said);
        let began = self.is_another_life(before, after, main);
        if began {
            self.begin_life(now);
        }
        let refused = self.waited && after == UnitState::Failed && !before.is_alive();
        self.waited = after == UnitState::WaitsToRestart || (self.waited && after == UnitState::Inactive);
        let old = self.unit.before.as_ref().and_then(|it| it.main);
        let life = &mut self.unit.life;
        if main.is_some() && main != old {
            life.main = main;
        }
        // A unit that failed too often keeps the result of its last life, as it has had no other.
        let result = if refused { Some(UnitResult::StartLimitHit) } else { said.result };
        let said = life.result == UnitResult::StartLimitHit;
        if let Some(result) = result.filter(|result| *result != life.result && !said) {
            if life.result == UnitResult::Success {
                life.failed_while = Some(stage(before, life.stopping));
            }
            life.result = result;
        }
        if after == UnitState::Stopping {
            let why = match life.result {
                UnitResult::Success => self.unit.job.and_then(asked).unwrap_or(StopReason::InOrder),
                _ => StopReason::Failure,
            };
            let stop = life.stopping.get_or_insert(UnitStop { since: now, why, killed: None });
            stop.killed = stop.killed.or(killed.then_some(now));
        }
        if !after.is_alive() && (before.is_alive() || began) {
            life.over.get_or_insert(now);
        }
        life.starts_again |= after == UnitState::WaitsToRestart;
        self.unit.state = after;
    }

    /// Whether this is no more the life that was known: it is up after it was down, or the next one went by unseen.
    fn is_another_life(&self, before: UnitState, after: UnitState, main: Option<MainProcess>) -> bool {
        let known = self.unit.life.main;
        let other_main = match (known, main) {
            (Some(known), Some(main)) => known.ended.is_some() && known.pid != main.pid,
            _ => false,
        };
        let fails_at_once = after == UnitState::Failed && !before.is_alive() && before != UnitState::Failed;
        let after_a_restart = before == UnitState::WaitsToRestart && after == before && other_main;
        (!before.is_alive() && (after.is_alive() || fails_at_once || after_a_restart))
            || (before.is_alive() && other_main)
    }

    fn begin_life(&mut self, now: Duration) {
        let mut last = std::mem::take(&mut self.unit.life);
        if last != UnitLife::default() {
            last.over.get_or_insert(now);
            self.unit.before = Some(last);
        }
    }

    fn set_job(&mut self, id: Option<u32>) {
        match id {
            Some(0) => (self.job_id, self.unit.job) = (0, None),
            Some(id) if id != self.job_id => (self.job_id, self.unit.job) = (id, Some(JobKind::Other)),
            Some(_) | None => {}
        }
    }
}

/// What a job asks for, where that is an end.
const fn asked(job: JobKind) -> Option<StopReason> {
    match job {
        JobKind::Stop => Some(StopReason::Stop),
        JobKind::Restart => Some(StopReason::Restart),
        JobKind::Start | JobKind::Other => None,
    }
}

fn main_process(said: &Said) -> Option<MainProcess> {
    let pid = said.main_pid.filter(|pid| *pid != 0)?;
    let cause = said.main_cause.flatten();
    Some(MainProcess { pid, ended: cause.map(|cause| (said.main_ended.unwrap_or_default(), cause)) })
}

/// What it was doing when it went wrong.
fn stage(before: UnitState, stopping: Option<UnitStop>) -> UnitStage {
    match (stopping, before) {
        (Some(stop), _) if stop.why.is_in_order() => UnitStage::Stopping,
        (_, UnitState::Running | UnitState::Reloading) => UnitStage::Running,
        (_, UnitState::Stopping) => UnitStage::Stopping,
        (_, UnitState::Inactive | UnitState::Starting | UnitState::Failed | UnitState::WaitsToRestart) => {
            UnitStage::Starting
        }
    }
}

#[cfg(test)]
mod tests;
