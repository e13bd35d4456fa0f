//! The rules analyst: what an experienced colleague would say at once, from the kind of the worst finding, the
//! facts and the frozen files. Always there, never waits, and never says more than the facts do.

mod abnormal_exit;
mod commands;
mod cpu_spin;
mod crash;
mod crash_loop;
mod fault;
mod fd_exhaustion;
mod fork_storm;
mod frozen;
mod hung_task;
mod memory_growth;
mod memory_pressure;
mod nothing;
mod oom_kill;
mod oom_report;
mod suspicious_exec;
mod thread_explosion;
mod zombie_pileup;

use crate::model::{CaseFile, Confidence, Finding, Hypothesis, IncidentKind, NextStep, Verdict, VerdictBy};
use crate::{redact, text};

/// Other causes shown at most; further findings come last and fall off.
const MAX_HYPOTHESES: usize = 5;
/// Steps shown at most: a person at night reads no more.
const MAX_STEPS: usize = 4;
/// A process's name in a sentence; comm has 15 bytes, a name from elsewhere may have more.
const MAX_NAME_CHARS: usize = 40;

/// What one family of rules thinks.
struct Opinion {
    cause: String,
    confidence: Confidence,
    /// Where the facts were read that the cause rests on, beside those the finding cites.
    sources: &'static [&'static str],
    hypotheses: Vec<Hypothesis>,
    next_steps: Vec<NextStep>,
}

/// The verdict on a case file.
pub(super) fn judge(file: &CaseFile) -> Verdict {
    let Some(worst) = file.findings.first() else { return nothing::judge(file) };
    let opinion = match worst.kind {
        IncidentKind::OomKill => oom_kill::judge(file, worst),
        IncidentKind::Crash => crash::judge(file, worst),
        IncidentKind::AbnormalExit => abnormal_exit::judge(file, worst),
        IncidentKind::CrashLoop => crash_loop::judge(file, worst),
        IncidentKind::ZombiePileup => zombie_pileup::judge(file, worst),
        IncidentKind::MemoryPressure => memory_pressure::judge(file, worst),
        IncidentKind::FdExhaustion => fd_exhaustion::judge(file, worst),
        IncidentKind::SuspiciousExec => suspicious_exec::judge(file, worst),
        IncidentKind::HungTask => hung_task::judge(file, worst),
        IncidentKind::CpuSpin => cpu_spin::judge(file, worst),
        IncidentKind::MemoryGrowth => memory_growth::judge(file, worst),
        IncidentKind::ThreadExplosion => thread_explosion::judge(file, worst),
        IncidentKind::ForkStorm => fork_storm::judge(file, worst),
    };
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
            summary: worst.summary.clone(),
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

/// The facts a finding cites, as far as they exist.
fn cited(file: &CaseFile, finding: &Finding) -> Vec<String> {
    finding.facts.iter().filter(|id| file.facts.iter().any(|fact| &fact.id == *id)).cloned().collect()
}

/// The facts whose source begins with one of `sources`.
fn from_sources(file: &CaseFile, sources: &[&str]) -> Vec<String> {
    let read_there = |source: &str| sources.iter().any(|start| source.starts_with(start));
    file.facts.iter().filter(|fact| read_there(&fact.source)).map(|fact| fact.id.clone()).collect()
}

/// Another cause that would fit, resting on facts from `sources`, or on the finding's own.
fn hypothesis(file: &CaseFile, finding: &Finding, sources: &[&str], cause: impl Into<String>) -> Hypothesis {
    let mut evidence = from_sources(file, sources);
    if evidence.is_empty() {
        evidence = cited(file, finding);
    }
    Hypothesis { cause: cause.into(), evidence }
}

/// What else was found: it may be the cause of the worst, or its consequence.
fn other_findings<'a>(file: &'a CaseFile, worst: &'a Finding) -> impl Iterator<Item = Hypothesis> + 'a {
    file.findings.iter().skip(1).filter(|other| other.kind != worst.kind).map(|other| Hypothesis {
        cause: format!("Also found, and perhaps connected: {}", other.summary),
        evidence: cited(file, other),
    })
}

/// Whom a sentence is about, such as `python3 (pid 13674)`.
fn who(file: &CaseFile) -> String {
    format!("{} (pid {})", name(file), file.process.pid)
}

/// The process's name alone.
fn name(file: &CaseFile) -> String {
    text::truncate(&text::printable(&file.process.name), MAX_NAME_CHARS)
}

/// `262144` bytes as a person says it.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10) >> shift;
    if tenths % 10 == 0 || tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
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
