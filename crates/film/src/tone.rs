//! Turns stored values into greys: windows, look-up tables, polarity.

#![cfg_attr(
    not(feature = "dicom"),
    allow(dead_code, reason = "only DICOM files have windows and tables")
)]

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::film::Grey;

/// Which values become black and which white, in films of more than 8 bits and in DICOM files.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The film's smallest value is black, its largest white. Films of 8 bits keep their values. A
    /// DICOM file's pixel padding is ignored.
    FullRange,
    /// The DICOM file's first VOI look-up table (VOI: value of interest), or else its first window.
    /// As `full_range` if the file has no valid one, and for JPEG and PNG.
    #[default]
    Voi,
    /// Values up to the `low` percentile are black, values from the `high` percentile on are white,
    /// in films of 8 bits, too.
    Percentile {
        /// Per cent of the film's pixels; 0 ≤ `low` < `high`.
        #[schemars(range(min = 0.0, max = 100.0))]
        low: f32,
        /// Per cent of the film's pixels; `low` < `high` ≤ 100.
        #[schemars(range(min = 0.0, max = 100.0))]
        high: f32,
    },
}

/// `low` and `high` of [`Window::Percentile`] by default.
const PERCENTILES: (f32, f32) = (0.5, 99.5);

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Window::FullRange => f.write_str("full-range"),
            Window::Voi => f.write_str("voi"),
            Window::Percentile { low, high } => write!(f, "percentile:{low},{high}"),
        }
    }
}

/// Parses `full-range`, `voi`, `percentile` (0.5 and 99.5) or `percentile:LOW,HIGH`, as on a
/// command line.
impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        let (name, ends) = text.split_once(':').unwrap_or((text, ""));
        let (low, high) = match (name, ends) {
            ("full-range", "") => return Ok(Window::FullRange),
            ("voi", "") => return Ok(Window::Voi),
            ("percentile", "") => PERCENTILES,
            ("percentile", ends) => {
                let number = |text: &str| text.trim().parse().ok();
                ends.split_once(',')
                    .and_then(|(low, high)| Some((number(low)?, number(high)?)))
                    .ok_or("give two percentages, as in percentile:0.5,99.5")?
            }
            _ => return Err("give full-range, voi, percentile or percentile:LOW,HIGH".into()),
        };
        Window::Percentile { low, high }.checked()
    }
}

impl Window {
    /// Returns the window.
    ///
    /// # Errors
    /// If its percentiles are out of range or out of order.
    fn checked(self) -> Result<Window, String> {
        match self {
            Window::Percentile { low, high } if !(0.0 <= low && low < high && high <= 100.0) => {
                let reason = "give 0 <= low < high <= 100";
                Err(format!("window percentile {low} to {high}: {reason}"))
            }
            window => Ok(window),
        }
    }
}

/// Turns stored values into greys: modality transform, then window, then polarity (DICOM PS3.4
/// N.2).
#[derive(Default)]
pub(crate) struct Tone {
    /// Bits of a stored value, 1 to 16.
    pub(crate) bits: u32,
    /// Whether stored values are in two's complement.
    pub(crate) signed: bool,
    /// Stored value of pixels that do not belong to the picture.
    pub(crate) padding: Option<i32>,
    /// Turns stored values into values in the unit of the modality.
    pub(crate) modality: Modality,
    /// Turns modality values into shares of white; `None` if the file does not state how.
    pub(crate) voi: Option<Voi>,
    /// MONOCHROME1: the smallest value is white.
    pub(crate) inverted: bool,
}

/// The modality transform of a DICOM file.
pub(crate) enum Modality {
    Linear { slope: f64, intercept: f64 },
    Table(Table),
}

impl Default for Modality {
    fn default() -> Self {
        Modality::Linear {
            slope: 1.0,
            intercept: 0.0,
        }
    }
}

/// The window or VOI look-up table of a DICOM file.
pub(crate) enum Voi {
    Linear { centre: f64, width: f64 },
    LinearExact { centre: f64, width: f64 },
    Sigmoid { centre: f64, width: f64 },
    Table(Table),
}

/// A DICOM look-up table. Values before its first entry get the first, values after its last entry
/// get the last.
pub(crate) struct Table {
    /// The value that the first entry belongs to.
    pub(crate) first: f64,
    /// The entries, at least one.
    pub(crate) entries: Vec<u16>,
    /// The largest possible entry.
    pub(crate) top: f64,
}

impl Table {
    fn look_up(&self, value: f64) -> f64 {
        let last = self.entries.len() - 1;
        f64::from(self.entries[((value - self.first).max(0.0) as usize).min(last)])
    }
}

impl Modality {
    /// The value in the unit of the modality.
    fn apply(&self, stored: i32) -> f64 {
        match self {
            Modality::Linear { slope, intercept } => slope * f64::from(stored) + intercept,
            Modality::Table(table) => table.look_up(f64::from(stored)),
        }
    }
}

impl Voi {
    /// The share of white, 0 to 1 (DICOM PS3.3 C.11.2).
    fn apply(&self, value: f64) -> f64 {
        match self {
            Voi::Linear { centre, width } if *width <= 1.0 => f64::from(value > centre - 0.5),
            Voi::Linear { centre, width } => (value - (centre - 0.5)) / (width - 1.0) + 0.5,
            Voi::LinearExact { centre, width } => (value - centre) / width + 0.5,
            Voi::Sigmoid { centre, width } => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
            Voi::Table(table) => table.look_up(value) / table.top,
        }
    }
}

impl Tone {
    /// Unsigned values of this many bits; the largest is white.
    pub(crate) fn unsigned(bits: u32) -> Tone {
        Tone {
            bits,
            ..Tone::default()
        }
    }

    /// Whether it makes no difference if pixels are averaged before or after they become greys.
    /// This holds for values of 8 bits that stay as they are or are inverted.
    pub(crate) fn keeps_means(&self, window: Window) -> bool {
        if self.bits != 8 || matches!(window, Window::Percentile { .. }) {
            return false;
        }
        let Ok(greys) = self.greys::<u8>(window, &[] as &[u8]) else {
            return false;
        };
        let unchanged = (0..=255).eq(greys.iter().copied());
        unchanged || (0..=255).eq(greys.iter().rev().copied())
    }

    /// Turns all values of a picture into greys.
    ///
    /// # Errors
    /// If the percentiles of `window` are out of range.
    pub(crate) fn apply<V: Grey, P: Grey>(
        &self,
        values: &[V],
        window: Window,
    ) -> Result<Vec<P>, String> {
        let grey = self.grey(values, window)?;
        Ok(values.iter().map(|value| grey(*value)).collect())
    }

    /// A function that turns a value of this picture into its grey. `values` are all values of the
    /// picture.
    ///
    /// # Errors
    /// As [`Tone::apply`].
    pub(crate) fn grey<V: Grey, P: Grey>(
        &self,
        values: &[V],
        window: Window,
    ) -> Result<impl Fn(V) -> P + use<V, P>, String> {
        let greys = self.greys::<P>(window, values)?;
        let mask = self.mask();
        Ok(move |value: V| {
            let raw: u16 = value.into();
            greys[usize::from(raw & mask)]
        })
    }

    /// A mask with ones for the bits of a stored value.
    fn mask(&self) -> u16 {
        ((1u32 << self.bits) - 1) as u16
    }

    /// The value without the bits above [`Tone::bits`].
    pub(crate) fn raw(&self, value: impl Grey) -> u16 {
        let value: u16 = value.into();
        value & self.mask()
    }

    /// The number that the bits `raw` encode.
    fn stored(&self, raw: u16) -> i32 {
        let above = 32 - self.bits;
        if self.signed {
            ((u32::from(raw) << above) as i32) >> above
        } else {
            i32::from(raw)
        }
    }

    /// The greys of all possible raw values, for a picture of these `values`.
    ///
    /// # Errors
    /// As [`Tone::apply`].
    fn greys<P: Grey>(&self, window: Window, values: &[impl Grey]) -> Result<Vec<P>, String> {
        let ends = match (window.checked()?, &self.voi) {
            (Window::Voi, Some(voi)) => return Ok(self.grey_table(|value| voi.apply(value))),
            (Window::Voi | Window::FullRange, _) if self.bits == 8 => self.eight_bit_range(),
            (Window::Voi | Window::FullRange, _) => self.range(values),
            (Window::Percentile { low, high }, _) => {
                self.percentiles(values, f64::from(low), f64::from(high))
            }
        };
        let (a, b) = (self.modality.apply(ends.0), self.modality.apply(ends.1));
        let (black, white) = (a.min(b), a.max(b));
        // A film with a single value becomes black.
        let range = if white > black {
            white - black
        } else {
            f64::INFINITY
        };
        Ok(self.grey_table(|value| (value - black) / range))
    }

    /// The least and the largest number of 8 bits.
    fn eight_bit_range(&self) -> (i32, i32) {
        if self.signed { (-128, 127) } else { (0, 255) }
    }

    /// The least and the largest stored value, without padding.
    fn range(&self, values: &[impl Grey]) -> (i32, i32) {
        let (mut least, mut largest) = (i32::MAX, i32::MIN);
        for value in values {
            let stored = self.stored(self.raw(*value));
            if self.padding != Some(stored) {
                least = least.min(stored);
                largest = largest.max(stored);
            }
        }
        // All pixels of the film may be padding.
        if least <= largest {
            (least, largest)
        } else {
            let padding = self.padding.unwrap_or(0);
            (padding, padding)
        }
    }

    /// The stored values at the percentiles `low` and `high`, without padding.
    fn percentiles(&self, values: &[impl Grey], low: f64, high: f64) -> (i32, i32) {
        let mut counts: Vec<(i32, u64)> = self
            .histogram(values)
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .map(|(raw, count)| (self.stored(raw as u16), count))
            .collect();
        counts.sort_unstable();
        let pixels: u64 = counts.iter().map(|(_, count)| count).sum();
        let last = pixels.saturating_sub(1) as f64;
        let percentile = |percent: f64| {
            let rank = (percent / 100.0 * last).round() as u64;
            let mut before = 0;
            let reached = counts.iter().find(|(_, count)| {
                before += count;
                before > rank
            });
            reached.map_or(0, |(stored, _)| *stored)
        };
        (percentile(low), percentile(high))
    }

    /// Counts the pixels by raw value, without padding unless there is nothing else.
    fn histogram(&self, values: &[impl Grey]) -> Vec<u64> {
        let mut counts = vec![0; usize::from(self.mask()) + 1];
        for v in values {
            counts[usize::from(self.raw(*v))] += 1;
        }
        let film = values.len() as u64;
        for (raw, count) in counts.iter_mut().enumerate() {
            let is_padding = self.padding == Some(self.stored(raw as u16));
            if is_padding && *count < film {
                *count = 0;
            }
        }
        counts
    }

    /// The greys of all raw values; `share` maps a modality value to a share of white.
    fn grey_table<P: Grey>(&self, share: impl Fn(f64) -> f64) -> Vec<P> {
        let grey = |raw: u16| {
            let share = share(self.modality.apply(self.stored(raw))).clamp(0.0, 1.0);
            let share = if self.inverted { 1.0 - share } else { share };
            P::from_share(share)
        };
        (0..=self.mask()).map(grey).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_written_as_they_are_read() {
        let read = |text: &str| text.parse::<Window>();
        for text in ["full-range", "voi", "percentile:1,99.5"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        assert_eq!(read("percentile"), read("percentile:0.5,99.5"));
        for text in [
            "percentile:1",
            "percentile:9,1",
            "percentile:a,b",
            "voi:1",
            "",
        ] {
            assert!(read(text).unwrap_err().contains("give "), "{text}");
        }
    }
}
