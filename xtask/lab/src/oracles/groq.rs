//! Groq's own library: what our tests' model answers is what it would take, what we ask is what it would send.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;
use xtask::oracle_tools::Tools;

use super::services::Played;
use super::{CheckOutcome, or_failed, script, write};

/// The library asks the models that our tests and the lab play.
pub(super) fn answers(tools: &Tools, played: &Played) -> CheckOutcome {
    script(tools, "groq_answers.py", &played.urls.to_string())
}

/// The library's types are held against what the product asked.
pub(super) fn requests(tools: &Tools, questions: &[Value], dir: &Path) -> CheckOutcome {
    let file = dir.join("questions.json");
    let written: Result<()> = write(&file, questions);
    or_failed(written, |()| script(tools, "groq_requests.py", &file.to_string_lossy()))
}
