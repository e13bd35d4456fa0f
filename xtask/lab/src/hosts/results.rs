//! What a guest left in the shared folder: for each case the incidents there were at its end, and all that the stand-in
//! receiver was sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use super::case::Case;
use crate::daemon::Page;
use crate::model::{Incident, Occasion};

/// What one boot, or two, came to.
#[derive(Default)]
pub(super) struct Results {
    /// Each with what it left; absent: it did not run to its end.
    pub(super) cases: Vec<(Case, Option<CaseRun>)>,
    pub(super) alerts: Vec<Alert>,
    /// Why the guest gave up.
    pub(super) failed: Option<String>,
    pub(super) start: Option<Start>,
}

/// What one case left.
#[derive(Clone, Debug, Default)]
pub(super) struct CaseRun {
    /// How its script ended.
    pub(super) status: i32,
    /// Names and ids of its containers.
    pub(super) containers: Vec<(String, String)>,
    /// All incidents at its end.
    pub(super) incidents: Vec<Incident>,
}

/// One message to the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Alert {
    pub(super) occasion: Occasion,
    #[serde(deserialize_with = "id_of")]
    incident: String,
}

/// What the daemon's start cost.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Start {
    /// From the process's start to its first answer.
    pub(super) took_s: f64,
    pub(super) cpu_s: f64,
}

impl Alert {
    /// Whether it tells a person of something that they do not know yet: a reminder comes for what goes on, by its own clock.
    pub(super) fn tells(&self) -> bool {
        !matches!(self.occasion, Occasion::Verdict | Occasion::Resolved | Occasion::Reminder)
    }

    pub(super) fn is_about(&self, incident: &Incident) -> bool {
        self.incident == incident.id
    }
}

fn id_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let incident = Value::deserialize(deserializer)?;
    Ok(incident["id"].as_str().unwrap_or_default().to_owned())
}

impl Start {
    /// From a line of the guest: uptime, idle time, the process's user and system ticks, and when it started, in ticks.
    fn parse(line: &str) -> Option<Self> {
        const TICKS_A_SECOND: f64 = 100.0;
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        let [uptime_s, _, user, system, started] = numbers[..] else { return None };
        Some(Self { took_s: uptime_s - started / TICKS_A_SECOND, cpu_s: (user + system) / TICKS_A_SECOND })
    }
}

impl Results {
    /// `folders`: what the cases are called in the shared folder.
    pub(super) fn read(out: &Path, cases: Vec<(Case, String)>) -> Result<Self> {
        let text = |name: &str| fs::read_to_string(out.join(name)).ok();
        let runs = cases.into_iter().map(|(case, folder)| {
            let run = CaseRun::read(&out.join("cases").join(&folder))
                .with_context(|| format!("what {} left", case.name))?;
            anyhow::Ok((case, run))
        });
        Ok(Self {
            cases: runs.collect::<Result<_>>()?,
            alerts: alerts(&out.join("alerts"))?,
            failed: text("failed").map(|it| it.trim().to_owned()),
            start: text("ready").as_deref().and_then(Start::parse),
        })
    }
}

impl CaseRun {
    fn read(dir: &Path) -> Result<Option<Self>> {
        let text = |name: &str| fs::read_to_string(dir.join(name)).ok();
        let (Some(list), Some(_)) = (text("incidents.json"), text("ended")) else { return Ok(None) };
        let page: Page = serde_json::from_str(&list).context("the incidents are not as agreed")?;
        let containers = text("containers").unwrap_or_default();
        let pairs = containers.lines().filter_map(|line| line.split_once(' '));
        Ok(Some(Self {
            status: text("status").and_then(|it| it.trim().parse().ok()).unwrap_or(-1),
            containers: pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect(),
            incidents: page.incidents,
        }))
    }
}

/// In the order in which they came: the files' names are times.
fn alerts(dir: &Path) -> Result<Vec<Alert>> {
    let mut all = BTreeMap::new();
    for file in fs::read_dir(dir).into_iter().flatten() {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        let alert = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
        all.insert(path, alert);
    }
    Ok(all.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IncidentKind, sample};

    #[test]
    fn what_a_guest_left_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        let write = |path: &str, text: &str| {
            let path = out.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let incident = serde_json::to_value(sample("01A", IncidentKind::Crash)).unwrap();
        let page = serde_json::json!({"incidents": [incident], "next_cursor": null}).to_string();
        write("cases/01-a/incidents.json", &page);
        write("cases/01-a/ended", "20.75\n");
        write("cases/01-a/status", "3\n");
        write("cases/01-a/containers", "lab-a 0123\n");
        // Cut off: no end.
        write("cases/02-b/incidents.json", &page);
        write("alerts/2.json", r#"{"occasion":"resolved","incident":{"id":"01A"}}"#);
        write("alerts/1.json", r#"{"occasion":"new","incident":{"id":"01A"}}"#);
        write("alerts/3.json", r#"{"occasion":"reminder","incident":{"id":"01A"}}"#);
        write("ready", "61.30 80.00 2100 400 4110\n");
        write("failed", "no daemon\n");
        let case = |name: &str| Case { name: name.into(), ..Case::sample("") };
        let cases = vec![(case("unit/a"), "01-a".to_owned()), (case("unit/b"), "02-b".to_owned())];
        let results = Results::read(out, cases).unwrap();
        let run = results.cases[0].1.as_ref().unwrap();
        assert_eq!((run.status, run.incidents.len()), (3, 1));
        assert_eq!(run.containers, [("lab-a".to_owned(), "0123".to_owned())]);
        assert!(results.cases[1].1.is_none());
        assert_eq!(results.alerts.iter().map(Alert::tells).collect::<Vec<_>>(), [true, false, false]);
        assert!(results.alerts[0].is_about(&run.incidents[0]));
        assert_eq!(results.failed.as_deref(), Some("no daemon"));
        let start = results.start.unwrap();
        assert!((start.took_s - 20.2).abs() < 0.01 && (start.cpu_s - 25.0).abs() < 0.01, "{start:?}");
    }

    #[test]
    fn a_start_that_is_cut_is_none() {
        assert_eq!(Start::parse(""), None);
        assert_eq!(Start::parse("1.0 2.0 3"), None);
    }
}
