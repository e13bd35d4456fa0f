//! Processes that a signal has stopped (state T) and that nobody lets go on.

use std::collections::HashMap;
use std::time::Duration;

use super::facts::HungFact;
use super::{LOOKS, draft};
use crate::config::DetectLimits;
use crate::kinds::case::{Draft, Statement};
use crate::model::{ProcessKey, Severity};
use crate::observation::SeenProcess;

/// Most processes that are followed.
const PROCESSES: usize = 1024;

/// Who is stopped, since when.
#[derive(Default)]
pub(super) struct Stopped(HashMap<ProcessKey, Stop>);

/// One stop that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    since: Duration,
    seen: Duration,
    looks: u32,
    cpu_ticks: u64,
}

impl Stopped {
    /// What a scan saw of a process: the stop that it is in, where it is no person's job. A shell stops and continues
    /// the jobs of its terminal; a tracer holds its process in another state (`t`).
    pub(super) fn note(&mut self, seen: &SeenProcess, now: Duration) -> Option<Stop> {
        if seen.state != 'T' || seen.session.has_terminal {
            self.0.remove(&seen.key);
            return None;
        }
        if self.0.len() >= PROCESSES && !self.0.contains_key(&seen.key) {
            return None;
        }
        let first = Stop { since: now, seen: now, looks: 0, cpu_ticks: seen.cpu_ticks };
        let stop = self.0.entry(seen.key).or_insert(first);
        // It ran meanwhile: somebody lets it go on in turn, as cpulimit does.
        if stop.cpu_ticks != seen.cpu_ticks {
            *stop = first;
        }
        (stop.looks, stop.seen) = (stop.looks.saturating_add(1), now);
        Some(*stop)
    }

    /// Forgets what was not seen since `began`.
    pub(super) fn forget_unseen(&mut self, began: Duration) {
        self.0.retain(|_, stop| stop.seen >= began);
    }
}

impl Stop {
    /// A finding where it has lasted long enough.
    pub(super) fn judge(&self, limits: &DetectLimits) -> Option<Draft> {
        let lasted = self.seen.saturating_sub(self.since);
        if lasted < limits.hung_after || self.looks < LOOKS {
            return None;
        }
        let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        let stopped = HungFact::HungStopped { lasted_ms, looks: self.looks };
        Some(draft(Severity::Warning, vec![Statement::new("proc:stat", stopped)], "stopped"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Session;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(state: char, has_terminal: bool, cpu_ticks: u64) -> SeenProcess {
        let key = ProcessKey { pid: 42, start_ticks: 1 };
        let session = Session { id: 1, group: 42, has_terminal };
        SeenProcess { state, session, cpu_ticks, ..SeenProcess::sample(key) }
    }

    /// The severity at the last of some scans, ten seconds apart.
    fn after(scans: u32, seen: impl Fn(u32) -> SeenProcess) -> Option<Severity> {
        let mut stopped = Stopped::default();
        let mut found = None;
        for scan in 0..scans {
            let now = SECOND * 10 * scan;
            found = stopped.note(&seen(scan), now).and_then(|stop| stop.judge(&DetectLimits::default()));
            stopped.forget_unseen(now);
        }
        found.map(|draft| draft.severity)
    }

    #[test]
    fn a_service_that_nobody_lets_go_on_is_found() {
        let stopped = |_| seen('T', false, 5);
        assert_eq!(after(12, stopped), None, "not long enough");
        assert_eq!(after(13, stopped), Some(Severity::Warning));
        assert_eq!(after(1000, stopped), Some(Severity::Warning), "nothing is lost while it is stopped");
    }

    #[test]
    fn what_somebody_holds_on_purpose_is_not() {
        for (what, seen) in [
            ("a job of a terminal", (|_| seen('T', true, 5)) as fn(u32) -> SeenProcess),
            ("traced", |_| seen('t', false, 5)),
            ("frozen on v2", |_| seen('S', false, 5)),
            ("stopped in turn", |scan| seen('T', false, scan.into())),
            ("now and then", |scan| seen(if scan % 5 == 4 { 'S' } else { 'T' }, false, 5)),
        ] {
            assert_eq!(after(100, seen), None, "{what}");
        }
    }
}
