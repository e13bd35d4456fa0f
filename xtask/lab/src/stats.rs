//! The little statistics there is: medians and percentiles of what was measured, never of a model of it.

/// The middle one, or the mean of the two in the middle; NaN of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest value that `percent` of all are not above (nearest rank); NaN of nothing.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let sorted = sorted(values);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The largest; NaN of nothing.
pub(crate) fn max(values: &[f64]) -> f64 {
    percentile(values, 100)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let check = |values: &[f64], want: f64| assert!((median(values) - want).abs() < 1e-9, "{values:?}");
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 100.0], 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let check = |values: &[f64], percent: usize, want: f64| {
            assert!((percentile(values, percent) - want).abs() < 1e-9, "{percent} of {values:?}");
        };
        check(&hundred, 50, 50.0);
        check(&hundred, 99, 99.0);
        check(&hundred, 100, 100.0);
        check(&[5.0, 1.0], 50, 1.0);
        check(&[5.0, 1.0], 99, 5.0);
        check(&[7.0], 0, 7.0);
        assert!(percentile(&[], 99).is_nan() && max(&[]).is_nan());
    }
}
