//! The analyst: from a case file to a verdict. Built-in rules always, a language model on top when allowed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::config::LlmConfig;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::model::{CaseFile, Verdict};

#[cfg(test)]
mod fixture;
pub mod prompt;
mod rules;

/// The built-in verdict: pure, at once, always there.
pub fn built_in(file: &CaseFile) -> Verdict {
    rules::judge(file)
}

/// The language model on top of the built-in rules. Cheap to clone.
#[derive(Clone)]
pub struct Analyst {
    _todo: Arc<()>,
}

impl Analyst {
    /// `None` configuration: the rules alone.
    pub fn new(_llm: Option<LlmConfig>, _health: Health, _metrics: Arc<Metrics>) -> Result<Self> {
        unimplemented!()
    }
    /// Whether a model will be asked.
    pub fn has_model(&self) -> bool {
        unimplemented!()
    }
    /// How long an alert may wait for the model.
    pub fn deadline(&self) -> Duration {
        unimplemented!()
    }
    /// The model's verdict within the deadline, else the rules' with a note that says why.
    pub async fn verdict(&self, _file: &CaseFile) -> Verdict {
        unimplemented!()
    }
}
