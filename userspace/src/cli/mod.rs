//! The command line: what `ai-debugger …` understands, and every command but the daemon itself.

mod analyze;
mod args;
mod client;
mod doctor;
mod flags;
mod incidents;
mod output;
mod protect;
mod ps;
mod serve;
mod signals;
mod table;
pub(crate) mod view;

use std::process::ExitCode;

use anyhow::Result;

pub use args::{Action, Question, command, parse};
pub use output::{complain, print};
pub use serve::{Service, begin};

use crate::config::ConfigErrors;

/// Exit code for what went wrong at run time.
const FAILED: u8 = 1;
/// Exit code for a command line or a configuration that is wrong.
const USAGE: u8 = 2;

/// Answers a question. `false`: the answer is bad news.
pub async fn answer(question: Question) -> Result<bool> {
    match question {
        Question::Doctor { sources, json } => doctor::doctor(&sources, json).await,
        Question::Analyze { target, pid, prompt: true, json } => {
            analyze::show_prompt(&target, pid, json).await
        }
        Question::Analyze { target, pid, prompt: false, json } => analyze::analyze(&target, pid, json).await,
        Question::Ps { target, query, json } => ps::ps(&target, &query, json).await.map(|()| true),
        Question::Incidents { target, query, json } => {
            incidents::list(&target, &query, json).await.map(|()| true)
        }
        Question::Incident { target, id, action, json } => {
            incidents::show(&target, &id, action, json).await.map(|()| true)
        }
    }
}

/// The exit code of a finished command; an error is said on stderr first.
pub fn exit_code(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(if error.is::<ConfigErrors>() { USAGE } else { FAILED })
        }
    }
}

/// What clap says, help and version included, and the exit code.
pub fn usage(said: &clap::Error) -> ExitCode {
    // Help into a closed pipe is no failure.
    drop(said.print());
    if said.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
