//! A message as Slack got it: which incident it is about and what it says of itself.

use super::service::{Seen, Service};

const ABOUT: &str = "Incident `/api/v1/incidents/";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) at_ms: i64,
    pub(super) answered_ms: Option<i64>,
    /// The incident's id; empty where there is none.
    pub(super) about: String,
    /// As the notification begins.
    pub(super) severity: String,
    pub(super) may_repeat: bool,
    pub(super) by_model: bool,
    pub(super) by_rules: bool,
    /// Says why it is not the model's.
    pub(super) says_why: bool,
    /// All of it.
    pub(super) body: String,
}

impl Message {
    pub(super) fn of(seen: &Seen) -> Self {
        let body = seen.body.clone();
        let about = body.split_once(ABOUT).and_then(|(_, rest)| rest.split('`').next()).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let text = json["text"].as_str().unwrap_or_default();
        Self {
            at_ms: seen.at_ms,
            answered_ms: seen.answered_ms,
            about: about.to_owned(),
            severity: text.split(':').next().unwrap_or_default().to_lowercase(),
            may_repeat: text.ends_with("(may be a repeat)"),
            by_model: body.contains(", by the model"),
            by_rules: body.contains(", by the built-in rules"),
            says_why: body.contains("model unavailable") || body.contains("no answer of the model"),
            body,
        }
    }

    /// Whether the person is told by whom the verdict is, and why where it is not the model's.
    pub(super) const fn is_marked(&self, model_heard: bool) -> bool {
        match (self.by_model, self.by_rules) {
            (true, false) => model_heard,
            (false, true) => self.says_why,
            _ => false,
        }
    }
}

pub(super) fn messages(slack: &Service) -> Vec<Message> {
    slack.seen().iter().map(Message::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_says_of_itself() {
        let of = |body: &str| {
            Message::of(&Seen { at_ms: 7, path: "/".into(), body: body.into(), answered_ms: None })
        };
        let it = of(
            r#"{"text":"CRITICAL: OOM kill: x on h. Killed. (may be a repeat)","blocks":[{"text":"Confidence high, by the built-in rules. model unavailable: HTTP 429\nIncident `/api/v1/incidents/01ABC`"}]}"#,
        );
        assert_eq!((it.about.as_str(), it.severity.as_str(), it.at_ms), ("01ABC", "critical", 7));
        assert!(it.may_repeat && it.by_rules && !it.by_model && it.is_marked(false) && it.is_marked(true));
        let it = of(r#"{"text":"WARNING: x","b":"Confidence high, by the model `m`."}"#);
        assert!(it.about.is_empty() && !it.may_repeat && it.is_marked(true) && !it.is_marked(false));
        assert!(!of(r#"{"text":"WARNING: x","b":"by nobody"}"#).is_marked(true));
        assert!(!of(r#"{"text":"WARNING: x","b":", by the built-in rules."}"#).is_marked(true), "no reason");
    }
}
