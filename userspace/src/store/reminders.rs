//! How long after one message the next reminder may come: each time after a longer while.

use std::time::Duration;

use crate::config::LifeRules;

/// Reminders come after this many times the first one's wait; from then on always after the last.
const WIDENING: [u32; 4] = [1, 6, 36, 144];

/// How long after the last message the next reminder may come, when there were so many; `None`: never.
pub(super) fn reminder_after(rules: &LifeRules, earlier: i64) -> Option<Duration> {
    let step = usize::try_from(earlier).unwrap_or(0).min(WIDENING.len() - 1);
    (!rules.remind.is_zero()).then(|| rules.remind.saturating_mul(WIDENING[step]))
}
