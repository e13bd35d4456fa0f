//! What is known of a finding only a moment after it was made, and may come by another way: a case waits for it, the
//! monitor does not.

use std::pin::Pin;

use super::case::Statement;
use crate::model::EvidenceFile;

/// An addition on its way; it must come, or give up, within a second.
pub type Late = Pin<Box<dyn Future<Output = Addition> + Send>>;

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
