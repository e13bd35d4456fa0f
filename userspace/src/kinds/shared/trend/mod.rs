//! Steady growth, told from what only looks like it. Pure arithmetic, shared by the kinds that look for growth.
//!
//! The rate is the Theil–Sen slope: the median of the slopes between all pairs of points, which up to 29 % of
//! outliers do not move. Growth counts as steady when
//! - most pairs of points rise (Kendall's tau, as in the Mann–Kendall test), so noise is not growth;
//! - the floor of each third of the time lies above that of the third before, so a sawtooth, whose floor is level,
//!   is not growth, and a leak below a sawtooth is;
//! - the floor rises in the last third about as much as before it, so what fills up to a plateau is not growth;
//! - it rises in several steps, none of which is most of it, so one large allocation is not growth.

pub mod facts;
pub mod watch;
pub mod words;

use std::time::Duration;

use crate::config::GrowthLimits;
use crate::kinds::case::{CaseFile, Finding, Statement};
use crate::model::Severity;
use facts::{Counted, TrendFact};

/// Where the facts on growth come from: the samples that scans of /proc left.
pub const SOURCE: &str = "scan:history";

/// Fewer points say nothing.
const POINTS_MIN: usize = 8;
/// Least share of rising pairs less that of falling ones.
const TAU_MIN: f64 = 0.5;
/// Least and most of the floor's rise that the last third has; a straight line has half of it.
const LAST_THIRD: std::ops::RangeInclusive<f64> = 0.36..=0.85;
/// So many points must be the highest so far …
const RISES_MIN: usize = 5;
/// … by at least this share of the growth each.
const RISE_MIN: f64 = 0.02;
/// Most of the growth that one rise may be.
const RISE_MAX: f64 = 0.5;
/// So much of the window the points must span.
const COVERED: f64 = 0.8;
/// So many windows make a long history.
const LONG_WINDOWS: f64 = 3.0;

/// Growth that is steady.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// What it grows by in a second.
    pub per_second: f64,
    /// Over how many seconds that was seen.
    pub seconds: f64,
    /// When it began, in the time of the points.
    pub since: f64,
    /// About what it was then, and is now.
    pub from: f64,
    /// About what it is now.
    pub to: f64,
    /// Share of pairs that rise less that of pairs that fall.
    pub tau: f64,
    /// On how many points.
    pub points: usize,
}

impl Trend {
    /// How much it grew.
    pub fn grown(&self) -> f64 {
        self.to - self.from
    }

    /// How long what is left lasts at this rate.
    pub fn lasts(&self, left: u64) -> Duration {
        Duration::try_from_secs_f64(left as f64 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// Over how long that was seen.
    pub fn over_ms(&self) -> u64 {
        seconds_ms(self.seconds)
    }

    /// What grew, where it is a count; `lasts` is the time to the limit, where one is known.
    pub fn count_grew(&self, what: Counted, lasts: Option<Duration>) -> Statement {
        let (from, to, over_ms) = (whole(self.from), whole(self.to), self.over_ms());
        let limit_reached_in_ms = lasts.map(ms);
        Statement::new(SOURCE, TrendFact::CountGrew { what, from, to, over_ms, limit_reached_in_ms })
    }

    /// What proves that it is steady.
    pub fn proof(&self) -> Statement {
        let steady = TrendFact::SteadyGrowth {
            points: u64::try_from(self.points).unwrap_or(u64::MAX),
            over_ms: self.over_ms(),
            rising_percent: whole(self.tau * 100.0),
        };
        Statement::new(SOURCE, steady)
    }
}

/// Whether the finding says that a count grew.
pub fn says_growth(file: &CaseFile, finding: &Finding) -> bool {
    file.cited(finding).any(|fact| matches!(fact.data.as_trend(), Some(TrendFact::CountGrew { .. })))
}

/// What a process's history says of one measure.
#[derive(Clone, Copy)]
pub struct Past<'a> {
    /// Points within the window, start-up left out.
    pub recent: &'a [(f64, f64)],
    /// Points as far back as there are any, start-up left out.
    pub long: &'a [(f64, f64)],
    /// The largest value from before a time.
    pub peak_before: &'a dyn Fn(f64) -> Option<u64>,
}

/// How much growth is worth a finding.
#[derive(Clone, Copy, Debug)]
pub struct Least {
    /// In the unit of the points.
    pub grown: f64,
    /// In percent of what it was.
    pub percent: u32,
    /// How long it must have gone on.
    pub window: Duration,
}

/// Growth, steady and large enough, to more than it ever was: over the window, or, for what is slower, over all
/// the history there is.
pub fn growth(past: Past<'_>, least: Least) -> Option<Trend> {
    let window = least.window.as_secs_f64();
    let large = |trend: &Trend| {
        trend.grown() >= least.grown && trend.grown() * 100.0 >= trend.from * f64::from(least.percent)
    };
    let new = |trend: &Trend| {
        // A tenth of the growth, so that a peak just as high as now is no reason to be quiet about a leak.
        (past.peak_before)(trend.since).is_none_or(|peak| (peak as f64) < trend.to - trend.grown() * 0.1)
    };
    let over = |points, seconds: f64| {
        steady(points).filter(|trend| trend.seconds >= seconds && large(trend) && new(trend))
    };
    over(past.recent, window * COVERED).or_else(|| over(past.long, window * LONG_WINDOWS))
}

/// The steady growth in these points (seconds and values, in the order of time), if there is one.
pub fn steady(points: &[(f64, f64)]) -> Option<Trend> {
    let ([(first, low), ..], [.., (last, high)]) = (points, points) else { return None };
    // What has not grown from the first point to the last is not looked at closer: nearly everything.
    if points.len() < POINTS_MIN || high <= low || last <= first {
        return None;
    }
    let (per_second, tau) = slope(points);
    let seconds = last - first;
    let grown = per_second * seconds;
    if tau < TAU_MIN || grown <= 0.0 {
        return None;
    }
    let [begin, middle, end] = floors(points, *first, seconds)?;
    if middle <= begin || !LAST_THIRD.contains(&((end - middle) / (end - begin))) {
        return None;
    }
    if !in_steps(points, high - low) {
        return None;
    }
    // The line through the middle of the points, with that slope.
    let mut rests: Vec<f64> = points.iter().map(|(at, value)| value - per_second * (at - first)).collect();
    let from = median(&mut rests)?.max(0.0);
    Some(Trend { per_second, seconds, since: *first, from, to: from + grown, tau, points: points.len() })
}

/// The Theil–Sen slope and Kendall's tau.
fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let pairs = points.iter().enumerate().flat_map(|(i, a)| points[i + 1..].iter().map(move |b| (a, b)));
    let mut slopes: Vec<f64> =
        pairs.filter(|(a, b)| b.0 > a.0).map(|(a, b)| (b.1 - a.1) / (b.0 - a.0)).collect();
    let count = |test: fn(&f64) -> bool| slopes.iter().filter(|slope| test(slope)).count() as f64;
    let tau = (count(|slope| *slope > 0.0) - count(|slope| *slope < 0.0)) / (slopes.len().max(1) as f64);
    (median(&mut slopes).unwrap_or(0.0), tau)
}

/// The floor of each third of the time: the mean of its two lowest values, for the lowest may be an outlier.
fn floors(points: &[(f64, f64)], first: f64, seconds: f64) -> Option<[f64; 3]> {
    let mut thirds: [Vec<f64>; 3] = Default::default();
    for (at, value) in points {
        let share = (at - first) / seconds;
        let third = if share < 1.0 / 3.0 {
            0
        } else if share < 2.0 / 3.0 {
            1
        } else {
            2
        };
        thirds[third].push(*value);
    }
    let [begin, middle, end] = thirds.map(|mut values| {
        values.sort_unstable_by(f64::total_cmp);
        values.truncate(2);
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    });
    Some([begin?, middle?, end?])
}

/// Whether it rises often enough, and never by most of it at once.
fn in_steps(points: &[(f64, f64)], grown: f64) -> bool {
    let mut highest = points.first().map_or(0.0, |(_, value)| *value);
    let (mut rises, mut largest) = (0, 0.0_f64);
    for (_, value) in points {
        let rise = value - highest;
        if rise > 0.0 {
            rises += usize::from(rise >= grown * RISE_MIN);
            largest = largest.max(rise);
            highest = *value;
        }
    }
    rises >= RISES_MIN && largest <= grown * RISE_MAX
}

/// How bad growth is that reaches its limit after `lasts`; absent where no limit is known.
pub fn severity(lasts: Option<Duration>, limits: &GrowthLimits) -> Severity {
    match lasts {
        Some(lasts) if lasts <= limits.growth_critical => Severity::Critical,
        Some(lasts) if lasts > limits.growth_horizon => Severity::Info,
        _ => Severity::Warning,
    }
}

/// As a whole number; what is negative or no number is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from f64 saturates")]
pub fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// In whole milliseconds; the most there can be for longer.
pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds in whole milliseconds; what is negative is 0.
pub fn seconds_ms(seconds: f64) -> u64 {
    whole(seconds * 1000.0)
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests;
