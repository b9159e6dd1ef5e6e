//! Axes: positions of values on the drawing, and ticks.

use crate::number::decimal;

/// The spacing of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Scale {
    /// Equal differences have equal lengths.
    #[default]
    Linear,
    /// Equal ratios have equal lengths. Values of 0 and below have no position.
    Log,
}

/// The largest value that has a position on an axis.
const LARGEST: f64 = 1e100;

/// An axis of a chart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Axis {
    /// The quantity on the axis, with its unit.
    pub(crate) label: String,
    pub(crate) scale: Scale,
    /// First and last value of the axis. `None`: the range of the data, extended to round values.
    pub(crate) range: Option<[f64; 2]>,
    /// The ticks, each with its text. `None`: ticks at round values.
    pub(crate) ticks: Option<Vec<(f64, String)>>,
    /// Whether the axis ends at the first and last value of the data instead of at round values.
    pub(crate) tight: bool,
}

impl Axis {
    pub(crate) fn new(label: impl Into<String>) -> Axis {
        Axis {
            label: label.into(),
            ..Axis::default()
        }
    }

    pub(crate) fn log(self) -> Axis {
        Axis {
            scale: Scale::Log,
            ..self
        }
    }

    pub(crate) fn tight(self) -> Axis {
        Axis {
            tight: true,
            ..self
        }
    }

    pub(crate) fn range(self, low: f64, high: f64) -> Axis {
        Axis {
            range: Some([low, high]),
            ..self
        }
    }

    /// Whether a value has a position on the axis: it is at most 1e100 in size, and at least 1e-100
    /// on a logarithmic axis. Sums and ratios of such values are finite.
    pub(crate) fn shows(&self, value: f64) -> bool {
        value.abs() <= LARGEST && (self.scale == Scale::Linear || value >= 1.0 / LARGEST)
    }

    /// Places the axis from `start` to `end` on the drawing, with a range for these values.
    pub(super) fn place(
        &self,
        values: impl Iterator<Item = f64>,
        [start, end]: [f64; 2],
    ) -> Placed {
        let values = values.filter(|v| self.shows(*v));
        let range = self
            .range
            .filter(|ends| ends.iter().all(|v| self.shows(*v)));
        let [mut low, mut high] = self.widened(range.unwrap_or_else(|| extent(values)));
        let round = match self.scale {
            Scale::Linear => {
                let step = step(high - low);
                if range.is_none() && !self.tight {
                    (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
                }
                steps(low, high, step)
            }
            Scale::Log => powers(low, high),
        };
        Placed {
            scale: self.scale,
            values: [low, high],
            drawing: [start, end],
            ticks: self.ticks.clone().unwrap_or(round),
        }
    }

    /// The range; if it is nearly a single value, a range around that value.
    fn widened(&self, [low, high]: [f64; 2]) -> [f64; 2] {
        match self.scale {
            Scale::Linear if high - low >= 1.0 / LARGEST => [low, high],
            Scale::Log if high > low * 1.001 => [low, high],
            Scale::Linear if low.abs() < 1.0 / LARGEST => [0.0, 1.0],
            Scale::Linear => [low - low.abs() / 2.0, high + high.abs() / 2.0],
            Scale::Log => [low / 2.0, high * 2.0],
        }
    }
}

/// An axis with its position on the drawing.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    scale: Scale,
    values: [f64; 2],
    drawing: [f64; 2],
    pub(super) ticks: Vec<(f64, String)>,
}

impl Placed {
    /// The position of a value. Values beyond an end are drawn at the end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let scaled = |v: f64| match self.scale {
            Scale::Linear => v,
            Scale::Log => v.max(f64::MIN_POSITIVE).log10(),
        };
        let [low, high] = self.values.map(scaled);
        let [start, end] = self.drawing;
        let share = ((scaled(value) - low) / (high - low)).clamp(0.0, 1.0);
        start + share * (end - start)
    }
}

/// The lowest and the highest value.
fn extent(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let none = [f64::INFINITY, f64::NEG_INFINITY];
    let [low, high] = values.fold(none, |[low, high], v| [low.min(v), high.max(v)]);
    if low > high { [1.0, 1.0] } else { [low, high] }
}

/// A round step, 1, 2 or 5 times a power of ten, that fits four or five times into `length`.
fn step(length: f64) -> f64 {
    let rough = length / 4.5;
    let power = 10f64.powf(rough.log10().floor());
    let rounds = [1.0, 2.0, 5.0, 10.0].map(|round| round * power);
    rounds
        .into_iter()
        .find(|s| *s >= rough * 0.999)
        .unwrap_or(rounds[3])
}

/// Ticks at the multiples of `step`.
fn steps(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    (first..=last)
        .map(|n| n as f64 * step)
        .map(|value| (value, tick(value, digits)))
        .collect()
}

/// Ticks at powers of ten. If there are few, also at 2 and 5 times a power.
fn powers(low: f64, high: f64) -> Vec<(f64, String)> {
    let decades = (high / low).log10();
    let multiples: &[f64] = if decades < 2.5 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let every = (decades / 6.0).ceil().max(1.0) as i32;
    exponents
        .filter(|e| e.rem_euclid(every) == 0)
        .flat_map(|e| multiples.iter().map(move |m| (m * 10f64.powi(e), e)))
        .filter(|(value, _)| *value >= low * 0.999 && *value <= high * 1.001)
        .map(|(value, e)| (value, tick(value, (-e).max(0) as usize)))
        .collect()
}

/// The text of a tick, with `digits` digits after the point. Long texts become powers of ten.
fn tick(value: f64, digits: usize) -> String {
    if value == 0.0 || (digits <= 4 && value.abs() < 1e6) {
        return decimal(value, if value == 0.0 { digits.min(1) } else { digits });
    }
    let text = format!("{value:.2e}");
    let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: &Axis, values: &[f64]) -> Vec<String> {
        let placed = axis.place(values.iter().copied(), [0.0, 100.0]);
        placed.ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round() {
        let linear = Axis::new("");
        assert_eq!(
            ticks(&linear, &[0.057, 0.74]),
            ["0.0", "0.2", "0.4", "0.6", "0.8"]
        );
        assert_eq!(ticks(&linear, &[0.0, 12.0]), ["0", "5", "10", "15"]);
        assert_eq!(
            ticks(&linear.clone().tight(), &[0.0, 12.0]),
            ["0", "5", "10"]
        );
        assert_eq!(ticks(&linear, &[-3.2, -0.1]), ["-4", "-3", "-2", "-1", "0"]);
        assert_eq!(ticks(&linear, &[0.0, 0.001]), ["0.0", "0.0005", "0.0010"]);
        assert_eq!(
            ticks(&linear, &[0.0, 2.4e-5]),
            ["0.0", "1e-5", "2e-5", "3e-5"]
        );
        assert_eq!(ticks(&linear, &[0.0, 5e6])[1], "2e6");
        let log = Axis::new("").log();
        assert_eq!(ticks(&log, &[1e-12, 1.0])[0], "1e-12");
        assert_eq!(
            ticks(&log, &[1.0, 200.0]),
            ["1", "2", "5", "10", "20", "50", "100", "200"]
        );
        assert_eq!(ticks(&log, &[0.001, 1.0]), ["0.001", "0.01", "0.1", "1"]);
    }

    #[test]
    fn an_axis_has_few_ticks_whatever_its_values_are() {
        let tiny = f64::from_bits(1);
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1e-7,
            1e-100,
            1e-300,
            tiny,
            2.0 * tiny,
            1e100,
            1e16,
            1e16 + 2.0,
            1.000_000_1e100,
            1e300,
            -1e300,
            f64::MAX,
            f64::MIN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
        ];
        for (a, b) in values.iter().flat_map(|a| values.map(|b| (*a, b))) {
            for axis in [Axis::new(""), Axis::new("").log()] {
                for axis in [axis.clone(), axis.clone().tight(), axis.range(a, b)] {
                    let placed = axis.place([a, b].into_iter(), [0.0, 100.0]);
                    assert!(placed.ticks.len() < 30, "{axis:?} {a} {b}");
                    for value in [a, b].into_iter().filter(|v| axis.shows(*v)) {
                        let at = placed.at(value);
                        assert!((0.0..=100.0).contains(&at), "{axis:?} {a} {b}: {at}");
                    }
                }
            }
        }
    }

    #[test]
    fn values_without_a_position_do_not_affect_the_range() {
        assert_eq!(
            ticks(&Axis::new(""), &[f64::NAN, f64::INFINITY, 2.0, 4.0]).len(),
            5
        );
        let placed = Axis::new("")
            .log()
            .place([0.0, 1.0, 100.0].into_iter(), [0.0, 100.0]);
        assert!((placed.at(10.0) - 50.0).abs() < 1e-9);
        assert_eq!(placed.at(-1.0), 0.0);
        let same = Axis::new("").place([3.0, 3.0].into_iter(), [0.0, 10.0]);
        assert_eq!(same.at(3.0), 5.0);
        let none = Axis::new("").place(std::iter::empty(), [0.0, 10.0]);
        assert!(none.at(1.0).is_finite());
    }
}
