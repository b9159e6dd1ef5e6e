//! Numbers and times as text.

use time::OffsetDateTime;

/// `value` with `digits` digits after the point. The minus is ASCII, not U+2212, so that programs
/// can read copied tables.
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    // Readers expect 0.0, not -0.0.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    }
}

/// `value` with four significant digits, without trailing zeros.
pub(crate) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 {
            "0".into()
        } else {
            "undefined".into()
        };
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-4..7).contains(&magnitude) {
        return format!("{value:.2e}");
    }
    let text = decimal(value, (3 - magnitude).max(0) as usize);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `0.6577 (0.6157 to 0.7019)`; without an interval the value alone.
pub(crate) fn with_interval(value: f64, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some([low, high]) => format!("{value:.4} ({low:.4} to {high:.4})"),
        None => format!("{value:.4}"),
    }
}

/// Seconds since 1970 as date and time in UTC: `2000-02-29 12:34 UTC`.
pub(crate) fn date_and_time(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    match time {
        Some(time) => {
            let (date, hour, minute) = (time.date(), time.hour(), time.minute());
            format!("{date} {hour:02}:{minute:02} UTC")
        }
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits() {
        let cases = [
            (0.0, "0"),
            (0.657_686, "0.6577"),
            (12.0, "12"),
            (1234.56, "1235"),
            (120_000.0, "120000"),
            (0.000_05, "5.00e-5"),
            (-0.25, "-0.25"),
            (f64::NAN, "undefined"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
        assert_eq!(decimal(-0.001, 2), "0.00");
        assert_eq!(
            with_interval(0.5, Some([0.25, 0.75])),
            "0.5000 (0.2500 to 0.7500)"
        );
    }

    #[test]
    fn times_agree_with_the_date_command() {
        // date -u -d @N
        assert_eq!(date_and_time(0), "1970-01-01 00:00 UTC");
        assert_eq!(date_and_time(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(date_and_time(1_795_620_309), "2026-11-25 15:25 UTC");
        assert_eq!(date_and_time(4_107_542_399), "2100-02-28 23:59 UTC");
        assert_eq!(date_and_time(u64::MAX), "unknown");
    }
}
