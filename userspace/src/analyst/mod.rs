//! The analyst: from a case file to a verdict. Built-in rules always, a language model on top when allowed.

#[cfg(test)]
mod fixture;
mod groq;
pub mod prompt;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::config::LlmConfig;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::model::{CaseFile, Verdict};
use groq::{Failure, Groq, Standing};

/// The name under which health knows this stage.
const COMPONENT: &str = "analyst";

/// The built-in verdict: pure, at once, always there.
pub fn built_in(file: &CaseFile) -> Verdict {
    rules::judge(file)
}

/// The language model on top of the built-in rules. Cheap to clone.
#[derive(Clone)]
pub struct Analyst {
    model: Option<Arc<Groq>>,
    health: Health,
}

impl Analyst {
    /// `None` configuration: the rules alone.
    pub fn new(llm: Option<LlmConfig>, health: Health, metrics: Arc<Metrics>) -> Result<Self> {
        let model = llm.map(|llm| Groq::new(&llm, metrics)).transpose().context("cannot set up the model")?;
        Ok(Self { model: model.map(Arc::new), health })
    }

    /// Whether a model will be asked.
    pub const fn has_model(&self) -> bool {
        self.model.is_some()
    }

    /// How long an alert may wait for the model.
    pub fn deadline(&self) -> Duration {
        self.model.as_ref().map_or(Duration::ZERO, |model| model.deadline())
    }

    /// The model's verdict within the deadline, else the rules' with a note that says why.
    pub async fn verdict(&self, file: &CaseFile) -> Verdict {
        let rules = built_in(file);
        // Without facts there is nothing to cite, and what cites nothing is not believed.
        let Some(model) = self.model.as_ref().filter(|_| !file.facts.is_empty()) else { return rules };
        match model.ask(file, &rules.next_steps).await {
            Ok(verdict) => {
                self.health.recover(COMPONENT);
                verdict
            }
            Err(failure) => {
                tracing::warn!(outcome = failure.outcome(), %failure, "no verdict from the model");
                self.degrade(&failure);
                let note = format!("model unavailable: {failure}; this is the built-in analyst's verdict");
                Verdict { note: Some(note), ..rules }
            }
        }
    }

    /// Asks the service whether it accepts the key and has the model, and tells health. For the background.
    pub async fn check_model(&self) {
        let Some(model) = &self.model else { return };
        match model.standing().await {
            Ok(Standing::Good) => self.health.recover(COMPONENT),
            Ok(Standing::NoSuchModel { others }) => {
                let reason =
                    format!("the service has no model `{}`; the built-in rules judge alone", model.model());
                let remedy =
                    format!("set --llm-model (AI_DEBUGGER_LLM_MODEL) to one it has: {}", others.join(", "));
                tracing::warn!("{reason}");
                self.health.degrade(COMPONENT, reason, remedy);
            }
            Err(failure) => {
                tracing::warn!(outcome = failure.outcome(), %failure, "the model cannot be checked");
                self.degrade(&failure);
            }
        }
    }

    /// Asks the same as [`Analyst::check_model`], for `doctor`: what is wrong, and what to do; `None`: nothing.
    pub async fn trouble(&self) -> Option<(String, String)> {
        let model = self.model.as_ref()?;
        match model.standing().await {
            Ok(Standing::Good) => None,
            Ok(Standing::NoSuchModel { others }) => Some((
                format!("the service has no model `{}`", model.model()),
                format!("choose another with --llm-model: {}", others.join(", ")),
            )),
            Err(failure) => {
                let passing = "see the key, the URL and the way out of this host";
                Some((failure.to_string(), failure.remedy().unwrap_or(passing).to_owned()))
            }
        }
    }

    /// Tells health of what will not pass by itself; a busy or broken moment is no state.
    fn degrade(&self, failure: &Failure) {
        if let Some(remedy) = failure.remedy() {
            let reason = format!("the model is of no use ({failure}); the built-in rules judge alone");
            self.health.degrade(COMPONENT, reason, remedy);
        }
    }
}
