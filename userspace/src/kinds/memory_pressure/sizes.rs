//! The larger processes' sizes at two earlier scans, against which growth is told.

use std::collections::HashMap;
use std::time::Duration;

use super::facts::MemoryGrown;
use crate::model::ProcessKey;

/// A process below this size is no grower worth a name.
pub(super) const WORTH_BYTES: u64 = 4 << 20;
/// Growth is told against sizes at least so old.
const LOOK_BACK: Duration = Duration::from_secs(120);

/// The older is what growth is told against, and the newer takes its place once it is old enough. Bounded by the
/// process table, from which they come.
#[derive(Default)]
pub(super) struct Sizes {
    older: Option<Snapshot>,
    newer: Option<Snapshot>,
}

struct Snapshot {
    at: Duration,
    rss_bytes: HashMap<ProcessKey, u64>,
}

impl Sizes {
    /// To be called after each scan.
    pub(super) fn note(&mut self, now: Duration, sizes: impl FnOnce() -> HashMap<ProcessKey, u64>) {
        if self.newer.as_ref().is_some_and(|it| now.saturating_sub(it.at) < LOOK_BACK) {
            return;
        }
        self.older = self.newer.take();
        self.newer = Some(Snapshot { at: now, rss_bytes: sizes() });
    }

    /// How much a process has grown; `None` where it has not, or where there is nothing to tell it against.
    pub(super) fn grown(
        &self,
        key: ProcessKey,
        rss_bytes: u64,
        started: Duration,
        now: Duration,
    ) -> Option<MemoryGrown> {
        let snapshot = self.older.as_ref().or(self.newer.as_ref())?;
        let before = snapshot.rss_bytes.get(&key).copied();
        let since = match before {
            Some(_) => snapshot.at,
            // It was too small to be noted, or is younger.
            None => snapshot.at.max(started),
        };
        let bytes = rss_bytes.checked_sub(before.unwrap_or(0)).filter(|bytes| *bytes >= WORTH_BYTES)?;
        let over_ms = u64::try_from(now.saturating_sub(since).as_millis()).unwrap_or(u64::MAX);
        Some(MemoryGrown { bytes, over_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ProcessKey = ProcessKey { pid: 5, start_ticks: 50 };
    const MIB: u64 = 1 << 20;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn growth_is_told_against_sizes_that_are_old_enough() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.grown(KEY, 900 * MIB, secs(1), secs(100)), None, "nothing to tell it against");
        for (at, rss) in [(100, 100), (110, 800), (220, 300), (230, 900), (340, 500), (350, 900)] {
            sizes.note(secs(at), || HashMap::from([(KEY, rss * MIB)]));
        }
        // Noted were the sizes at 100, 220 and 340 s; the last but one counts.
        let grown = |key, rss, now| sizes.grown(key, rss * MIB, secs(300), secs(now));
        let by = |mib: u64, secs: u64| Some(MemoryGrown { bytes: mib * MIB, over_ms: secs * 1000 });
        assert_eq!(grown(KEY, 500, 350), by(200, 130));
        assert_eq!(grown(KEY, 300, 350), None, "as large as it was");
        assert_eq!(grown(KEY, 200, 350), None, "smaller");
        let young = ProcessKey { pid: 5, start_ticks: 60 };
        assert_eq!(grown(young, 70, 350), by(70, 50), "its whole life");
    }
}
