//! Nothing was found: that is an answer too, as strong as what was looked at.

use crate::kinds::case::CaseFile;
use crate::kinds::opinion::commands::{logs, step};
use crate::kinds::opinion::{name, who};
use crate::kinds::shared::standing::facts::StandingFact;
use crate::model::{Confidence, Verdict, VerdictBy};
use crate::render;

/// With so many frozen files and nothing missing, silence means health.
const WELL_SEEN_FILES: usize = 3;

pub(super) fn judge(file: &CaseFile) -> Verdict {
    let gaps = gaps(file);
    // What needs a longer look may still be wrong with it.
    let unjudged = file
        .facts
        .iter()
        .find(|fact| matches!(fact.data.as_standing(), Some(StandingFact::NotJudgedYet { .. })));
    let confidence = if unjudged.is_some() || (file.facts.is_empty() && file.evidence.is_empty()) {
        Confidence::Low
    } else if gaps.is_empty() && file.evidence.len() >= WELL_SEEN_FILES {
        Confidence::High
    } else {
        Confidence::Medium
    };
    let looked_at = format!("{} facts and {} files were examined", file.facts.len(), file.evidence.len());
    let watched = file
        .facts
        .iter()
        .filter(|fact| fact.source == "monitor:history")
        .map(|fact| render::fact(&fact.data));
    let looked_at = [looked_at].into_iter().chain(watched).collect::<Vec<_>>().join("; ");
    let cause = if gaps.is_empty() {
        format!("No rule found a fault; {looked_at}.")
    } else {
        format!("No rule found a fault; {looked_at}. What could not be seen: {}.", gaps.join("; "))
    };
    let pid = file.process.pid;
    Verdict {
        by: VerdictBy::Rules,
        model: None,
        summary: format!("Nothing suspicious in {}.", who(file)),
        probable_cause: cause,
        confidence,
        evidence: file.facts.iter().map(|fact| fact.id.clone()).collect(),
        hypotheses: Vec::new(),
        next_steps: vec![
            step(
                format!("If {} still seems wrong: state, memory, threads, signals", name(file)),
                format!("cat /proc/{pid}/status"),
            ),
            logs(file),
        ],
        raised_to: None,
        note: None,
    }
}

/// What the absence of findings does not cover.
fn gaps(file: &CaseFile) -> Vec<String> {
    let lost = file.completeness.events_lost;
    let mut gaps = file.completeness.missing.clone();
    if lost > 0 {
        gaps.push(format!("{lost} kernel events were lost"));
    }
    gaps
}
