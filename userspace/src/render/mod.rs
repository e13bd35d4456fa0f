//! Sentences, made at the edge: what HTTP, the command line, receivers and the model's prompt show of facts. Nothing
//! reads them back.

mod recorded;

use crate::kinds::case::{CaseFile, Fact, Finding};
use crate::kinds::facts::FactData;
use crate::kinds::shared::{ending, limits, signal, stack, standing, trend};
use crate::kinds::{
    self, abnormal_exit, cpu_spin, crash, crash_loop, fd_exhaustion, fork_storm, hung_task, memory_growth,
    memory_pressure, oom_kill, suspicious_exec, thread_explosion, zombie_pileup,
};
use crate::model::{FactView, FindingView};

/// The sentence of a fact.
pub fn fact(data: &FactData) -> String {
    worded(match data {
        FactData::Recorded(it) => recorded::sentence(it),
        FactData::AbnormalExit(it) => abnormal_exit::words::sentence(it),
        FactData::CrashLoop(it) => crash_loop::words::sentence(it),
        FactData::Crash(it) => crash::words::sentence(it),
        FactData::Ending(it) => ending::words::sentence(it),
        FactData::Signal(it) => signal::words::sentence(it),
        FactData::Stack(it) => stack::words::sentence(it),
        FactData::Standing(it) => standing::words::sentence(it),
        FactData::Hung(it) => hung_task::words::sentence(it),
        FactData::Spin(it) => cpu_spin::words::sentence(it),
        FactData::Exec(it) => suspicious_exec::words::sentence(it),
        FactData::OomKill(it) => oom_kill::words::sentence(it),
        FactData::Limit(it) => limits::words::sentence(it),
        FactData::Trend(it) => trend::words::sentence(it),
        FactData::MemoryGrowth(it) => memory_growth::words::sentence(it),
        FactData::Descriptors(it) => fd_exhaustion::words::sentence(it),
        FactData::Threads(it) => thread_explosion::words::sentence(it),
        FactData::Forks(it) => fork_storm::words::sentence(it),
        FactData::MemoryPressure(it) => memory_pressure::words::sentence(it),
        FactData::Zombie(it) => zombie_pileup::words::sentence(it),
    })
}

/// The sentence of a finding.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    worded(match &finding.summary {
        Some(recorded) => recorded::sentence(recorded),
        None => (kinds::room(finding.kind).summary)(file, finding),
    })
}

/// The facts of a case as they are shown.
pub fn facts(file: &CaseFile) -> Vec<FactView> {
    file.facts.iter().map(fact_view).collect()
}

/// The findings of a case as they are shown.
pub fn findings(file: &CaseFile) -> Vec<FindingView> {
    let view = |it: &Finding| FindingView {
        kind: it.kind,
        severity: it.severity,
        summary: summary(file, it),
        facts: it.facts.clone(),
    };
    file.findings.iter().map(view).collect()
}

fn fact_view(it: &Fact) -> FactView {
    FactView {
        id: it.id.clone(),
        text: fact(&it.data),
        data: serde_json::to_value(&it.data).unwrap_or_default(),
        source: it.source.clone(),
        at: it.at,
    }
}

/// As it is; a test has every sentence in other words.
fn worded(sentence: String) -> String {
    #[cfg(test)]
    if tests::REWORDED.get() {
        return sentence.split_whitespace().rev().collect::<Vec<_>>().join(" of the ");
    }
    sentence
}

#[cfg(test)]
mod tests;
