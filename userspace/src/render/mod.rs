//! Sentences, made at the edge: what HTTP, the command line, receivers and the model's prompt show of facts. Nothing
//! reads them back.

use crate::kinds;
use crate::kinds::case::{CaseFile, Fact, Finding};
use crate::kinds::facts::FactData;
use crate::kinds::shared::recorded;
use crate::model::{FactView, FindingView};

/// The sentence of a fact, by the words of the room it is at home in.
macro_rules! sentence_of {
    ($rooms:ident; $($(#[$meta:meta])* $Group:ident($Facts:ident) $as:ident in ($($home:ident)+)),+ $(,)?) => {
        fn sentence_of(data: &FactData) -> String {
            match data {
                $(FactData::$Group(it) => $rooms::$($home)::+::words::sentence(it)),+
            }
        }
    };
}
kinds::statements::statements!(sentence_of in kinds);

/// The sentence of a fact.
pub fn fact(data: &FactData) -> String {
    worded(sentence_of(data))
}

/// The sentence of a finding.
pub fn summary(file: &CaseFile, finding: &Finding) -> String {
    worded(match &finding.summary {
        Some(it) => recorded::words::sentence(it),
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
