//! Turns stored values into greys: windows, look-up tables, polarity.

#![cfg_attr(
    not(feature = "dicom"),
    allow(dead_code, reason = "only DICOM files have windows and tables")
)]

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::film::Grey;
use crate::remark::Remark;

/// Which values become black and which white, in films of more than 8 bits and in DICOM files.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The film's smallest value is black, its largest white. Films of 8 bits keep their values. A
    /// DICOM file's pixel padding is ignored.
    FullRange,
    /// The DICOM file's first VOI look-up table (VOI: value of interest), or else its first window.
    /// As `full_range` if the file has no valid one, if it leaves nearly all pixels black or nearly
    /// all white, and for JPEG and PNG.
    #[default]
    Voi,
    /// The stored value 0 is black, the film's largest value is white, in films of 8 bits, too.
    /// MGCA reads the DICOM files of RSNA and SIIM-ACR so.
    MaxScaled,
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

/// The share of a film's pixels that counts as nearly all.
const NEARLY_ALL: f64 = 0.99;
/// The share of the greys at either end that counts as black, or as white.
const END: f32 = 0.01;

/// The error for a film without a picture.
const BLANK: &str = "is blank: nearly all its pixels are black, or white, or all have one grey, in \
                     the full range of its values, too; check the file, or leave the film out";

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Window::FullRange => f.write_str("full-range"),
            Window::Voi => f.write_str("voi"),
            Window::MaxScaled => f.write_str("max-scaled"),
            Window::Percentile { low, high } => write!(f, "percentile:{low},{high}"),
        }
    }
}

/// Parses `full-range`, `voi`, `max-scaled`, `percentile` (0.5 and 99.5) or `percentile:LOW,HIGH`,
/// as on a command line.
impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        let (name, ends) = text.split_once(':').unwrap_or((text, ""));
        let (low, high) = match (name, ends) {
            ("full-range", "") => return Ok(Window::FullRange),
            ("voi", "") => return Ok(Window::Voi),
            ("max-scaled", "") => return Ok(Window::MaxScaled),
            ("percentile", "") => PERCENTILES,
            ("percentile", ends) => {
                let number = |text: &str| text.trim().parse().ok();
                ends.split_once(',')
                    .and_then(|(low, high)| Some((number(low)?, number(high)?)))
                    .ok_or("give two percentages, as in percentile:0.5,99.5")?
            }
            _ => {
                return Err(
                    "give full-range, voi, max-scaled, percentile or percentile:LOW,HIGH".into(),
                );
            }
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
    /// Stored values of pixels that do not belong to the picture, from the least to the largest.
    pub(crate) padding: Option<(i32, i32)>,
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
        let depends_on_values = matches!(window, Window::MaxScaled | Window::Percentile { .. });
        if self.bits != 8 || depends_on_values {
            return false;
        }
        let Ok(greys) = self.greys::<u8>(window, &Counts(Vec::new())) else {
            return false;
        };
        let unchanged = (0..=255).eq(greys.iter().copied());
        unchanged || (0..=255).eq(greys.iter().rev().copied())
    }

    /// The greys of a picture with these `values`, by `window`. If the window leaves nearly all
    /// pixels black or white, the values' full range is used instead.
    ///
    /// # Errors
    /// If the percentiles of `window` are out of range, or if the full range leaves the picture
    /// blank, too.
    pub(crate) fn shades<P: Grey>(
        &self,
        values: &[impl Grey],
        window: Window,
    ) -> Result<Shades<P>, String> {
        let counts = self.counts(values);
        let mask = self.mask();
        let greys = self.greys(window, &counts)?;
        if !self.is_blank(&greys, &counts) {
            let remark = None;
            return Ok(Shades {
                greys,
                mask,
                remark,
            });
        }
        let greys = self.between(counts.ends());
        if self.is_blank(&greys, &counts) {
            return Err(BLANK.into());
        }
        let remark = Some(Remark::FullRange);
        Ok(Shades {
            greys,
            mask,
            remark,
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
    pub(crate) fn stored(&self, raw: u16) -> i32 {
        let above = 32 - self.bits;
        if self.signed {
            ((u32::from(raw) << above) as i32) >> above
        } else {
            i32::from(raw)
        }
    }

    /// The least and the largest number that the bits can encode.
    pub(crate) fn least_and_largest(&self) -> (i32, i32) {
        if self.signed {
            let half = 1 << (self.bits - 1);
            (-half, half - 1)
        } else {
            (0, i32::from(self.mask()))
        }
    }

    /// The least and the largest value that the modality transform can give.
    pub(crate) fn modality_range(&self) -> (f64, f64) {
        match &self.modality {
            Modality::Table(table) => {
                let entries = table.entries.iter().copied();
                let (least, largest) = entries.fold((u16::MAX, 0), |(least, largest), entry| {
                    (least.min(entry), largest.max(entry))
                });
                (f64::from(least), f64::from(largest))
            }
            linear @ Modality::Linear { .. } => {
                let (least, largest) = self.least_and_largest();
                let (a, b) = (linear.apply(least), linear.apply(largest));
                (a.min(b), a.max(b))
            }
        }
    }

    /// The greys of all possible raw values, for a picture whose values are counted in `counts`.
    ///
    /// # Errors
    /// If the percentiles of `window` are out of range.
    fn greys<P: Grey>(&self, window: Window, counts: &Counts) -> Result<Vec<P>, String> {
        let ends = match (window.checked()?, &self.voi) {
            (Window::Voi, Some(voi)) => return Ok(self.table(|value| voi.apply(value))),
            (Window::Voi | Window::FullRange, _) if self.bits == 8 => self.least_and_largest(),
            (Window::Voi | Window::FullRange, _) => counts.ends(),
            (Window::MaxScaled, _) => (0, counts.ends().1),
            (Window::Percentile { low, high }, _) => {
                let percentile = |percent| counts.percentile(f64::from(percent));
                (percentile(low), percentile(high))
            }
        };
        Ok(self.between(ends))
    }

    /// The greys of all raw values, from black to white between two stored values.
    fn between<P: Grey>(&self, ends: (i32, i32)) -> Vec<P> {
        let (a, b) = (self.modality.apply(ends.0), self.modality.apply(ends.1));
        let (black, white) = (a.min(b), a.max(b));
        // A film with a single value becomes black.
        let range = if white > black {
            white - black
        } else {
            f64::INFINITY
        };
        self.table(|value| (value - black) / range)
    }

    /// The greys of all raw values; `share` maps a modality value to a share of white.
    fn table<P: Grey>(&self, share: impl Fn(f64) -> f64) -> Vec<P> {
        let grey = |raw: u16| {
            let share = share(self.modality.apply(self.stored(raw))).clamp(0.0, 1.0);
            let share = if self.inverted { 1.0 - share } else { share };
            P::from_share(share)
        };
        (0..=self.mask()).map(grey).collect()
    }

    /// Counts the pixels by stored value, without padding unless there is nothing else.
    fn counts(&self, values: &[impl Grey]) -> Counts {
        let mut counts = vec![0_u64; usize::from(self.mask()) + 1];
        for value in values {
            counts[usize::from(self.raw(*value))] += 1;
        }
        let mut counts: Vec<(i32, u64)> = (0..=self.mask())
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .map(|(raw, count)| (self.stored(raw), count))
            .collect();
        counts.sort_unstable();
        if let Some((from, to)) = self.padding {
            let is_film = |&(stored, _): &(i32, u64)| stored < from || stored > to;
            if counts.iter().any(is_film) {
                counts.retain(is_film);
            }
        }
        Counts(counts)
    }

    /// Whether all pixels have one grey, or nearly all are black or nearly all white.
    fn is_blank<P: Grey>(&self, greys: &[P], counts: &Counts) -> bool {
        let grey = |stored: i32| greys[usize::from(stored as u16 & self.mask())];
        let (mut black, mut white, mut all) = (0, 0, 0);
        for &(stored, count) in &counts.0 {
            let grey: f32 = grey(stored).into();
            all += count;
            if grey <= P::WHITE * END {
                black += count;
            }
            if grey >= P::WHITE * (1.0 - END) {
                white += count;
            }
        }
        let mut all_greys = counts.0.iter().map(|(stored, _)| grey(*stored));
        let first = all_greys.next();
        all_greys.all(|grey| Some(grey) == first)
            || black.max(white) as f64 >= NEARLY_ALL * all as f64
    }
}

/// The greys that a picture's values become.
pub(crate) struct Shades<P> {
    greys: Vec<P>,
    mask: u16,
    /// What is unusual about the picture's values.
    pub(crate) remark: Option<Remark>,
}

impl<P: Grey> Shades<P> {
    /// The grey of a value of the picture.
    pub(crate) fn of(&self, value: impl Grey) -> P {
        let raw: u16 = value.into();
        self.greys[usize::from(raw & self.mask)]
    }
}

/// The stored values of a picture in ascending order, each with the number of its pixels.
struct Counts(Vec<(i32, u64)>);

impl Counts {
    /// The least and the largest value.
    fn ends(&self) -> (i32, i32) {
        match (self.0.first(), self.0.last()) {
            (Some((least, _)), Some((largest, _))) => (*least, *largest),
            _ => (0, 0),
        }
    }

    /// The value at a percentile.
    fn percentile(&self, percent: f64) -> i32 {
        let pixels: u64 = self.0.iter().map(|(_, count)| count).sum();
        let last = pixels.saturating_sub(1) as f64;
        let rank = (percent / 100.0 * last).round() as u64;
        let mut before = 0;
        let reached = self.0.iter().find(|(_, count)| {
            before += count;
            before > rank
        });
        reached.map_or(0, |(stored, _)| *stored)
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
