//! What one question cost in tokens, by the service's count.

/// Tokens of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) prompt: u64,
    pub(super) completion: u64,
    /// Part of the prompt.
    pub(super) cached: u64,
}

impl Usage {
    /// Of a question that was not answered.
    pub(super) const NONE: Self = Self { prompt: 0, completion: 0, cached: 0 };
}
