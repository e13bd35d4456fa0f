//! Debian's Alertmanager: what the daemon told it of the crash, as it gives it back.

use serde_json::Value;

use super::scene::Scene;
use super::services::Alertmanager;
use super::{CheckOutcome, or_failed};
use crate::model::Incident;

/// Reads the alert back.
pub(super) fn receives(alertmanager: &Alertmanager, scene: &Scene) -> CheckOutcome {
    let incident = match &scene.incident {
        Ok(incident) => incident,
        Err(why) => return CheckOutcome::Skipped(why.clone()),
    };
    or_failed(alertmanager.client.json("/api/v2/alerts"), |alerts| judge(&alerts, incident))
}

fn judge(alerts: &Value, incident: &Incident) -> CheckOutcome {
    let id = &incident.id;
    let of_incident = |alert: &&Value| alert["annotations"].to_string().contains(id);
    let Some(alert) = alerts.as_array().and_then(|all| all.iter().find(of_incident)) else {
        return CheckOutcome::Failed(format!("no alert has {id} in its annotations\n{alerts}"));
    };
    let problems = problems(alert, incident);
    if problems.is_empty() {
        CheckOutcome::Ok(format!("fires {} until {}", alert["labels"]["alertname"], alert["endsAt"]))
    } else {
        CheckOutcome::Failed(format!("{}\n{alert}", problems.join("\n")))
    }
}

fn problems(alert: &Value, incident: &Incident) -> Vec<String> {
    let (labels, annotations) = (&alert["labels"], &alert["annotations"]);
    let mut problems = vec![];
    for key in ["alertname", "instance", "severity", "kind"] {
        if labels[key].as_str().is_none_or(str::is_empty) {
            problems.push(format!("no label {key}"));
        }
    }
    for (key, wanted) in [("severity", incident.severity.as_str()), ("kind", incident.kind.as_str())] {
        if labels[key] != wanted {
            problems.push(format!("the label {key} is {}, and the incident's {wanted:?}", labels[key]));
        }
    }
    for key in ["summary", "description"] {
        if annotations[key].as_str().is_none_or(str::is_empty) {
            problems.push(format!("no annotation {key}"));
        }
    }
    if alert["status"]["state"] != "active" {
        problems.push(format!("it is {}, not active", alert["status"]["state"]));
    }
    // RFC 3339 in UTC, as Alertmanager writes it, is in order as text, up to the fraction of a second.
    let second = |key: &str| alert[key].as_str().and_then(|it| it.get(..19)).unwrap_or_default().to_owned();
    if second("startsAt").is_empty() || second("endsAt") <= second("startsAt") {
        problems.push(format!("it fires from {} to {}", alert["startsAt"], alert["endsAt"]));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{IncidentKind, sample};

    fn incident() -> Incident {
        sample("01M", IncidentKind::Crash)
    }

    fn alert() -> Value {
        json!({
            "labels": {"alertname": "Crash", "instance": "web-1", "kind": "crash", "severity": "warning"},
            "annotations": {"summary": "Crash: x", "description": "It read through null.", "incident": "01M"},
            "startsAt": "2026-11-23T04:00:00.100Z", "endsAt": "2026-11-24T04:00:00.000Z",
            "status": {"state": "active"},
        })
    }

    #[test]
    fn an_alert_is_read_back_or_named_wrong() {
        let check = |path: &str, value: Value, want: &[&str]| {
            let mut it = alert();
            *it.pointer_mut(path).unwrap() = value;
            assert_eq!(problems(&it, &incident()), want, "{path}");
        };
        assert!(problems(&alert(), &incident()).is_empty());
        check("/labels/alertname", json!(""), &["no label alertname"]);
        check(
            "/labels/severity",
            json!("info"),
            &["the label severity is \"info\", and the incident's \"warning\""],
        );
        check("/annotations/summary", json!(null), &["no annotation summary"]);
        check("/status/state", json!("suppressed"), &["it is \"suppressed\", not active"]);
        let backwards = "it fires from \"2026-11-23T04:00:00.100Z\" to \"2026-11-23T04:00:00.999Z\"";
        check("/endsAt", json!("2026-11-23T04:00:00.999Z"), &[backwards]);
    }

    #[test]
    fn only_the_alert_of_the_incident_counts() {
        assert!(matches!(judge(&json!([alert()]), &incident()), CheckOutcome::Ok(_)));
        assert!(matches!(judge(&json!([]), &incident()), CheckOutcome::Failed(_)));
        let other = sample("01N", IncidentKind::Crash);
        assert!(matches!(judge(&json!([alert()]), &other), CheckOutcome::Failed(_)));
    }
}
