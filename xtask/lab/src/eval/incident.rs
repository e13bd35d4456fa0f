//! Incidents as the daemon shows them over HTTP, and when they could first be seen there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde::Serialize;

use crate::daemon::Daemon;
use crate::model::{Incident, alarms};

/// Between two looks at the newest incidents.
const POLL: Duration = Duration::from_millis(50);
/// How many those are.
const NEWEST: usize = 50;
/// So many looks at the newest, then one at all.
const ALL_EVERY: u64 = 40;

/// An incident and when it was first seen, in seconds since 1970.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SeenIncident {
    pub(super) at: f64,
    /// At warning or above; absent: never.
    pub(super) alarmed_at: Option<f64>,
    pub(super) incident: Incident,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Sightings(Mutex<BTreeMap<String, SeenIncident>>);

impl Sightings {
    /// All incidents, in the order in which they were opened.
    pub(super) fn all(&self) -> Vec<SeenIncident> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Looks until it is told to stop, and once more then.
    pub(super) fn watch(&self, daemon: &Daemon, stop: &AtomicBool) -> Result<()> {
        let mut looks = 0_u64;
        loop {
            let last = stop.load(Ordering::Relaxed);
            let all = last || looks.is_multiple_of(ALL_EVERY);
            let incidents = if all { daemon.incidents()? } else { daemon.newest(NEWEST)? };
            self.note(incidents, now_s());
            looks += 1;
            if last {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }

    fn note(&self, incidents: Vec<Incident>, now: f64) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for incident in incidents {
            let earlier = known.get(&incident.id);
            let at = earlier.map_or(now, |it| it.at);
            let alarmed = earlier.and_then(|it| it.alarmed_at);
            let alarmed_at = alarmed.or_else(|| alarms(&incident).then_some(now));
            known.insert(incident.id.clone(), SeenIncident { at, alarmed_at, incident });
        }
    }
}

/// Seconds since 1970, as the programs of the corpus tell time.
pub(super) fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |it| it.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IncidentKind, Severity, sample};

    #[test]
    fn an_incident_is_seen_when_it_first_alarms() {
        let sightings = Sightings::default();
        for (severity, now, want) in [
            (Severity::Info, 1.0, None),
            (Severity::Warning, 2.0, Some(2.0)),
            (Severity::Critical, 3.0, Some(2.0)),
        ] {
            let incident = Incident { severity, ..sample("1", IncidentKind::Crash) };
            sightings.note(vec![incident], now);
            let all = sightings.all();
            assert_eq!((all.len(), all[0].at, all[0].alarmed_at), (1, 1.0, want), "{severity}");
        }
        assert_eq!(sightings.all()[0].incident.severity, Severity::Critical);
    }
}
