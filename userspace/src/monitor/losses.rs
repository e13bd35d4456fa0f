//! How much was lost since the last case, so that each case can say what is missing around it.

use crate::metrics::Metrics;

/// Remembers the total at the last case.
#[derive(Default)]
pub(super) struct Losses {
    told: u64,
}

impl Losses {
    /// Kernel events lost since this was last asked.
    pub(super) fn since_last(&mut self, metrics: &Metrics) -> u64 {
        let total = metrics.coverage.lost_total();
        let new = total.saturating_sub(self.told);
        self.told = total;
        new
    }
}
