//! What many measurements say together.

/// The value in the middle, of two middle ones the mean. Panics on nothing.
pub fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The smallest value that at least this share (0–1) of the values do not exceed. Panics on nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "there are thousands of values, not more than a float can count"
)]
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let sorted = sorted(values);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

fn sorted(values: &[f64]) -> Vec<f64> {
    assert!(!values.is_empty(), "something was measured");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let close = |left: f64, right: f64| (left - right).abs() < f64::EPSILON;
        assert!(close(median(&[3.0, 1.0, 2.0]), 2.0));
        assert!(close(median(&[4.0, 1.0, 3.0, 2.0]), 2.5));
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let close = |left: f64, right: f64| (left - right).abs() < f64::EPSILON;
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!(close(percentile(&hundred, 0.5), 50.0));
        assert!(close(percentile(&hundred, 0.99), 99.0));
        assert!(close(percentile(&[7.0], 0.99), 7.0));
    }
}
