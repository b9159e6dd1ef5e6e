//! Numbers as text.

/// With so many digits after the point; U+2212 is not used, so that tables can be copied into programs.
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    // -0.0 is 0.0 to readers.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => text,
    }
}

/// With four significant digits, and without what follows them.
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

/// A moment, in seconds since 1970, as date and time in UTC (days to civil date, Howard Hinnant's `civil_from_days`).
pub(crate) fn moment(seconds: u64) -> String {
    let (days, rest) = ((seconds / 86_400) as i64 + 719_468, seconds % 86_400);
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (rest / 3_600, rest / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
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
    fn moments_are_those_of_date() {
        // date -u -d @N
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(moment(1_795_620_309), "2026-11-25 15:25 UTC");
        assert_eq!(moment(4_107_542_399), "2100-02-28 23:59 UTC");
    }
}
