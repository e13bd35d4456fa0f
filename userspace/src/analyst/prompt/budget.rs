//! The room of one prompt: what is added takes its tokens, whole or not at all.

use crate::llm::tokens;

/// Room that is being used up.
pub(super) struct TokenBudget {
    left: usize,
}

impl TokenBudget {
    pub(super) const fn new(tokens: usize) -> Self {
        Self { left: tokens }
    }

    /// Takes the room for `text` if there is enough.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let cost = tokens(text);
        let fits = cost <= self.left;
        if fits {
            self.left -= cost;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_whole_or_not_at_all() {
        let mut budget = TokenBudget::new(3);
        assert!(!budget.take("twelve chars"));
        assert!(budget.take("six ch"));
        assert!(budget.take("abc"));
        assert!(!budget.take("a"));
        assert!(budget.take(""));
    }
}
