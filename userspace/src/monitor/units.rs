//! What systemd says of units: ends that wait for its word, so that nobody guesses whose doing they are, and failures
//! that wait for an end that says why.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::cgroup;
use crate::kinds::case::Statement;
use crate::kinds::late::{Addition, Late};
use crate::kinds::shared::unit::Word;
use crate::model::{ExitCause, ProcessKey, is_crash_signal};
use crate::observation::{Unit, UnitLife, UnitResult};
use crate::state::{End, Process};

/// Most units that are known: more than systemd's listener tells of, so that only those it has dropped make room.
const UNITS: usize = 4096;
/// How long an end waits for systemd's word: it is told of the end, looks at the unit and speaks; a busy host takes its
/// time.
const WORD_PATIENCE: Duration = Duration::from_secs(2);
/// How long a case waits for what is only a fact of it.
const FACT_PATIENCE: Duration = Duration::from_secs(1);
/// Most ends that wait so. The others are judged by what the kernel says.
const ENDS: usize = 256;
/// How long a failure waits for the end that says why, which comes by another way.
const END_PATIENCE: Duration = Duration::from_millis(1500);
/// An end that made a finding so long before its unit was over says why.
const EXPLAINS: Duration = Duration::from_secs(10);
/// Most failures that wait so.
const FAILURES: usize = 256;
/// Between an end and systemd's stamp on it lies no time; but the clocks are read apart.
const SLACK: Duration = Duration::from_millis(100);
const SIGABRT: u8 = 6;
const SIGKILL: u8 = 9;

/// The units that systemd has told of, and what waits.
#[derive(Default)]
pub(super) struct Units {
    /// Whether its word comes.
    followed: bool,
    known: HashMap<Arc<str>, Known>,
    ends: Vec<WaitingEnd>,
    failures: Vec<Failure>,
    promises: Vec<Promise>,
}

/// Systemd's word that a case waits for: what it says is a fact of the case, and nothing depends on it.
struct Promise {
    process: Process,
    to: oneshot::Sender<Statement>,
    until: Duration,
}

struct Known {
    unit: Arc<Unit>,
    /// When an end of it last made a finding.
    explained: Option<Duration>,
    /// The cgroup of that one.
    cgroup: Option<Arc<str>>,
    /// Until when its lives were looked at.
    seen: Duration,
}

/// The end of a process that waits for systemd's word on its unit.
pub(super) struct WaitingEnd {
    pub(super) process: Process,
    pub(super) starter: ProcessKey,
    until: Duration,
}

/// A life of a unit that went wrong, and as yet no end says why.
pub(super) struct Failure {
    pub(super) unit: Arc<Unit>,
    pub(super) life: UnitLife,
    /// The unit's, where it is known by then.
    pub(super) cgroup: Option<Arc<str>>,
    over: Duration,
    until: Duration,
}

/// What is known of the unit of an end.
pub(super) struct Told {
    unit: Arc<Unit>,
    is_before: bool,
    is_main: bool,
}

impl Told {
    /// As the kinds see it.
    pub(super) fn word(&self) -> Option<Word<'_>> {
        let life = if self.is_before { self.unit.before.as_ref()? } else { &self.unit.life };
        Some(Word { unit: &self.unit, life, is_main: self.is_main })
    }

    /// Whether nothing more is to be expected on an end by this cause: systemd has noticed it, or had begun to end the
    /// unit before.
    fn is_settled(&self, cause: ExitCause) -> bool {
        self.word().is_some_and(|word| {
            // Whether it takes a bad status for a good end shows once the unit is over.
            let said = word.life.result != UnitResult::Success || cause.is_unremarkable();
            let noticed = word.is_main && said && word.life.main.is_some_and(|main| main.ended.is_some());
            let stopping = word.life.stopping.is_some_and(|stop| {
                // Whether the SIGKILL was systemd's it says only after it has sent it.
                cause != ExitCause::Signal(SIGKILL) || !stop.why.is_in_order() || stop.killed.is_some()
            });
            noticed || stopping || word.life.over.is_some()
        })
    }
}

impl Units {
    /// From now on its word comes; or no more, and what it said before may no longer be so.
    pub(super) fn follow(&mut self, followed: bool) {
        self.followed = followed;
        if !followed {
            self.known.clear();
        }
    }

    /// It said something of a unit; whether there was room for what follows of it.
    pub(super) fn hear(&mut self, unit: &Arc<Unit>, now: Duration) -> bool {
        if self.known.len() >= UNITS && !self.known.contains_key(&unit.name) {
            let idle = self.known.values().filter(|it| !it.unit.state.is_alive());
            let oldest = idle.min_by_key(|it| it.unit.at).map(|it| Arc::clone(&it.unit.name));
            let Some(oldest) = oldest else { return false };
            self.known.remove(&oldest);
        }
        let known = self.known.entry(Arc::clone(&unit.name));
        let known = known.or_insert_with(|| Known {
            unit: Arc::clone(unit),
            explained: None,
            cgroup: None,
            seen: Duration::ZERO,
        });
        known.unit = Arc::clone(unit);
        let mut room = true;
        for life in unit.before.iter().chain([&unit.life]) {
            let Some(over) = life.over.filter(|over| *over > known.seen) else { continue };
            known.seen = over;
            if life.result == UnitResult::Success {
                continue;
            }
            room = self.failures.len() < FAILURES;
            if room {
                let (unit, life) = (Arc::clone(unit), life.clone());
                self.failures.push(Failure { unit, life, cgroup: None, over, until: now + END_PATIENCE });
            }
        }
        room
    }

    /// Ends that need not wait any more: of this unit, as systemd has said now whose doing they are.
    pub(super) fn settled(&mut self, unit: &str) -> Vec<WaitingEnd> {
        let mut waiting = std::mem::take(&mut self.ends);
        let is_settled = |it: &mut WaitingEnd| {
            let cause = it.process.end.as_ref().map_or(ExitCause::Unknown, End::cause);
            service(&it.process) == Some(unit)
                && self.told(&it.process).is_some_and(|told| told.is_settled(cause))
        };
        let settled = waiting.extract_if(.., is_settled).collect();
        self.ends = waiting;
        settled
    }

    /// Whether an end is to wait for systemd's word. `sent`: another process sent the signal that ended it.
    pub(super) fn is_awaited(&self, process: &Process, cause: ExitCause, sent: bool) -> bool {
        if !self.followed || self.ends.len() >= ENDS || service(process).is_none() {
            return false;
        }
        let told = self.told(process);
        let is_started = process.ppid == 1 || told.as_ref().is_some_and(|told| told.is_main);
        let matters = match cause {
            // A watchdog's; a handler may have sent it to itself once more.
            ExitCause::Signal(SIGABRT) => sent || is_started,
            ExitCause::Signal(signal) if is_crash_signal(signal) => sent,
            ExitCause::Signal(_) | ExitCause::Status(_) => is_started,
            ExitCause::Unknown => false,
        };
        matters && !told.is_some_and(|told| told.is_settled(cause))
    }

    /// An end waits.
    pub(super) fn wait(&mut self, process: Process, starter: ProcessKey, now: Duration) {
        self.ends.push(WaitingEnd { process, starter, until: now + WORD_PATIENCE });
    }

    /// What systemd will say of the unit of a process whose end was judged already: a crash, an OOM kill.
    pub(super) fn promise(&mut self, process: &Process, now: Duration) -> Option<Late> {
        let cause = process.end.as_ref()?.cause();
        let settled = self.told(process).is_some_and(|told| told.is_settled(cause));
        if !self.followed || settled || self.promises.len() >= ENDS || service(process).is_none() {
            return None;
        }
        let (to, word) = oneshot::channel();
        self.promises.push(Promise { process: process.clone(), to, until: now + FACT_PATIENCE });
        Some(Box::pin(async { Addition { facts: word.await.into_iter().collect(), ..Addition::default() } }))
    }

    /// Keeps the promises that can be kept now.
    pub(super) fn keep_promises(&mut self, unit: &str) {
        for promise in std::mem::take(&mut self.promises) {
            let cause = promise.process.end.as_ref().map_or(ExitCause::Unknown, End::cause);
            let told = self.told(&promise.process);
            let told = told.filter(|told| *told.unit.name == *unit && told.is_settled(cause));
            match told.as_ref().and_then(Told::word) {
                // Of what is no main process the unit's life says nothing.
                Some(word) if word.is_main => drop(promise.to.send(word.statement())),
                Some(_) => {}
                None => self.promises.push(promise),
            }
        }
    }

    /// Whether anything waits.
    pub(super) const fn is_waiting(&self) -> bool {
        !self.ends.is_empty() || !self.failures.is_empty()
    }

    /// Ends that have waited for long enough, or for nothing.
    pub(super) fn due(&mut self, now: Duration) -> Vec<WaitingEnd> {
        let followed = self.followed;
        self.promises.retain(|it| it.until > now && followed);
        self.ends.extract_if(.., |it| it.until <= now || !followed).collect()
    }

    /// What systemd says of the unit of a process that ended.
    pub(super) fn told(&self, process: &Process) -> Option<Told> {
        let unit = &self.known.get(service(process)?)?.unit;
        let end = process.end.as_ref()?;
        let is_main = |life: &UnitLife| {
            let main = life.main.filter(|main| main.pid == process.key.pid);
            main.is_some_and(|main| main.ended.is_none_or(|(at, _)| at + SLACK >= end.at))
        };
        let before = unit.before.as_ref();
        let of_before = before.is_some_and(&is_main);
        let of_now = !of_before && is_main(&unit.life);
        // What is no main process ended with the life that was then.
        let is_before =
            of_before || (!of_now && before.and_then(|it| it.over).is_some_and(|over| over >= end.at));
        Some(Told { unit: Arc::clone(unit), is_before, is_main: of_before || of_now })
    }

    /// An end of this process made a finding: it says why, if its unit fails now.
    pub(super) fn explain(&mut self, process: &Process, at: Duration) {
        let known = service(process).and_then(|unit| self.known.get_mut(unit));
        if let Some(known) = known {
            known.explained = Some(at);
            known.cgroup = process.cgroup.clone();
        }
    }

    /// Failures that no end has explained in time.
    pub(super) fn unexplained(&mut self, now: Duration) -> Vec<Failure> {
        let mut due: Vec<_> = self.failures.extract_if(.., |it| it.until <= now).collect();
        due.retain_mut(|failure| {
            let known = self.known.get(&failure.unit.name);
            failure.cgroup = known.and_then(|known| known.cgroup.clone());
            if let Some(known) = known {
                // What its file says is asked for when it is first heard of, and may have come later than the failure.
                let Unit { restart, start_timeout, stop_timeout, watchdog, .. } = *known.unit;
                let unit = Arc::make_mut(&mut failure.unit);
                (unit.restart, unit.start_timeout) = (restart, start_timeout);
                (unit.stop_timeout, unit.watchdog) = (stop_timeout, watchdog);
            }
            // That systemd gives it up is no end of a process.
            failure.life.result == UnitResult::StartLimitHit
                || known.and_then(|known| known.explained).is_none_or(|at| at + EXPLAINS < failure.over)
        });
        due
    }
}

/// The service of the host's manager that a process belongs to.
fn service(process: &Process) -> Option<&str> {
    process.cgroup.as_deref().and_then(cgroup::system_service)
}

#[cfg(test)]
mod tests;
