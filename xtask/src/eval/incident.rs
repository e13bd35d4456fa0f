//! Incidents as the daemon shows them over HTTP, and when they could first be seen there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bench::http::Client;

/// Between two looks at the newest incidents.
const POLL: Duration = Duration::from_millis(50);
/// How many those are.
const NEWEST: usize = 50;
/// So many looks at the newest, then one at all.
const ALL_EVERY: u64 = 40;

/// What is read of an incident.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Incident {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) severity: String,
    pub(super) title: String,
    pub(super) process: Process,
    #[serde(default)]
    pub(super) findings: Vec<Finding>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    #[serde(default)]
    pub(super) ppid: u32,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) exe: Option<String>,
    #[serde(default)]
    pub(super) argv: Vec<String>,
    #[serde(default)]
    pub(super) cgroup: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Finding {
    pub(super) summary: String,
}

impl Incident {
    /// Whether somebody is told.
    pub(super) fn alarms(&self) -> bool {
        matches!(self.severity.as_str(), "warning" | "critical")
    }

    /// One line for a person.
    pub(super) fn line(&self) -> String {
        let summary = self.findings.first().map_or("", |it| it.summary.as_str());
        format!("{} {}: {} ({summary})", self.severity, self.kind, self.title)
    }
}

/// An incident and when it was first seen, in seconds since 1970.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    /// At any severity.
    pub(super) at: f64,
    /// At warning or above; absent: never.
    pub(super) alarmed_at: Option<f64>,
    pub(super) incident: Incident,
}

/// What was seen so far.
#[derive(Default)]
pub(super) struct Sightings(Mutex<BTreeMap<String, Seen>>);

impl Sightings {
    /// All incidents, in the order in which they were opened.
    pub(super) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Looks until it is told to stop, and once more then.
    pub(super) fn watch(&self, client: &mut Client, stop: &AtomicBool) -> Result<()> {
        let mut looks = 0_u64;
        loop {
            let last = stop.load(Ordering::Relaxed);
            let all = last || looks.is_multiple_of(ALL_EVERY);
            self.look(client, all)?;
            looks += 1;
            if last {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }

    fn look(&self, client: &mut Client, all: bool) -> Result<()> {
        let mut cursor = None;
        loop {
            let limit = if all { 1000 } else { NEWEST };
            let from = cursor.map(|it| format!("&cursor={it}")).unwrap_or_default();
            let page = client.json(&format!("/api/v1/incidents?limit={limit}{from}"))?;
            let now = now_s();
            let incidents = page["incidents"].as_array().context("an answer without incidents")?;
            self.note(incidents, now)?;
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if !all || cursor.is_none() {
                return Ok(());
            }
        }
    }

    fn note(&self, incidents: &[Value], now: f64) -> Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for value in incidents {
            let incident = Incident::deserialize(value).context("an incident that is not as agreed")?;
            let earlier = known.get(&incident.id);
            let at = earlier.map_or(now, |it| it.at);
            let alarmed = earlier.and_then(|it| it.alarmed_at);
            let alarmed_at = alarmed.or_else(|| incident.alarms().then_some(now));
            known.insert(incident.id.clone(), Seen { at, alarmed_at, incident });
        }
        Ok(())
    }
}

/// Seconds since 1970, as the programs of the corpus tell time.
pub(super) fn now_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |it| it.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_incident_is_seen_when_it_first_alarms() {
        let sightings = Sightings::default();
        let incident = |severity: &str| {
            json!({"id": "1", "kind": "crash", "severity": severity, "title": "Crash: a (pid 7)",
                   "process": {"pid": 7, "exe": null}, "findings": [{"summary": "a crashed."}]})
        };
        for (severity, now, want) in
            [("info", 1.0, None), ("warning", 2.0, Some(2.0)), ("critical", 3.0, Some(2.0))]
        {
            sightings.note(&[incident(severity)], now).unwrap();
            let all = sightings.all();
            assert_eq!((all.len(), all[0].at, all[0].alarmed_at), (1, 1.0, want), "{severity}");
        }
        assert_eq!(sightings.all()[0].incident.line(), "critical crash: Crash: a (pid 7) (a crashed.)");
        assert!(sightings.note(&[json!({"id": "2"})], 4.0).is_err());
    }
}
