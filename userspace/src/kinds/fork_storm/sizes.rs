//! What is remembered from scan to scan: how large a family was and what was refused it, and how often a parent forked.

use std::collections::VecDeque;

use super::Children;
use crate::config::GrowthLimits;

/// Sizes of a family remembered over the window.
const SIZES: u32 = 24;
/// Counts of one parent's forks over the window.
const COUNTS: u32 = 16;

/// How large a family was.
#[derive(Default)]
pub(super) struct Sizes {
    /// At the last scans.
    pub(super) scans: Vec<(f64, u64)>,
    pub(super) window: VecDeque<(f64, f64)>,
    refused_total: Option<u64>,
    /// Forks refused since the scan before.
    pub(super) refused: u64,
    /// For how many scans in a row some were.
    pub(super) refused_scans: u32,
}

/// A parent's forks: totals, and when they were read. The first is where the window begins.
#[derive(Default)]
pub(super) struct Counts {
    totals: VecDeque<(f64, u64)>,
    per_second: f64,
    last: Option<(f64, u64)>,
}

impl Sizes {
    pub(super) fn add(
        &mut self,
        (at, members): (f64, u64),
        refused_total: Option<u64>,
        is_full: bool,
        limits: &GrowthLimits,
    ) {
        self.scans.push((at, members));
        let keep = usize::try_from(limits.fork_scans).unwrap_or(16) + 1;
        if self.scans.len() > keep {
            self.scans.remove(0);
        }
        spaced(&mut self.window, (at, members as f64), limits.fork_window.as_secs_f64(), SIZES);
        // Of those before the first scan it is not known when they were; where there is no room, it is just now.
        let just_met =
            self.refused_total.is_none() && is_full && refused_total.is_some_and(|total| total > 0);
        self.refused =
            refused_total.zip(self.refused_total).map_or(0, |(now, before)| now.saturating_sub(before));
        self.refused_total = refused_total;
        self.refused_scans =
            if self.refused > 0 || just_met { self.refused_scans.saturating_add(1) } else { 0 };
    }
}

impl Counts {
    /// `began` is when the parent did, and so had no children.
    pub(super) fn add(&mut self, at: f64, total: u64, began: f64, window: f64) -> Children {
        if self.last.is_none() {
            let first = if at - began <= window { (began, 0) } else { (at, total) };
            self.totals.push_back(first);
        }
        let before = self.last.or(self.totals.front().copied()).unwrap_or((at, total));
        self.per_second = total.saturating_sub(before.1) as f64 / (at - before.0).max(0.1);
        self.last = Some((at, total));
        spaced(&mut self.totals, (at, total), window, COUNTS);
        let (since, first) = self.totals.front().copied().unwrap_or((at, total));
        Children { count: total.saturating_sub(first), seconds: at - since, per_second: self.per_second }
    }
}

/// Adds a point, keeping only so many within the window: the last place is always the latest's.
fn spaced<T: Copy>(points: &mut VecDeque<(f64, T)>, point: (f64, T), window: f64, most: u32) {
    let last = points.len().checked_sub(2).map(|before| points[before].0);
    if last.is_some_and(|before| points[points.len() - 1].0 - before < window / f64::from(most)) {
        points.pop_back();
    }
    points.push_back(point);
    // The one just before the window stays: the window begins there.
    while points.get(1).is_some_and(|(at, _)| point.0 - at >= window) {
        points.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_counted_over_the_window() {
        let mut counts = Counts::default();
        let young = counts.add(1010.0, 5000, 1000.0, 300.0);
        assert_eq!(young, Children { count: 5000, seconds: 10.0, per_second: 500.0 });
        for scan in 1..=100 {
            counts.add(
                1010.0 + f64::from(scan) * 10.0,
                5000 + u64::try_from(scan).unwrap() * 100,
                1000.0,
                300.0,
            );
        }
        let later = counts.add(2020.0, 15_200, 1000.0, 300.0);
        assert!((300.0..340.0).contains(&later.seconds), "{later:?}");
        assert!((3000..3500).contains(&later.count) && (later.per_second - 20.0).abs() < 1e-6, "{later:?}");
        assert!(counts.totals.len() <= COUNTS as usize + 2);
        let old = Counts::default().add(9000.0, 70_000, 1000.0, 300.0);
        assert_eq!(old.count, 0, "when those were is not known");
    }

    #[test]
    fn refusals_are_counted_from_scan_to_scan() {
        let limits = GrowthLimits::default();
        let mut sizes = Sizes::default();
        for (at, total, want) in [
            (10.0, Some(500), (0, 0)),
            (20.0, Some(540), (40, 1)),
            (30.0, Some(541), (1, 2)),
            (40.0, Some(541), (0, 0)),
            (50.0, None, (0, 0)),
            (60.0, Some(900), (0, 0)),
        ] {
            sizes.add((at, 95), total, false, &limits);
            assert_eq!((sizes.refused, sizes.refused_scans), want, "{at}");
        }
        assert_eq!(sizes.scans.len(), 4);
        for (total, is_full, want) in
            [(Some(9), true, 1), (Some(9), false, 0), (Some(0), true, 0), (None, true, 0)]
        {
            let mut sizes = Sizes::default();
            sizes.add((10.0, 95), total, is_full, &limits);
            assert_eq!(
                (sizes.refused, sizes.refused_scans),
                (0, want),
                "at first sight: {total:?} {is_full}"
            );
        }
    }
}
