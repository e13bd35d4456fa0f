//! What is known of a finding only a moment after it was made, and may come by another way: a case waits for it, the
//! monitor does not.

use std::pin::Pin;

use super::case::Statement;
use crate::model::EvidenceFile;

/// An addition on its way; it must come, or give up, within a second.
pub type Late = Pin<Box<dyn Future<Output = Addition> + Send>>;

/// Two additions as one.
pub fn both(one: Option<Late>, other: Option<Late>) -> Option<Late> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Box::pin(async {
            let (mut all, more) = tokio::join!(one, other);
            all.facts.extend(more.facts);
            all.files.extend(more.files);
            all.missing.extend(more.missing);
            all
        })),
        (one, other) => one.or(other),
    }
}

/// What is added to a draft and its evidence.
#[derive(Debug, Default)]
pub struct Addition {
    /// Told after the first fact, which is the proof.
    pub facts: Vec<Statement>,
    /// Frozen with the case.
    pub files: Vec<EvidenceFile>,
    /// What could not be had, and why.
    pub missing: Vec<String>,
}
