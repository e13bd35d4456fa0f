//! What was measured in the course of a soak, a row each; the table of them, and what they say of growth.

use serde::Serialize;

use crate::report::{Table, number};
use crate::stats::{max, median, percentile};

/// A longer table is thinned out evenly; the JSON has all of it.
const ROWS_MAX: usize = 40;
const MIB: f64 = 1024.0 * 1024.0;

/// One row.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Sample {
    pub(super) at_s: f64,
    pub(super) rss_bytes: f64,
    pub(super) pss_bytes: f64,
    pub(super) anonymous_bytes: f64,
    /// Of the whole cgroup: the daemon, its helpers, their page cache.
    pub(super) cgroup_bytes: f64,
    pub(super) threads: f64,
    pub(super) descriptors: f64,
    pub(super) disk_bytes: f64,
    /// Since the row before, of a core.
    pub(super) cpu_percent: f64,
    /// Of the good answers since the row before.
    pub(super) http_median_ms: f64,
    pub(super) http_p99_ms: f64,
    pub(super) http_failed: f64,
    pub(super) urgent_lost: f64,
    pub(super) common_lost: f64,
}

/// What all of them say.
pub(super) struct Course {
    /// Of the second half, by least squares.
    pub(super) slope_mib_an_hour: f64,
    /// The median of the last quarter above that of the quarter before it.
    pub(super) rise_mib: f64,
    pub(super) rss_mib_median: f64,
    pub(super) own_mib_median: f64,
    pub(super) rss_mib_max: f64,
    pub(super) threads_max: f64,
    pub(super) descriptors_max: f64,
    pub(super) http_p99_ms: f64,
}

pub(super) fn course(samples: &[Sample]) -> Course {
    let half = &samples[samples.len() / 2..];
    let (third, last) = half.split_at(half.len() / 2);
    let of = |part: &[Sample], value: fn(&Sample) -> f64| part.iter().map(value).collect::<Vec<f64>>();
    let rss = |part: &[Sample]| of(part, |it| it.rss_bytes / MIB);
    let points: Vec<(f64, f64)> = half.iter().map(|it| (it.at_s / 3600.0, it.rss_bytes / MIB)).collect();
    Course {
        slope_mib_an_hour: slope(&points),
        rise_mib: median(&rss(last)) - median(&rss(third)),
        rss_mib_median: median(&rss(half)),
        own_mib_median: median(&of(half, |it| it.anonymous_bytes / MIB)),
        rss_mib_max: max(&rss(samples)),
        threads_max: max(&of(samples, |it| it.threads)),
        descriptors_max: max(&of(samples, |it| it.descriptors)),
        http_p99_ms: percentile(&of(samples, |it| it.http_p99_ms), 50),
    }
}

/// Of the line that is nearest to the points, by least squares; NaN of fewer than two.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mean = |value: fn(&(f64, f64)) -> f64| {
        points.iter().map(value).sum::<f64>() / points.iter().map(|_| 1.0).sum::<f64>()
    };
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let together: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    together / points.iter().map(|it| (it.0 - x).powi(2)).sum::<f64>()
}

pub(super) fn table(samples: &[Sample]) -> Table {
    let header = [
        "s",
        "RSS MiB",
        "PSS MiB",
        "anonymous MiB",
        "cgroup MiB",
        "threads",
        "files",
        "disk MiB",
        "CPU %",
        "HTTP ms",
        "p99 ms",
        "failed",
        "lost: urgent",
        "lost: common",
    ];
    let mut table = Table::new("In the course of the soak", &header);
    for it in samples.iter().step_by(samples.len().div_ceil(ROWS_MAX).max(1)) {
        table.row(
            [
                it.at_s.round(),
                it.rss_bytes / MIB,
                it.pss_bytes / MIB,
                it.anonymous_bytes / MIB,
                it.cgroup_bytes / MIB,
                it.threads,
                it.descriptors,
                it.disk_bytes / MIB,
                it.cpu_percent,
                it.http_median_ms,
                it.http_p99_ms,
                it.http_failed,
                it.urgent_lost,
                it.common_lost,
            ]
            .map(number),
        );
    }
    table.notes.push(
        "RSS counts the pages of the rings twice, because each ring is mapped twice in a row; PSS counts them once. \
         The cgroup's memory includes the helpers and the page cache, which is given up when it is needed."
            .to_owned(),
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(rss_mib: impl Fn(f64) -> f64) -> Vec<Sample> {
        (0..100_u8)
            .map(|n| {
                let at_s = f64::from(n) * 36.0;
                Sample { at_s, rss_bytes: rss_mib(at_s / 3600.0) * MIB, ..Sample::default() }
            })
            .collect()
    }

    #[test]
    fn growth_is_that_of_the_second_half() {
        let check = |rss_mib: &dyn Fn(f64) -> f64, slope: f64, rise: f64| {
            let it = course(&samples(rss_mib));
            assert!((it.slope_mib_an_hour - slope).abs() < 0.01, "{}", it.slope_mib_an_hour);
            assert!((it.rise_mib - rise).abs() < 0.01, "{}", it.rise_mib);
        };
        check(&|_| 30.0, 0.0, 0.0);
        check(&|hours| 30.0 + 2.0 * hours, 2.0, 0.5);
        // What is needed at first, and then no more.
        check(&|hours| 30.0 + 20.0 * hours.min(0.5), 0.0, 0.0);
        check(&|hours| 30.0 - hours, -1.0, -0.25);
    }

    #[test]
    fn one_row_has_no_slope() {
        let it = course(&samples(|_| 30.0)[..1]);
        assert!(it.slope_mib_an_hour.is_nan() && it.rise_mib.is_nan());
    }

    #[test]
    fn a_long_table_is_thinned_out() {
        let all: Vec<Sample> = samples(|_| 1.0).into_iter().cycle().take(361).collect();
        assert_eq!(table(&all).rows.len(), 37);
        assert_eq!(table(&all[..40]).rows.len(), 40);
        assert_eq!(table(&[]).rows.len(), 0);
    }
}
