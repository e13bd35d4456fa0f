//! Reading the daemon's /metrics: sums of counters, and percentiles off the buckets of a histogram.

/// One answer of /metrics.
#[derive(Clone, Debug, Default)]
pub(super) struct Exposition(pub(super) String);

impl Exposition {
    /// The sum of all samples of this name that have these labels, written as `name="value"`.
    pub(super) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        self.samples(name, labels).map(|(_, value)| value).sum()
    }

    /// What was counted since `before`, by bucket: the upper bound and the count up to it.
    pub(super) fn histogram_since(&self, before: &Self, name: &str, labels: &[&str]) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let bounds = |it: &Self| -> Vec<(f64, f64)> {
            let buckets = it.samples(&name, labels).filter_map(|(labels, value)| {
                let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
                Some((if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? }, value))
            });
            buckets.collect()
        };
        let (now, then) = (bounds(self), bounds(before));
        let base =
            |bound: f64| then.iter().find(|(it, _)| it.total_cmp(&bound).is_eq()).map_or(0.0, |it| it.1);
        now.into_iter().map(|(bound, count)| (bound, count - base(bound))).collect()
    }

    fn samples<'a>(&'a self, name: &'a str, wanted: &'a [&str]) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.split_once("} ")?,
                None => ("", rest.strip_prefix(' ')?),
            };
            let has_all = wanted.iter().all(|label| labels.split(',').any(|it| it == *label));
            Some((labels, value.split(' ').next()?.parse().ok()?)).filter(|_| has_all)
        })
    }
}

/// The upper bound of the bucket in which this percentile lies; NaN of nothing.
pub(super) fn percentile(buckets: &[(f64, f64)], percent: f64) -> f64 {
    let total = buckets.last().map_or(0.0, |(_, count)| *count);
    let rank = total * percent / 100.0;
    let found = buckets.iter().find(|(_, count)| *count >= rank).map(|(bound, _)| *bound);
    found.filter(|_| total > 0.0).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposition(text: &str) -> Exposition {
        Exposition(text.to_owned())
    }

    #[test]
    fn counters_are_summed_by_label() {
        let it = exposition(
            "# TYPE a_total counter\na_total{kind=\"exec\",ring=\"common\"} 3\n\
             a_total{kind=\"exit\",ring=\"grave\"} 4\na_total_more 9\nplain 5\nbroken{x=\"y\"\n",
        );
        let check = |name: &str, labels: &[&str], want: f64| {
            assert!((it.sum(name, labels) - want).abs() < 1e-9, "{name} {labels:?}");
        };
        check("a_total", &[], 7.0);
        check("a_total", &["ring=\"grave\""], 4.0);
        check("a_total", &["ring=\"common\"", "kind=\"exec\""], 3.0);
        check("a_total", &["ring=\"none\""], 0.0);
        check("plain", &[], 5.0);
    }

    #[test]
    fn percentiles_of_what_came_in_between() {
        let text = |counts: [u32; 3]| {
            let [low, high, all] = counts;
            exposition(&format!(
                "d_bucket{{le=\"0.1\",ring=\"g\"}} {low}\nd_bucket{{le=\"0.5\",ring=\"g\"}} {high}\n\
                 d_bucket{{le=\"+Inf\",ring=\"g\"}} {all}\n"
            ))
        };
        let (before, after) = (text([10, 10, 10]), text([60, 109, 110]));
        let buckets = after.histogram_since(&before, "d", &["ring=\"g\""]);
        assert_eq!(buckets, [(0.1, 50.0), (0.5, 99.0), (f64::INFINITY, 100.0)]);
        assert!((percentile(&buckets, 50.0) - 0.1).abs() < 1e-9);
        assert!((percentile(&buckets, 99.0) - 0.5).abs() < 1e-9);
        assert!(percentile(&buckets, 100.0).is_infinite());
        assert!(percentile(&before.histogram_since(&before, "d", &[]), 50.0).is_nan());
    }
}
