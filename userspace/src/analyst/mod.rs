//! The analyst: from a case file to a verdict. Built-in rules always, a language model on top when allowed.

pub mod prompt;
mod remembered;
mod rules;
mod status;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::LlmConfig;
use crate::health::Health;
use crate::kinds::case::CaseFile;
use crate::llm::{Client, Failure, Grounds, ModelStanding};
use crate::metrics::Metrics;
use crate::model::Verdict;
use remembered::Remembered;

/// The name under which health knows this stage.
const COMPONENT: &str = "analyst";

/// The built-in verdict: pure, at once, always there.
pub fn built_in(file: &CaseFile) -> Verdict {
    rules::judge(file)
}

/// What goes to the model about a case, for people to look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The body of the request as it is sent; absent without a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// The system message: who the model is, and the rules.
    pub system: String,
    /// The case as data between marks: the user message.
    pub user: String,
    /// The estimate for all of it.
    pub tokens: usize,
    /// Facts and files that found no room.
    pub left_out: usize,
    /// Secrets masked in the whole case, by the rule that found them.
    pub masked: BTreeMap<String, u64>,
}

/// The language model on top of the built-in rules. Cheap to clone.
#[derive(Clone)]
pub struct Analyst {
    model: Option<Arc<Client>>,
    remembered: Arc<Remembered>,
    /// The outcome that was told last: one that stays the same is told once.
    told: Arc<Mutex<Option<&'static str>>>,
    health: Health,
}

impl Analyst {
    /// `None` configuration: the rules alone.
    pub fn new(llm: Option<LlmConfig>, health: Health, metrics: Arc<Metrics>) -> Result<Self> {
        let remembered = Arc::new(Remembered::new(Arc::clone(&metrics)));
        let model =
            llm.map(|llm| Client::new(&llm, metrics)).transpose().context("cannot set up the model")?;
        Ok(Self { model: model.map(Arc::new), remembered, told: Arc::default(), health })
    }

    /// Keeps what the model costs in this folder, over restarts. Blocks.
    pub fn keep_usage(&self, dir: &Path) -> Result<()> {
        self.model.as_ref().map_or(Ok(()), |model| model.keep_usage(dir))
    }

    /// What would go to the model, or would have gone if there were one.
    pub fn question(&self, file: &CaseFile) -> Question {
        let max_tokens = self.model.as_ref().map_or(prompt::DEFAULT_TOKENS, |model| model.prompt_tokens());
        let prompt = prompt::prompt(file, max_tokens);
        let request = self.model.as_ref().map(|model| model.request(&prompt));
        Question {
            request,
            system: prompt.system.to_owned(),
            tokens: prompt.tokens(),
            left_out: prompt.left_out,
            masked: prompt.masked,
            user: prompt.user,
        }
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
        let signature = remembered::signature(file);
        if let Some(verdict) = self.remembered.recall(signature, &rules.next_steps) {
            return verdict;
        }
        let grounds = Grounds {
            facts: file.facts.iter().map(|fact| fact.id.as_str()).collect(),
            severity: file.findings.iter().map(|finding| finding.severity).max(),
            next_steps: &rules.next_steps,
        };
        match model.ask(|max_tokens| prompt::prompt(file, max_tokens), &grounds).await {
            Ok(verdict) => {
                self.remembered.keep(signature, &verdict);
                self.is_news(None);
                self.health.recover(COMPONENT);
                verdict
            }
            Err(failure) => {
                let outcome = failure.outcome();
                if self.is_news(Some(outcome)) {
                    tracing::warn!(outcome, %failure, "no verdict from the model");
                } else {
                    tracing::debug!(outcome, %failure, "no verdict from the model");
                }
                self.degrade(&failure);
                let note =
                    format!("the model is unavailable: {failure}; this is the built-in analyst's verdict");
                Verdict { note: Some(note), ..rules }
            }
        }
    }

    fn is_news(&self, outcome: Option<&'static str>) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *told, outcome) != outcome
    }

    /// Asks the service whether it accepts the key and has the model, and tells health. For the background.
    pub async fn check_model(&self) {
        let Some(model) = &self.model else { return };
        match model.standing().await {
            Ok(ModelStanding::Good) => self.health.recover(COMPONENT),
            Ok(ModelStanding::NoSuchModel { others }) => {
                let reason =
                    format!("the service has no model `{}`; the built-in analyst works alone", model.model());
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
            Ok(ModelStanding::Good) => None,
            Ok(ModelStanding::NoSuchModel { others }) => Some((
                format!("the service has no model `{}`", model.model()),
                format!("choose another with --llm-model: {}", others.join(", ")),
            )),
            Err(failure) => {
                let passing = "check the key, the URL and this host's outbound connection";
                Some((failure.to_string(), failure.remedy().unwrap_or(passing).to_owned()))
            }
        }
    }

    /// Tells health of what will not pass by itself; a busy or broken moment is no state.
    fn degrade(&self, failure: &Failure) {
        if let Some(remedy) = failure.remedy() {
            let reason = format!("the model cannot be used ({failure}); the built-in analyst works alone");
            self.health.degrade(COMPONENT, reason, remedy);
        }
    }
}

#[cfg(test)]
mod tests;
