//! What goes to the model: words, and how many tokens they may and do take.

use std::collections::BTreeMap;

use super::tokens::tokens;

/// Tokens the model may write, its reasoning included. They count against the limit before the run.
pub(crate) const MAX_COMPLETION_TOKENS: u32 = 2_000;
/// Kept free for the answer's schema, which goes with the request.
pub(crate) const SCHEMA_TOKENS: usize = 500;

/// What goes to the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The same for every case, and first, so that a server can keep it in its cache.
    pub system: &'static str,
    /// The case as data between marks: the user message.
    pub user: String,
    /// Facts and files that found no room.
    pub left_out: usize,
    /// Secrets that were masked, by the rule that found them, in the whole case.
    pub masked: BTreeMap<String, u64>,
}

impl Prompt {
    /// The estimate for both messages and the answer's schema.
    pub fn tokens(&self) -> usize {
        tokens(self.system) + tokens(&self.user) + SCHEMA_TOKENS
    }
}
