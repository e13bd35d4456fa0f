//! The daemon's own types of what it serves, named here alone, and what the lab asks of them.

#[cfg(test)]
pub(crate) use ai_debugger::model::ProcessInfo;
pub(crate) use ai_debugger::model::{Incident, IncidentKind, Occasion, Severity};

use ai_debugger::model::AlertStatus;

/// Whether somebody is told.
pub(crate) fn alarms(incident: &Incident) -> bool {
    incident.severity >= Severity::Warning
}

/// One line for a person.
pub(crate) fn line(incident: &Incident) -> String {
    let summary = incident.findings.first().map_or("", |it| it.summary.as_str());
    format!("{} {}: {} ({summary})", incident.severity, incident.kind, incident.title)
}

/// Whether one of its alerts is still to be sent.
pub(crate) fn is_pending(incident: &Incident) -> bool {
    incident.alerts.iter().any(|it| it.status == AlertStatus::Pending)
}

/// Whether one of its alerts was sent.
pub(crate) fn is_sent(incident: &Incident) -> bool {
    incident.alerts.iter().any(|it| it.status == AlertStatus::Sent)
}

/// Whether its verdict stands on facts, and on none that there is not.
pub(crate) fn cites_facts_only(incident: &Incident) -> bool {
    let cited = &incident.verdict.evidence;
    !cited.is_empty() && cited.iter().all(|id| incident.facts.iter().any(|fact| fact.id == *id))
}

/// The incidents whose alerts tell of it: itself, and those that explain it.
pub(crate) fn told_with(incident: &Incident) -> impl Iterator<Item = &str> {
    let others = incident.alerts.iter().filter_map(|it| it.folded_into.as_deref());
    others.chain([incident.id.as_str()])
}

/// For tests: one of this kind about process 7, with all else as little as it can be.
#[cfg(test)]
pub(crate) fn sample(id: &str, kind: IncidentKind) -> Incident {
    let value = serde_json::json!({
        "id": id, "kind": kind, "severity": "warning", "status": "open", "fingerprint": "f", "title": "T",
        "host": "h", "boot_id": "b", "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
        "count": 1, "findings": [], "facts": [], "alerts": [],
        "process": {"pid": 7, "start_ticks": 1, "ppid": 1, "name": "", "exe": null, "argv": [], "uid": 0, "cgroup": null,
                    "container_id": null},
        "completeness": {"events_lost": 0, "evidence_delay_ms": null, "missing": []},
        "verdict": {"summary": "s", "probable_cause": "c", "confidence": "low", "evidence": [], "hypotheses": [],
                    "next_steps": [], "by": "rules", "note": null},
    });
    serde_json::from_value(value).expect("it is an incident as the daemon serves it")
}

/// The same, of which the alert of another one tells.
#[cfg(test)]
pub(crate) fn sample_in(id: &str, kind: IncidentKind, other: Option<&str>) -> Incident {
    let alert = serde_json::json!({"sink": "slack", "status": "folded", "at": null, "attempts": 0, "folded_into": other});
    let alerts = serde_json::from_value(serde_json::json!([alert]))
        .expect("they are alerts as the daemon serves them");
    Incident { alerts, ..sample(id, kind) }
}
