//! Leaks, and what only looks like one.

use expect_test::expect;

use super::*;
use crate::kinds::fixture;

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

#[test]
fn statements_are_values_first() {
    let grew = |what, limit_reached_in_ms| TrendFact::CountGrew {
        what,
        from: 100,
        to: 400,
        over_ms: 575_000,
        limit_reached_in_ms,
    };
    let statements = [
        grew(Counted::OpenDescriptors, Some(1_196_000)),
        grew(Counted::Threads, None),
        grew(Counted::Processes, Some(500)),
        TrendFact::SteadyGrowth { points: 24, over_ms: 575_000, rising_percent: 97 },
    ];
    fixture::check_statements(
        &statements.map(Into::into),
        &expect![[r#"
            {"type":"count_grew","what":"open_descriptors","from":100,"to":400,"over_ms":575000,"limit_reached_in_ms":1196000}
              open descriptors grew from 100 to 400 in 9 min: at this rate the limit is reached in 19 min
            {"type":"count_grew","what":"threads","from":100,"to":400,"over_ms":575000,"limit_reached_in_ms":null}
              they grew from 100 to 400 in 9 min
            {"type":"count_grew","what":"processes","from":100,"to":400,"over_ms":575000,"limit_reached_in_ms":500}
              they grew from 100 to 400 in 9 min: at this rate the limit is reached in 500 ms
            {"type":"steady_growth","points":24,"over_ms":575000,"rising_percent":97}
              it is steady: of all pairs of the 24 samples in 9 min, 97 % rise more than they fall, and the lowest values rise too
        "#]],
    );
}
