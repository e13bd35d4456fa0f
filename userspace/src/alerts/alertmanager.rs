//! Prometheus' Alertmanager, API v2: an incident is one alert there, told from others by its labels, and firing
//! until it is resolved here. <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use super::post::{self, PostReply, PostResult};
use super::redacted::redacted;
use crate::model::{Incident, IncidentStatus, Occasion, Severity};
use crate::outbound;
use crate::store::DueAlert;
use crate::text::{printable, truncate};

/// A firing alert without an end is resolved by Alertmanager itself after five minutes: what is told once needs
/// an end of its own. So long it fires unless it is resolved, or told again, before.
const FIRES_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Characters of one label.
const LABEL: usize = 200;
/// Characters of one annotation.
const ANNOTATION: usize = 1500;
const WHO: &str = "Alertmanager";

pub(super) struct Alertmanager {
    client: Client,
    url: String,
    /// Where people reach this daemon, for the link back.
    public_url: Option<String>,
}

impl Alertmanager {
    pub(super) fn new(base_url: &str, public_url: Option<String>, timeout: Duration) -> Result<Self> {
        let url = format!("{}/api/v2/alerts", base_url.trim_end_matches('/'));
        Ok(Self { client: outbound::client(timeout)?, url, public_url })
    }

    pub(super) async fn tell(&self, alert: &DueAlert) -> PostResult {
        self.post(std::slice::from_ref(alert)).await
    }

    /// All in one request. Where one of them is no alert to it, it takes none: then each half is tried by itself, until
    /// it is known which.
    pub(super) async fn tell_all(&self, alerts: &[DueAlert]) -> Vec<PostResult> {
        let mut answers = Vec::new();
        let mut todo = vec![alerts];
        while let Some(part) = todo.pop() {
            match self.post(part).await {
                PostResult::Refused { remedy: None, .. } if part.len() > 1 => {
                    let (left, right) = part.split_at(part.len() / 2);
                    todo.extend([right, left]);
                }
                answer => answers.extend(part.iter().map(|_| answer.clone())),
            }
        }
        answers
    }

    async fn post(&self, alerts: &[DueAlert]) -> PostResult {
        let (public_url, now) = (self.public_url.as_deref(), Timestamp::now());
        let all: Vec<Value> = alerts.iter().flat_map(|alert| postables(alert, public_url, now)).collect();
        post::deliver(WHO, self.client.post(&self.url).json(&all), is_delivered, remedy).await
    }
}

/// Its answer is 200 without a body, as its API says; by who speaks its API, perhaps with some JSON.
fn is_delivered(reply: &PostReply) -> bool {
    reply.status == StatusCode::OK
        && !reply.is_page()
        && (reply.body.is_empty() || serde_json::from_str::<Value>(&reply.body).is_ok())
}

/// For the fuzzer: what an answer means.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn judge(reply: &PostReply) -> PostResult {
    reply.judge(WHO, is_delivered, remedy)
}

fn remedy(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::METHOD_NOT_ALLOWED => Some(
            "set AI_DEBUGGER_ALERTMANAGER_URL to Alertmanager's base URL, such as http://alertmanager:9093",
        ),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(
            "let this host post to Alertmanager without a login, or through a proxy that adds the credentials",
        ),
        status if status.is_redirection() => Some("set AI_DEBUGGER_ALERTMANAGER_URL to its new address"),
        _ => None,
    }
}

/// One alert as it is sent alone.
#[cfg(test)]
pub(super) fn payload(alert: &DueAlert, public_url: Option<&str>, now: Timestamp) -> Value {
    Value::Array(postables(alert, public_url, now))
}

/// The alert; behind it, where the incident became graver, what was known of it by another severity: that is over. It
/// takes states: what is over by now is told so, whatever was to be told.
fn postables(alert: &DueAlert, public_url: Option<&str>, now: Timestamp) -> Vec<Value> {
    let mut incident = redacted(&alert.incident);
    let over = alert.occasion == Occasion::Resolved || incident.status == IncidentStatus::Resolved;
    let mut first = postable(&incident, over, public_url, now);
    if alert.unstored {
        first["annotations"]["stored"] = json!("no: the incident is in the daemon's memory alone");
    }
    let mut all = vec![first];
    if let Some(was) = incident.was.clone() {
        // That alert is this one now: whoever was told of it is told that it is over.
        let mut before = incident.clone();
        (before.kind, before.fingerprint) = (was.kind, was.fingerprint);
        for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
            before.severity = severity;
            all.push(postable(&before, true, public_url, now));
        }
    }
    if alert.occasion == Occasion::Escalated {
        for lesser in
            [Severity::Warning, Severity::Info].into_iter().filter(|it| *it < alert.incident.severity)
        {
            incident.severity = lesser;
            all.push(postable(&incident, true, public_url, now));
        }
    }
    all
}

fn postable(incident: &Incident, over: bool, public_url: Option<&str>, now: Timestamp) -> Value {
    let ends = if over { now } else { now.saturating_add(FIRES_FOR).unwrap_or(Timestamp::MAX) };
    let mut out = json!({
        "labels": labels(incident),
        "annotations": annotations(incident),
        // A clock that was set back may put it in the future: what starts after its end is refused.
        "startsAt": incident.first_seen.min(now).to_string(),
        "endsAt": ends.to_string(),
    });
    if let Some(base) = public_url {
        out["generatorURL"] = json!(format!("{base}/api/v1/incidents/{}", incident.id));
    }
    out
}

/// What an alert is known by: nothing that changes while the incident lives, so its severity, which may rise,
/// is the one label that makes another alert of it.
fn labels(incident: &Incident) -> BTreeMap<&'static str, String> {
    let process = &incident.process;
    let mut labels = BTreeMap::from([
        ("alertname", alert_name(incident)),
        ("job", "ai-debugger".to_owned()),
        ("instance", incident.host.clone()),
        ("kind", incident.kind.as_str().to_owned()),
        ("severity", incident.severity.as_str().to_owned()),
        ("process", process.name.clone()),
        ("fingerprint", incident.fingerprint.clone()),
    ]);
    labels.extend(process.container_id.clone().map(|id| ("container_id", id)));
    // As Kubernetes' own metrics have them, so that they can be routed and held back alike.
    let container = process.container.clone().unwrap_or_default();
    let named = [
        ("container", container.name),
        ("image", container.image),
        ("pod", container.pod),
        ("namespace", container.namespace),
    ];
    labels.extend(named.into_iter().filter_map(|(name, text)| Some((name, text?))));
    labels.values_mut().for_each(|text| *text = inert(text, LABEL));
    // An empty label is none, to Alertmanager.
    labels.retain(|_, text| !text.is_empty());
    labels
}

/// `oom_kill` as `OomKill`, the way alerts are named there.
fn alert_name(incident: &Incident) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|first| format!("{}{}", first.to_ascii_uppercase(), chars.as_str()))
            .unwrap_or_default()
    };
    incident.kind.as_str().split('_').map(capital).collect()
}

/// Alertmanager puts these texts into other people's messages as they are: in Slack's, a process named `<!channel>`
/// would call everybody, and an address would be a link.
fn inert(text: &str, max: usize) -> String {
    let text = printable(text).replace('<', "‹").replace('>', "›").replace("://", "[:]//");
    truncate(&text, max)
}

fn annotations(incident: &Incident) -> BTreeMap<&'static str, String> {
    let verdict = &incident.verdict;
    let facts: Vec<_> = verdict
        .evidence
        .iter()
        .filter_map(|id| incident.facts.iter().find(|fact| fact.id == *id))
        .map(|fact| format!("{} ({})", fact.text, fact.source))
        .collect();
    let mut all = BTreeMap::from([
        ("summary", incident.title.clone()),
        ("description", verdict.summary.clone()),
        ("cause", verdict.probable_cause.clone()),
        ("facts", facts.join("; ")),
        ("incident", incident.id.clone()),
        ("count", incident.count.to_string()),
    ]);
    all.extend(incident.rules_severity.map(|rules| ("rules_severity", rules.to_string())));
    all.extend(verdict.next_steps.first().map(|step| ("next", format!("{}: {}", step.why, step.command))));
    all.values_mut().for_each(|text| *text = inert(text, ANNOTATION));
    all.retain(|_, text| !text.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::kinds::sample::{at, incident};
    use crate::model::{IncidentKind, Was};
    use crate::store::sample::due_alert;

    #[test]
    fn an_incident_is_one_alert_that_ends_when_it_is_resolved() {
        let alert = due_alert(incident());
        let firing = payload(&alert, Some("https://debug.example.org"), at(0));
        expect![[r#"
            [
              {
                "annotations": {
                  "cause": "The limit of its cgroup is too low for it.",
                  "count": "1",
                  "description": "The kernel killed python3 because its cgroup reached its memory limit.",
                  "facts": "its own allocation triggered the OOM killer (kernel:mark_victim)",
                  "incident": "01K7ZZZZZZZZZZZZZZZZZZZZZZ",
                  "next": "Shows the limit.: cat /sys/fs/cgroup/oomtest/memory.max",
                  "summary": "OOM kill: python3 (pid 13674) in /oomtest"
                },
                "endsAt": "2027-01-16T08:00:00Z",
                "generatorURL": "https://debug.example.org/api/v1/incidents/01K7ZZZZZZZZZZZZZZZZZZZZZZ",
                "labels": {
                  "alertname": "OomKill",
                  "fingerprint": "a",
                  "instance": "web-1",
                  "job": "ai-debugger",
                  "kind": "oom_kill",
                  "process": "python3",
                  "severity": "critical"
                },
                "startsAt": "2027-01-15T08:00:00Z"
              }
            ]"#]]
        .assert_eq(&serde_json::to_string_pretty(&firing).unwrap());
        let over = payload(&DueAlert { occasion: Occasion::Resolved, ..alert }, None, at(9));
        assert_eq!(over[0]["labels"], firing[0]["labels"], "the same alert to Alertmanager");
        assert_eq!(over[0]["endsAt"], at(9).to_string());
    }

    #[test]
    fn nothing_starts_after_its_end_wherever_the_clock_was_set() {
        for now in [at(-86_400), at(-1), at(0), at(1)] {
            for occasion in [Occasion::New, Occasion::Escalated, Occasion::Resolved] {
                let alert = DueAlert { occasion, ..due_alert(incident()) };
                let time =
                    |it: &Value, key: &str| -> Timestamp { it[key].as_str().unwrap().parse().unwrap() };
                for it in payload(&alert, None, now).as_array().unwrap() {
                    assert!(time(it, "startsAt") <= time(it, "endsAt"), "{now} {it}");
                }
            }
        }
    }

    #[test]
    fn what_an_incident_was_before_is_over() {
        let mut it = incident();
        it.was = Some(Was { kind: IncidentKind::AbnormalExit, fingerprint: "before".into() });
        let all = payload(&due_alert(it), None, at(5));
        let shown: Vec<_> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let label = |name: &str| it["labels"][name].as_str().unwrap().to_owned();
                (
                    label("alertname"),
                    label("fingerprint"),
                    label("severity"),
                    it["endsAt"] == at(5).to_string(),
                )
            })
            .collect();
        let before =
            |severity: &str| ("AbnormalExit".to_owned(), "before".to_owned(), severity.to_owned(), true);
        let now = ("OomKill".to_owned(), "a".to_owned(), "critical".to_owned(), false);
        assert_eq!(shown, [now, before("critical"), before("warning"), before("info")]);
    }

    #[test]
    fn nobody_is_called_and_nothing_is_linked_by_who_passes_it_on() {
        let mut it = incident();
        it.process.name = "<!channel>".into();
        it.title = "Crash: <https://evil.example|x> https://evil.example".into();
        let out = payload(&due_alert(it), None, at(0));
        assert_eq!(out[0]["labels"]["process"], "‹!channel›");
        let want = "Crash: ‹https[:]//evil.example|x› https[:]//evil.example";
        assert_eq!(out[0]["annotations"]["summary"], want);
    }

    #[test]
    fn what_a_process_wrote_is_bounded_and_printable() {
        let mut it = incident();
        it.process.name = "\u{1b}[31m\0\u{202e}".into();
        it.title = "x".repeat(9999);
        let out = payload(&due_alert(it), None, at(0));
        assert!(!out[0]["labels"]["process"].as_str().unwrap().contains('\u{1b}'), "{out}");
        assert!(out[0]["annotations"]["summary"].as_str().unwrap().chars().count() <= ANNOTATION);
    }
}
