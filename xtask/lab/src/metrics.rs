//! Reading the daemon's /metrics: sums of counters, and percentiles off the buckets of a histogram.

use anyhow::Result;
use prometheus_parse::{Sample, Scrape, Value};

/// One answer of /metrics.
pub(crate) struct Metrics(Vec<Sample>);

/// A label and its value.
pub(crate) type Label<'a> = (&'a str, &'a str);

impl Metrics {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(Self(Scrape::parse(text.lines().map(|line| Ok(line.to_owned())))?.samples))
    }

    /// The sum of all samples of this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[Label<'_>]) -> f64 {
        let numbers = self.samples(name, labels).filter_map(|value| match value {
            Value::Counter(it) | Value::Gauge(it) | Value::Untyped(it) => Some(*it),
            Value::Histogram(_) | Value::Summary(_) => None,
        });
        // Not the sum of nothing, which is minus nothing.
        numbers.fold(0.0, |sum, it| sum + it)
    }

    /// What was counted since `before`, by bucket: the upper bound and the count up to it.
    pub(crate) fn histogram_since(&self, before: &Self, name: &str, labels: &[Label<'_>]) -> Vec<(f64, f64)> {
        let (now, then) = (self.buckets(name, labels), before.buckets(name, labels));
        let base =
            |bound: f64| then.iter().find(|(it, _)| it.total_cmp(&bound).is_eq()).map_or(0.0, |it| it.1);
        now.into_iter().map(|(bound, count)| (bound, count - base(bound))).collect()
    }

    fn buckets(&self, name: &str, labels: &[Label<'_>]) -> Vec<(f64, f64)> {
        let histograms = self.samples(name, labels).filter_map(|value| match value {
            Value::Histogram(buckets) => Some(buckets),
            _ => None,
        });
        histograms.flatten().map(|it| (it.less_than, it.count)).collect()
    }

    fn samples(&self, name: &str, labels: &[Label<'_>]) -> impl Iterator<Item = &Value> {
        let is = move |it: &&Sample| {
            it.metric == name && labels.iter().all(|(label, value)| it.labels.get(label) == Some(value))
        };
        self.0.iter().filter(is).map(|it| &it.value)
    }
}

/// The upper bound of the bucket in which this percentile lies; NaN of nothing.
pub(crate) fn percentile(buckets: &[(f64, f64)], percent: f64) -> f64 {
    let total = buckets.last().map_or(0.0, |(_, count)| *count);
    let rank = total * percent / 100.0;
    let found = buckets.iter().find(|(_, count)| *count >= rank).map(|(bound, _)| *bound);
    found.filter(|_| total > 0.0).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_by_label() {
        let text = "# TYPE a_total counter\na_total{kind=\"exec\",ring=\"common\"} 3\n\
                    a_total{kind=\"exit\",ring=\"grave\"} 4\na_total_more 9\nplain 5\nbroken{x=\"y\"\n";
        let it = Metrics::parse(text).unwrap();
        let check = |name: &str, labels: &[Label<'_>], want: f64| {
            assert!((it.sum(name, labels) - want).abs() < 1e-9, "{name} {labels:?}");
        };
        check("a_total", &[], 7.0);
        check("a_total", &[("ring", "grave")], 4.0);
        check("a_total", &[("ring", "common"), ("kind", "exec")], 3.0);
        check("a_total", &[("ring", "none")], 0.0);
        check("plain", &[], 5.0);
        assert!(it.sum("nothing", &[]).is_sign_positive());
    }

    #[test]
    fn percentiles_of_what_came_in_between() {
        let metrics = |counts: [u32; 3]| {
            let [low, high, all] = counts;
            Metrics::parse(&format!(
                "# TYPE d histogram\nd_bucket{{le=\"0.1\",ring=\"g\"}} {low}\nd_bucket{{le=\"0.5\",ring=\"g\"}} {high}\n\
                 d_bucket{{le=\"+Inf\",ring=\"g\"}} {all}\nd_sum{{ring=\"g\"}} 5\nd_count{{ring=\"g\"}} {all}\n\
                 d_bucket{{le=\"0.1\",ring=\"h\"}} 1000\n"
            ))
            .unwrap()
        };
        let (before, after) = (metrics([10, 10, 10]), metrics([60, 109, 110]));
        let buckets = after.histogram_since(&before, "d", &[("ring", "g")]);
        assert_eq!(buckets, [(0.1, 50.0), (0.5, 99.0), (f64::INFINITY, 100.0)]);
        assert!((percentile(&buckets, 50.0) - 0.1).abs() < 1e-9);
        assert!((percentile(&buckets, 99.0) - 0.5).abs() < 1e-9);
        assert!(percentile(&buckets, 100.0).is_infinite());
        assert!(percentile(&before.histogram_since(&before, "d", &[("ring", "g")]), 50.0).is_nan());
    }
}
