//! The client of a language model: Groq, or anything that speaks the same chat-completions API. It is given the words
//! of a prompt and says what the model answered, bounded and checked, within a budget; of cases it knows nothing.

mod allowance;
mod answer;
mod breaker;
mod clean;
mod client;
mod command;
mod exhausted;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz;
mod models;
#[cfg(test)]
pub(crate) mod peer;
mod price;
mod prompt;
mod reply;
mod request;
mod tokens;
mod usage;

pub(crate) use answer::Grounds;
pub(crate) use client::Client;
pub(crate) use failure::Failure;
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzz::fuzz;
pub(crate) use models::ModelStanding;
pub use prompt::Prompt;
pub(crate) use prompt::SCHEMA_TOKENS;
pub(crate) use tokens::tokens;

#[cfg(test)]
pub(crate) use command::checked as checked_command;
#[cfg(test)]
pub(crate) use prompt::MAX_COMPLETION_TOKENS;
#[cfg(test)]
pub(crate) use reply::MAX_REPLY_BYTES;
