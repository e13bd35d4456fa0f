//! A message as Slack got it: which incident it is about and what it says of itself.

use serde_json::Value;

use super::{PeerRequest, Service};
use crate::model::Severity;

const ABOUT: &str = "Incident `/api/v1/incidents/";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) at_ms: i64,
    pub(crate) answered_ms: Option<i64>,
    /// The incident's id; empty where there is none.
    pub(crate) about: String,
    /// As the notification begins; absent where it begins with something else.
    pub(crate) severity: Option<Severity>,
    pub(crate) may_repeat: bool,
    pub(crate) by_model: bool,
    pub(crate) by_rules: bool,
    /// Says why it is not the model's.
    pub(crate) says_why: bool,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn of(seen: &PeerRequest) -> Self {
        let body = seen.body.clone();
        let about = body.split_once(ABOUT).and_then(|(_, rest)| rest.split('`').next()).unwrap_or_default();
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = json["text"].as_str().unwrap_or_default();
        Self {
            at_ms: seen.at_ms,
            answered_ms: seen.answered_ms,
            about: about.to_owned(),
            severity: text.split(':').next().and_then(|it| it.to_lowercase().parse().ok()),
            may_repeat: text.ends_with("(may be a repeat)"),
            by_model: body.contains(", by the model"),
            by_rules: body.contains(", by the built-in rules"),
            says_why: says_why(&body),
            body,
        }
    }

    /// As the webhook got it. Of the incident's texts only the verdict: the rest is a process's own words, as data.
    pub(crate) fn of_hook(seen: &PeerRequest) -> Self {
        let json: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let incident = &json["incident"];
        let verdict = &incident["verdict"];
        let note = verdict["note"].as_str().unwrap_or_default();
        Self {
            may_repeat: json["may_be_repeat"] == true,
            by_model: verdict["by"] == "model",
            by_rules: verdict["by"] == "rules",
            says_why: says_why(note),
            body: without_commands(verdict),
            ..Self::about(seen, &incident["id"], &incident["severity"])
        }
    }

    /// As Alertmanager got them, many in a request; of one incident the first, as behind it stands by which severities
    /// it is over.
    pub(crate) fn of_alertmanager(seen: &PeerRequest) -> Vec<Self> {
        let json: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let mut all: Vec<_> =
            json.as_array().into_iter().flatten().map(|alert| Self::of_alert(seen, alert)).collect();
        all.dedup_by(|later, first| later.about == first.about);
        all
    }

    /// It has no place for by whom, and takes the same alert twice for one.
    fn of_alert(seen: &PeerRequest, alert: &Value) -> Self {
        let texts = &alert["annotations"];
        Self {
            may_repeat: true,
            by_rules: true,
            says_why: true,
            body: format!("{} {}", texts["description"], texts["cause"]),
            ..Self::about(seen, &texts["incident"], &alert["labels"]["severity"])
        }
    }

    fn about(seen: &PeerRequest, id: &Value, severity: &Value) -> Self {
        Self {
            at_ms: seen.at_ms,
            answered_ms: seen.answered_ms,
            about: id.as_str().unwrap_or_default().to_owned(),
            severity: severity.as_str().and_then(|it| it.parse().ok()),
            ..Self::default()
        }
    }

    /// Whether the person is told by whom the verdict is, and why where it is not the model's.
    pub(crate) const fn is_marked(&self, model_heard: bool) -> bool {
        match (self.by_model, self.by_rules) {
            (true, false) => model_heard,
            (false, true) => self.says_why,
            _ => false,
        }
    }
}

fn says_why(text: &str) -> bool {
    text.contains("model is unavailable") || text.contains("no answer from the model")
}

/// A verdict's texts; its commands quote what they look for, and are judged where they are made.
fn without_commands(verdict: &Value) -> String {
    let mut verdict = verdict.clone();
    for step in verdict["next_steps"].as_array_mut().into_iter().flatten() {
        step["command"] = Value::Null;
    }
    verdict.to_string()
}

pub(crate) fn messages(slack: &Service) -> Vec<Message> {
    slack.seen().iter().map(Message::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(body: &str) -> PeerRequest {
        PeerRequest {
            at_ms: 7,
            path: "/".into(),
            headers: hyper::HeaderMap::new(),
            body: body.into(),
            answered_ms: None,
        }
    }

    #[test]
    fn what_others_than_slack_get() {
        let it = Message::of_hook(&seen(
            r#"{"may_be_repeat":true,"incident":{"id":"01A","severity":"warning","process":{"argv":["<!channel>"]},
                "verdict":{"by":"rules","note":"the model is unavailable: x","summary":"s","next_steps":[{"command":"<@U1>"}]}}}"#,
        ));
        assert_eq!((it.about.as_str(), it.severity), ("01A", Some(Severity::Warning)));
        assert!(it.may_repeat && it.is_marked(false) && !it.body.contains('<'), "{it:?}");
        let all = Message::of_alertmanager(&seen(
            r#"[{"labels":{"severity":"critical"},"annotations":{"incident":"01B","description":"d","cause":"c"}},
                {"labels":{"severity":"warning"},"annotations":{"incident":"01B"}},
                {"labels":{"severity":"warning"},"annotations":{"incident":"01C"}}]"#,
        ));
        assert_eq!(all.iter().map(|it| it.about.as_str()).collect::<Vec<_>>(), ["01B", "01C"]);
        let it = &all[0];
        assert_eq!(
            (it.about.as_str(), it.severity, it.body.as_str()),
            ("01B", Some(Severity::Critical), "\"d\" \"c\"")
        );
        assert!(!Message::of_hook(&seen("<html>")).is_marked(true));
    }

    #[test]
    fn what_a_message_says_of_itself() {
        let of = |body: &str| Message::of(&seen(body));
        let it = of(
            r#"{"text":"CRITICAL: OOM kill: x on h. Killed. (may be a repeat)","blocks":[{"text":"Confidence high, by the built-in rules. the model is unavailable: HTTP 429\nIncident `/api/v1/incidents/01ABC`"}]}"#,
        );
        assert_eq!((it.about.as_str(), it.severity, it.at_ms), ("01ABC", Some(Severity::Critical), 7));
        assert!(it.may_repeat && it.by_rules && !it.by_model && it.is_marked(false) && it.is_marked(true));
        let it = of(r#"{"text":"WARNING: x","b":"Confidence high, by the model `m`."}"#);
        assert!(it.about.is_empty() && !it.may_repeat && it.is_marked(true) && !it.is_marked(false));
        assert!(!of(r#"{"text":"WARNING: x","b":"by nobody"}"#).is_marked(true));
        assert!(!of(r#"{"text":"WARNING: x","b":", by the built-in rules."}"#).is_marked(true), "no reason");
    }
}
