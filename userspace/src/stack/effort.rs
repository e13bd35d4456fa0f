//! What the work for one stack may cost.

use std::time::Instant;

/// What one stack may cost.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// After this moment nothing more is begun.
    pub deadline: Instant,
    /// What its files may take in memory, all together.
    pub bytes: u64,
    /// Whether to leave debug information alone: symbols and unwinding rules only.
    pub frugal: bool,
}
