//! Steady growth, told from what only looks like it. Pure arithmetic, shared by the detectors of growth.
//!
//! The rate is the Theil–Sen slope: the median of the slopes between all pairs of points, which up to 29 % of
//! outliers do not move. Growth counts as steady when
//! - most pairs of points rise (Kendall's tau, as in the Mann–Kendall test), so noise is not growth;
//! - the floor of each third of the time lies above that of the third before, so a sawtooth, whose floor is level,
//!   is not growth, and a leak below a sawtooth is;
//! - the floor rises in the last third about as much as before it, so what fills up to a plateau is not growth;
//! - it rises in several steps, none of which is most of it, so one large allocation is not growth.

use std::time::Duration;

use super::{Severity, Statement};
use crate::config::GrowthLimits;
use crate::text;

/// Where the facts on growth come from: the samples that walks of /proc left.
pub(super) const SOURCE: &str = "scan:history";

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
pub(super) struct Trend {
    /// What it grows by in a second.
    pub(super) per_second: f64,
    /// Over how many seconds that was seen.
    pub(super) seconds: f64,
    /// When it began, in the time of the points.
    pub(super) since: f64,
    /// About what it was then, and is now.
    pub(super) from: f64,
    /// About what it is now.
    pub(super) to: f64,
    /// Share of pairs that rise less that of pairs that fall.
    pub(super) tau: f64,
    /// On how many points.
    pub(super) points: usize,
}

impl Trend {
    /// How much it grew.
    pub(super) fn grown(&self) -> f64 {
        self.to - self.from
    }

    /// How long what is left lasts at this rate.
    pub(super) fn lasts(&self, left: u64) -> Duration {
        Duration::try_from_secs_f64(left as f64 / self.per_second).unwrap_or(Duration::MAX)
    }

    /// What proves that it is steady.
    pub(super) fn proof(&self) -> Statement {
        let text = format!(
            "it is steady: of all pairs of the {} samples in {}, {} % more rise than fall, and the lowest values rise too",
            self.points,
            text::duration(Duration::from_secs_f64(self.seconds)),
            whole(self.tau * 100.0),
        );
        Statement::new(SOURCE, text)
    }
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
pub(super) struct Least {
    /// In the unit of the points.
    pub(super) grown: f64,
    /// In percent of what it was.
    pub(super) percent: u32,
    /// How long it must have gone on.
    pub(super) window: Duration,
}

/// Growth, steady and large enough, to more than it ever was: over the window, or, for what is slower, over all
/// the history there is.
pub(super) fn growth(past: Past<'_>, least: Least) -> Option<Trend> {
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
pub(super) fn steady(points: &[(f64, f64)]) -> Option<Trend> {
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
pub(super) fn severity(lasts: Option<Duration>, limits: &GrowthLimits) -> Severity {
    match lasts {
        Some(lasts) if lasts <= limits.growth_critical => Severity::Critical,
        Some(lasts) if lasts > limits.growth_horizon => Severity::Info,
        _ => Severity::Warning,
    }
}

/// As a whole number; what is negative or no number is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from f64 saturates")]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise that is the same in every run: -1 to 1.
    fn noise(i: u32) -> f64 {
        f64::from(i.wrapping_mul(2_654_435_761) >> 16) / 32_768.0 - 1.0
    }

    fn check(name: &str, steady_wanted: bool, value: impl Fn(f64) -> f64) {
        // As a history has them: 12 to 24 points of a window.
        for count in [12_u32, 17, 24] {
            let points: Vec<_> = (0..count)
                .map(|i| f64::from(i) / f64::from(count - 1))
                .map(|share| (1000.0 + share * 600.0, value(share)))
                .collect();
            assert_eq!(steady(&points).is_some(), steady_wanted, "{name}, {count} points: {points:?}");
        }
    }

    #[test]
    fn leaks_are_steady() {
        let index = |share: f64| (0..100).find(|i| f64::from(*i) >= share * 99.0).unwrap_or(0);
        check("a straight line", true, |share| 100.0 + 50.0 * share);
        check("with noise", true, |share| 100.0 + 50.0 * share + 5.0 * noise(index(share)));
        check("faster and faster", true, |share| 100.0 + 20.0 * share + 30.0 * share * share);
        check("in steps", true, |share| 100.0 + 10.0 * (share * 6.99).floor());
        check("below a sawtooth", true, |share| 100.0 + 60.0 * share + 15.0 * (share * 10.0).fract());
    }

    #[test]
    fn what_only_looks_like_growth_is_not() {
        let index = |share: f64| (0..100).find(|i| f64::from(*i) >= share * 99.0).unwrap_or(0);
        check("level", false, |_| 100.0);
        check("noise", false, |share| 100.0 + 50.0 * noise(index(share)));
        check("a fall", false, |share| 100.0 - 50.0 * share);
        check("up to a plateau", false, |share| 100.0 + 50.0 * (share * 2.0).min(1.0));
        check("a cache that fills ever slower", false, |share| 100.0 * (1.0 - (-share * 3.0).exp()));
        check("a sawtooth", false, |share| 100.0 + 50.0 * (share * 4.0).fract());
        check("one tooth's rise and fall", false, |share| 100.0 + 50.0 * (share * 1.3).fract());
        check("one step", false, |share| if share < 0.5 { 100.0 } else { 150.0 });
        check("two steps", false, |share| 100.0 + 25.0 * (share * 2.99).floor());
        check("level, then a jump", false, |share| if share < 0.9 { 100.0 } else { 200.0 });
        check("up and down again", false, |share| 100.0 + 50.0 * (share * std::f64::consts::PI).sin());
    }

    #[test]
    fn the_numbers_are_the_lines() {
        let points: Vec<_> = (0..20).map(|i| (f64::from(i) * 10.0, 100.0 + 3.0 * f64::from(i))).collect();
        let trend = steady(&points).unwrap();
        assert!((trend.per_second - 0.3).abs() < 1e-9 && (trend.tau - 1.0).abs() < 1e-9);
        assert!((trend.from - 100.0).abs() < 1e-6 && (trend.grown() - 57.0).abs() < 1e-6);
        assert_eq!((trend.points, trend.since, trend.seconds), (20, 0.0, 190.0));
        let mut outlier = points;
        outlier[7].1 = 100_000.0;
        assert!(steady(&outlier).is_none(), "one jump is most of it");
    }

    #[test]
    fn growth_must_be_large_long_and_new() {
        let line = |from: f64, to: f64, seconds: f64| {
            let at = |i: i32| f64::from(i) / 19.0;
            (0..20).map(|i| (at(i) * seconds, from + (to - from) * at(i))).collect::<Vec<_>>()
        };
        let least = Least { grown: 50.0, percent: 20, window: Duration::from_secs(600) };
        let level = line(100.0, 100.0, 600.0);
        for (name, recent, long, peak, want) in [
            ("large enough", line(100.0, 150.0, 600.0), vec![], None, true),
            ("too small", line(100.0, 149.0, 600.0), vec![], None, false),
            ("small for its size", line(1000.0, 1190.0, 600.0), vec![], None, false),
            ("too short", line(100.0, 200.0, 400.0), vec![], None, false),
            ("slow, over a long time", level.clone(), line(100.0, 180.0, 1800.0), None, true),
            ("not yet long", level.clone(), line(100.0, 180.0, 1700.0), None, false),
            ("has been as large", line(100.0, 200.0, 600.0), vec![], Some(200), false),
            ("never so large", line(100.0, 200.0, 600.0), vec![], Some(150), true),
            ("slow, and was as large", level, line(100.0, 180.0, 1800.0), Some(190), false),
        ] {
            let past = Past { recent: &recent, long: &long, peak_before: &|_| peak };
            assert_eq!(growth(past, least).is_some(), want, "{name}");
        }
    }

    #[test]
    fn how_bad_it_is_follows_from_the_time_that_is_left() {
        let limits = GrowthLimits::default();
        for (minutes, want) in [
            (Some(0), Severity::Critical),
            (Some(30), Severity::Critical),
            (Some(31), Severity::Warning),
            (Some(7 * 24 * 60), Severity::Warning),
            (Some(7 * 24 * 60 + 1), Severity::Info),
            (None, Severity::Warning),
        ] {
            let lasts = minutes.map(|minutes| Duration::from_secs(minutes * 60));
            assert_eq!(severity(lasts, &limits), want, "{minutes:?}");
        }
    }

    #[test]
    fn too_little_says_nothing() {
        for points in [vec![], vec![(0.0, 1.0)], vec![(0.0, 1.0), (1.0, 2.0)], vec![(5.0, 1.0); 30]] {
            assert_eq!(steady(&points), None);
        }
    }
}
