//! What an analyst says of a case file.

use serde::{Deserialize, Serialize};

use super::Severity;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictBy {
    /// The built-in rules.
    Rules,
    /// The language model named in [`Verdict::model`].
    Model,
}

/// How sure the analyst is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A guess that fits.
    Low,
    /// Likely.
    Medium,
    /// The facts leave little room.
    High,
}

/// Another cause that would fit, with the facts for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// The cause.
    pub cause: String,
    /// Ids of the facts that speak for it.
    pub evidence: Vec<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextStep {
    /// What it will show or mend.
    pub why: String,
    /// The command to run.
    pub command: String,
}

/// The judgement a person reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Who spoke.
    pub by: VerdictBy,
    /// The model's name when `by` is a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// One sentence: what happened.
    pub summary: String,
    /// The most likely cause.
    pub probable_cause: String,
    /// How sure.
    pub confidence: Confidence,
    /// Ids of the facts it rests on.
    pub evidence: Vec<String>,
    /// Other causes that would fit.
    pub hypotheses: Vec<Hypothesis>,
    /// What to do, most useful first.
    pub next_steps: Vec<NextStep>,
    /// The model takes it for more severe than the rules do, by one step: so grave. Absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_to: Option<Severity>,
    /// Why this is not the model's verdict, or what was dropped from it; absent when there is nothing to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
