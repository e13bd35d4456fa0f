//! The rules analyst: what an experienced colleague would say at once, from the kind of the worst finding, the
//! facts and the frozen files. Always there, never waits, and never says more than the facts do.

mod nothing;

use crate::kinds;
use crate::kinds::case::{CaseFile, Finding};
use crate::kinds::opinion::{cited, from_sources};
use crate::model::{Hypothesis, Verdict, VerdictBy};
use crate::{redact, render, text};

/// Other causes shown at most; further findings come last and fall off.
const MAX_HYPOTHESES: usize = 5;
/// Steps shown at most: a person at night reads no more.
const MAX_STEPS: usize = 4;

/// The verdict on a case file.
pub(super) fn judge(file: &CaseFile) -> Verdict {
    let Some(worst) = file.findings.first() else {
        return safe_to_send(file, nothing::judge(file));
    };
    let opinion = (kinds::room(worst.kind).verdict)(file, worst);
    let mut evidence = cited(file, worst);
    for id in from_sources(file, opinion.sources) {
        if !evidence.contains(&id) {
            evidence.push(id);
        }
    }
    let mut hypotheses = opinion.hypotheses;
    hypotheses.extend(other_findings(file, worst));
    hypotheses.truncate(MAX_HYPOTHESES);
    let mut next_steps = opinion.next_steps;
    next_steps.truncate(MAX_STEPS);
    safe_to_send(
        file,
        Verdict {
            by: VerdictBy::Rules,
            model: None,
            summary: render::summary(file, worst),
            probable_cause: opinion.cause,
            confidence: opinion.confidence,
            evidence,
            hypotheses,
            next_steps,
            raised_to: None,
            note: None,
        },
    )
}

/// What else was found: it may be the cause of the worst, or its consequence.
fn other_findings<'a>(file: &'a CaseFile, worst: &'a Finding) -> impl Iterator<Item = Hypothesis> + 'a {
    file.findings.iter().skip(1).filter(|other| other.kind != worst.kind).map(|other| Hypothesis {
        cause: format!("Also found, and possibly connected: {}", render::summary(file, other)),
        evidence: cited(file, other),
    })
}

/// Verdicts are shown in terminals and sent to Slack, and quote what processes wrote. Commands are safe as they
/// are made (`commands::quote`).
fn safe_to_send(file: &CaseFile, mut verdict: Verdict) -> Verdict {
    let secrets = redact::secrets_in(&file.process.argv);
    let steps = verdict.next_steps.iter_mut().map(|step| &mut step.why);
    let causes = verdict.hypotheses.iter_mut().map(|hypothesis| &mut hypothesis.cause);
    for field in [&mut verdict.summary, &mut verdict.probable_cause].into_iter().chain(steps).chain(causes) {
        *field = redact::text_without(&secrets, &text::printable(field));
    }
    verdict
}

#[cfg(test)]
mod tests;
