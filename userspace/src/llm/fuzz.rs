//! For the fuzzer: whatever a model, or who says that he is one, answers.

use super::answer::{self, Grounds};
use super::failure::Failure;
use super::{clean, command, reply};
use crate::model::Severity;

/// See [`crate::fuzzing`].
pub fn fuzz(bytes: &[u8]) {
    let _ = reply::usage(bytes);
    let text = String::from_utf8_lossy(bytes);
    let failure = Failure::from_status(429, text.lines().next(), bytes);
    assert!(!failure.to_string().is_empty() && !failure.outcome().is_empty());
    let content = reply::content(bytes).unwrap_or_else(|_| text.clone().into_owned());
    let grounds = Grounds { facts: vec!["F1", "F2"], severity: Some(Severity::Warning), next_steps: &[] };
    if let Ok(verdict) = answer::verdict(&content, &grounds, "m") {
        let known = |id: &String| grounds.facts.contains(&id.as_str());
        assert!(!verdict.evidence.is_empty() && verdict.evidence.iter().all(known), "it cites what there is");
        assert!(verdict.next_steps.iter().all(|step| command::checked(&step.command).is_some()));
    }
    assert!(clean::paragraph(&text, 100).chars().count() <= 100);
    for line in text.lines() {
        if let Some(checked) = command::checked(line) {
            assert!(!checked.contains(char::is_control), "{checked:?}");
        }
    }
}
