//! What the watches of growth share: the points of a history worth a close look, and what is known to be growing.

use std::collections::HashSet;

use super::Past;
use crate::config::DetectLimits;
use crate::kinds::watch::{Found, View};
use crate::model::ProcessKey;
use crate::state::{Measure, Series};

/// What grew at the last scan.
#[derive(Default)]
pub struct Growing(HashSet<ProcessKey>);

impl Growing {
    /// Asks `judge` about every history, with the limits that hold for it: what grew at the last scan needs less to be
    /// still growing.
    pub fn judge_all(
        &mut self,
        view: View<'_>,
        mut judge: impl FnMut(ProcessKey, &Series, &DetectLimits) -> Option<Found>,
    ) -> Vec<Found> {
        let going_on = DetectLimits { growth: view.limits.growth.going_on(), ..view.limits.clone() };
        let of = |key| if self.0.contains(&key) { &going_on } else { view.limits };
        let found: Vec<_> =
            view.history.iter().filter_map(|(key, series)| judge(key, series, of(key))).collect();
        self.0 = found.iter().map(|found| found.process.key()).collect();
        found
    }
}

/// The points of one measure.
pub struct Points {
    recent: Vec<(f64, f64)>,
    long: Vec<(f64, f64)>,
}

impl Points {
    /// Those of a history, start-up left out.
    pub fn of(series: &Series, measure: Measure, limits: &DetectLimits) -> Self {
        let (window, startup) = (limits.growth.growth_window, limits.growth.growth_startup);
        Self { recent: series.recent(measure, window, startup), long: series.long(measure, startup) }
    }

    /// Whether it can be growth at all.
    pub fn grew_by(&self, least: f64) -> bool {
        grew_by(&self.recent, least) || grew_by(&self.long, least)
    }

    /// With the largest value from before a time.
    pub fn past<'a>(&'a self, peak_before: &'a dyn Fn(f64) -> Option<u64>) -> Past<'a> {
        Past { recent: &self.recent, long: &self.long, peak_before }
    }
}

/// Half of the least growth from the first point to the last is reason to look closely.
pub fn grew_by(points: &[(f64, f64)], least: f64) -> bool {
    matches!(points, [(_, first), .., (_, last)] if last - first >= least / 2.0)
}
