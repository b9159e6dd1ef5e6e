//! Means and ratios that may be undefined.

/// Mean of the defined values, such as a metric over its labels; `None` if no value is defined.
pub fn mean_defined(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut defined) = (0.0, 0u64);
    for value in values.into_iter().flatten() {
        sum += value;
        defined += 1;
    }
    (defined > 0).then(|| sum / defined as f64)
}

/// `part / whole`; `None` if the whole is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_values_do_not_count_as_zero() {
        assert_eq!(mean_defined([Some(1.0), None, Some(0.5)]), Some(0.75));
        assert_eq!(mean_defined([None, None]), None);
        assert_eq!(mean_defined([]), None);
    }
}
