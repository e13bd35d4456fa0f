//! From what the model wrote to a verdict. The model has no authority: what it cites must exist, what it proposes
//! must only look, what it writes is cleaned and bounded, and severity it may raise by one step and never lower.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::{clean, command};
use crate::model::{Confidence, Hypothesis, NextStep, Severity, Verdict, VerdictBy};

/// Each limit: what a person on call will read, and a Slack message can hold.
const MAX_SUMMARY_CHARS: usize = 300;
const MAX_CAUSE_CHARS: usize = 1_200;
const MAX_HYPOTHESES: usize = 4;
const MAX_HYPOTHESIS_CHARS: usize = 400;
const MAX_STEPS: usize = 5;
const MAX_WHY_CHARS: usize = 200;
const MAX_CITED: usize = 16;

/// What the answer is held against.
pub(crate) struct Grounds<'a> {
    /// The ids of the facts there are.
    pub(crate) facts: Vec<&'a str>,
    /// How bad the rules find it; `None`: they found nothing.
    pub(crate) severity: Option<Severity>,
    /// The steps of the rules.
    pub(crate) next_steps: &'a [NextStep],
}

#[derive(Deserialize)]
struct ModelAnswer {
    summary: String,
    probable_cause: String,
    confidence: Confidence,
    evidence: Vec<String>,
    #[serde(default)]
    hypotheses: Vec<AnswerHypothesis>,
    #[serde(default)]
    next_steps: Vec<AnswerStep>,
    /// Whatever it is: what is no severity is no reason to lose the rest.
    #[serde(default)]
    severity: Value,
}

#[derive(Deserialize)]
struct AnswerHypothesis {
    cause: String,
    #[serde(default)]
    evidence: Vec<String>,
}

#[derive(Deserialize)]
struct AnswerStep {
    why: String,
    command: String,
}

/// What was taken out of an answer.
#[derive(Default)]
struct Dropped {
    citations: usize,
    hypotheses: usize,
    commands: usize,
    severities: usize,
}

/// The model's verdict; where it gives no usable step, with the steps of the rules.
pub(super) fn verdict(content: &str, grounds: &Grounds<'_>, model: &str) -> Result<Verdict, Failure> {
    let answer = parse(content).ok_or(Failure::Invalid("is not the requested JSON"))?;
    let mut dropped = Dropped::default();
    let summary = clean::paragraph(&answer.summary, MAX_SUMMARY_CHARS);
    let probable_cause = clean::paragraph(&answer.probable_cause, MAX_CAUSE_CHARS);
    if summary.is_empty() || probable_cause.is_empty() {
        return Err(Failure::Invalid("gives no cause"));
    }
    let evidence = cited(&answer.evidence, grounds, &mut dropped);
    if evidence.is_empty() {
        return Err(Failure::Invalid("cites no fact of this case"));
    }
    let hypotheses = hypotheses(&answer.hypotheses, grounds, &mut dropped);
    let mut next_steps = steps(&answer.next_steps, &mut dropped);
    if next_steps.is_empty() {
        next_steps = grounds.next_steps.to_vec();
    }
    let raised_to = raised(&answer.severity, grounds, &mut dropped);
    Ok(Verdict {
        by: VerdictBy::Model,
        model: Some(model.to_owned()),
        summary,
        probable_cause,
        confidence: answer.confidence,
        evidence,
        hypotheses,
        next_steps,
        raised_to,
        note: dropped.note(),
    })
}

/// Models without strict decoding put fences or reasoning around their JSON.
fn parse(content: &str) -> Option<ModelAnswer> {
    let inside = || content.get(content.find('{')?..=content.rfind('}')?);
    serde_json::from_str(content).ok().or_else(|| serde_json::from_str(inside()?).ok())
}

/// Those of the ids that exist, each once.
fn cited(ids: &[String], grounds: &Grounds<'_>, dropped: &mut Dropped) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for id in ids {
        let id = id.trim().trim_matches(['[', ']']);
        if known.iter().any(|it| it == id) {
            continue;
        }
        if known.len() < MAX_CITED && grounds.facts.contains(&id) {
            known.push(id.to_owned());
        } else {
            dropped.citations += 1;
        }
    }
    known
}

fn hypotheses(claims: &[AnswerHypothesis], grounds: &Grounds<'_>, dropped: &mut Dropped) -> Vec<Hypothesis> {
    let mut kept = Vec::new();
    for claim in claims {
        let cause = clean::paragraph(&claim.cause, MAX_HYPOTHESIS_CHARS);
        let evidence = cited(&claim.evidence, grounds, dropped);
        if cause.is_empty() || evidence.is_empty() || kept.len() == MAX_HYPOTHESES {
            dropped.hypotheses += 1;
        } else {
            kept.push(Hypothesis { cause, evidence });
        }
    }
    kept
}

fn steps(steps: &[AnswerStep], dropped: &mut Dropped) -> Vec<NextStep> {
    let mut kept = Vec::new();
    for step in steps {
        let why = clean::paragraph(&step.why, MAX_WHY_CHARS);
        match command::checked(&step.command) {
            Some(command) if !why.is_empty() && kept.len() < MAX_STEPS => {
                kept.push(NextStep { why, command });
            }
            _ => dropped.commands += 1,
        }
    }
    kept
}

/// The severity where it is the next above the rules'. A lower one would silence, one further up lets whoever
/// wrote into the case page anybody with anything; and so does one beside citations of what is not there. Without
/// a finding there is nothing to raise.
fn raised(said: &Value, grounds: &Grounds<'_>, dropped: &mut Dropped) -> Option<Severity> {
    let rules = grounds.severity?;
    let said: Option<Severity> = match said {
        Value::Null => return None,
        Value::String(word) => word.parse().ok(),
        _ => None,
    };
    // Its own word for the same is no claim.
    if said == Some(rules) {
        return None;
    }
    let raised = said.filter(|it| rules.next() == Some(*it) && dropped.citations == 0);
    dropped.severities += usize::from(raised.is_none());
    raised
}

impl Dropped {
    fn note(&self) -> Option<String> {
        let parts: Vec<String> = [
            (self.citations, "citations of facts that are not in the case"),
            (self.hypotheses, "hypotheses without a fact, or too many"),
            (self.commands, "steps whose command may change something, or too many"),
            (
                self.severities,
                "severities that are not one step above the rules', or that cite facts not in the case",
            ),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what}: {count}"))
        .collect();
        (!parts.is_empty()).then(|| format!("dropped from the model's answer: {}", parts.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Three facts of something critical.
    fn grounds(next_steps: &[NextStep]) -> Grounds<'_> {
        Grounds { facts: vec!["F1", "F2", "F3"], severity: Some(Severity::Critical), next_steps }
    }

    fn good() -> Value {
        json!({
            "summary": "python3 was killed by the OOM killer.",
            "probable_cause": "It filled its cgroup.",
            "confidence": "high",
            "evidence": ["F1", "F3"],
            "hypotheses": [{"cause": "The limit is too small.", "evidence": ["F3"]}],
            "next_steps": [{"why": "See the report", "command": "journalctl -k -n 100"}],
        })
    }

    /// The good answer with one field replaced.
    fn with(field: &str, value: Value) -> String {
        let mut answer = good();
        answer[field] = value;
        answer.to_string()
    }

    fn judge(content: &str) -> Result<Verdict, Failure> {
        let rules = [NextStep { why: "rules".into(), command: "uptime".into() }];
        verdict(content, &grounds(&rules), "openai/gpt-oss-120b")
    }

    #[test]
    fn a_good_answer_is_the_models_verdict() {
        let verdict = judge(&good().to_string()).unwrap();
        assert_eq!((verdict.by, verdict.model.as_deref()), (VerdictBy::Model, Some("openai/gpt-oss-120b")));
        assert_eq!((verdict.confidence, verdict.evidence.join(" ").as_str()), (Confidence::High, "F1 F3"));
        assert_eq!((verdict.hypotheses.len(), verdict.next_steps.len(), &verdict.note), (1, 1, &None));
        for wrapped in [format!("```json\n{}\n```", good()), format!("<think>hm</think> {}", good())] {
            assert_eq!(judge(&wrapped), Ok(verdict.clone()), "{wrapped}");
        }
    }

    #[test]
    fn a_bad_answer_is_none() {
        let not_json = "is not the requested JSON";
        let mut without_evidence = good();
        without_evidence.as_object_mut().unwrap().remove("evidence");
        for (content, why) in [
            ("all is well".to_owned(), not_json),
            ("}{".to_owned(), not_json),
            ("[]".to_owned(), not_json),
            ("[".repeat(100_000), not_json),
            (without_evidence.to_string(), not_json),
            (with("confidence", json!("certain")), not_json),
            (with("confidence", json!(0.9)), not_json),
            (with("evidence", json!("F1")), not_json),
            (with("summary", json!(null)), not_json),
            (with("summary", json!(" ")), "gives no cause"),
            (with("probable_cause", json!("")), "gives no cause"),
            (with("probable_cause", json!("<b></b>")), "gives no cause"),
            (with("evidence", json!([])), "cites no fact of this case"),
            (with("evidence", json!(["F4", "F99", "", "f1"])), "cites no fact of this case"),
        ] {
            assert_eq!(judge(&content), Err(Failure::Invalid(why)), "{content:.80}");
        }
    }

    #[test]
    fn what_does_not_hold_is_dropped_and_told() {
        let claims =
            json!([{"cause": "a", "evidence": ["F9"]}, {"cause": "b"}, {"cause": "c", "evidence": ["F2"]}]);
        let reboot = json!([{"why": "a", "command": "reboot"}, {"why": "", "command": "uptime"}]);
        for (content, evidence, hypotheses, steps, note) in [
            (
                with("evidence", json!(["F1", "F7", "[F2]", "F1"])),
                "F1 F2",
                1,
                "journalctl -k -n 100",
                Some("case: 1"),
            ),
            (
                with("hypotheses", claims),
                "F1 F3",
                1,
                "journalctl -k -n 100",
                Some("case: 1; hypotheses without a fact, or too many: 2"),
            ),
            (with("next_steps", reboot), "F1 F3", 1, "uptime", Some("too many: 2")),
            (with("next_steps", json!([])), "F1 F3", 1, "uptime", None),
            (with("severity", json!("critical")), "F1 F3", 1, "journalctl -k -n 100", None),
            (with("severity", json!(null)), "F1 F3", 1, "journalctl -k -n 100", None),
            (with("severity", json!("info")), "F1 F3", 1, "journalctl -k -n 100", Some("not in the case: 1")),
        ] {
            let verdict = judge(&content).unwrap();
            assert_eq!(verdict.evidence.join(" "), evidence);
            assert_eq!(verdict.hypotheses.len(), hypotheses);
            assert_eq!(verdict.next_steps[0].command, steps);
            assert_eq!(verdict.note.is_some(), note.is_some(), "{:?}", verdict.note);
            assert!(verdict.note.unwrap_or_default().contains(note.unwrap_or_default()));
        }
    }

    #[test]
    fn a_severity_may_rise_by_one_step_and_never_fall() {
        use Severity::{Critical, Info, Warning};
        for (rules, said, evidence, want, noted) in [
            (Some(Warning), json!("critical"), "F1", Some(Critical), false),
            (Some(Info), json!("warning"), "F1", Some(Warning), false),
            (Some(Warning), json!(null), "F1", None, false),
            (Some(Warning), json!("warning"), "F1", None, false),
            // Down, too far, beyond the end.
            (Some(Critical), json!("info"), "F1", None, true),
            (Some(Critical), json!("warning"), "F1", None, true),
            (Some(Warning), json!("info"), "F1", None, true),
            (Some(Info), json!("critical"), "F1", None, true),
            (Some(Critical), json!("emergency"), "F1", None, true),
            // No severities.
            (Some(Warning), json!("CRITICAL"), "F1", None, true),
            (Some(Warning), json!(" critical"), "F1", None, true),
            (Some(Warning), json!(2), "F1", None, true),
            (Some(Warning), json!(["critical"]), "F1", None, true),
            (Some(Warning), json!({"to": "critical"}), "F1", None, true),
            // It also cites what is not there; there is nothing to raise.
            (Some(Warning), json!("critical"), "F99", None, true),
            (None, json!("critical"), "F1", None, false),
        ] {
            let grounds = Grounds { severity: rules, ..grounds(&[]) };
            let mut answer = good();
            answer["severity"] = said.clone();
            answer["evidence"] = json!(["F1", evidence]);
            let verdict = verdict(&answer.to_string(), &grounds, "m").unwrap();
            assert_eq!(verdict.raised_to, want, "{rules:?} {said}");
            assert_eq!(verdict.note.is_some(), noted, "{rules:?} {said}: {:?}", verdict.note);
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let long = "word ".repeat(10_000);
        let mut answer = good();
        answer["summary"] = json!(long);
        answer["probable_cause"] = json!(long);
        answer["evidence"] = json!(vec!["F1"; 1_000]);
        answer["hypotheses"] = json!(vec![json!({"cause": long, "evidence": ["F1"]}); 100]);
        answer["next_steps"] = json!(vec![json!({"why": long, "command": "uptime"}); 100]);
        let verdict = judge(&answer.to_string()).unwrap();
        assert_eq!(verdict.summary.chars().count(), MAX_SUMMARY_CHARS);
        assert_eq!(verdict.probable_cause.chars().count(), MAX_CAUSE_CHARS);
        assert_eq!((verdict.evidence.len(), verdict.hypotheses.len()), (1, MAX_HYPOTHESES));
        assert_eq!(verdict.next_steps.len(), MAX_STEPS);
        assert!(verdict.note.unwrap().contains("or too many: 95"));
    }
}
