//! Films deeper than 8 bits into 8-bit grey.

#![cfg_attr(
    not(feature = "dicom"),
    allow(dead_code, reason = "only DICOM files have windows and tables")
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Film;

/// Which values of a deep film (more than 8 bits, or a DICOM file's window) become black and white.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The film's smallest value is black, its largest white; films of 8 bits keep their values. A DICOM file's pixel
    /// padding counts for neither end.
    FullRange,
    /// What the DICOM file asks for: its first VOI look-up table, else its first window; where it has neither that can
    /// be used, as `full_range`. JPEG and PNG have none.
    #[default]
    Voi,
    /// Values up to the `low` percentile are black, from the `high` percentile on white, films of 8 bits too.
    Percentile {
        /// Per cent of the film's pixels, 0 ≤ `low` < `high`.
        #[schemars(range(min = 0.0, max = 100.0))]
        low: f32,
        /// Per cent of the film's pixels, `low` < `high` ≤ 100.
        #[schemars(range(min = 0.0, max = 100.0))]
        high: f32,
    },
}

/// Values of `tone.bits` bits, row by row; bits above are ignored.
pub(crate) struct Deep {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) values: Vec<u16>,
    pub(crate) tone: Tone,
}

/// From stored values to grey: modality transform, then window, then polarity (DICOM PS3.4 N.2).
#[derive(Default)]
pub(crate) struct Tone {
    /// 1 to 16.
    pub(crate) bits: u32,
    /// Two's complement.
    pub(crate) signed: bool,
    /// Stored value of pixels outside of the picture.
    pub(crate) padding: Option<i32>,
    pub(crate) modality: Modality,
    pub(crate) voi: Option<Voi>,
    /// MONOCHROME1: the smallest value is white.
    pub(crate) inverted: bool,
}

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

pub(crate) enum Voi {
    Linear { centre: f64, width: f64 },
    LinearExact { centre: f64, width: f64 },
    Sigmoid { centre: f64, width: f64 },
    Table(Table),
}

/// A DICOM look-up table; values before its first entry and after its last take these.
pub(crate) struct Table {
    /// The value that has the first entry.
    pub(crate) first: f64,
    /// At least one.
    pub(crate) entries: Vec<u16>,
    /// The largest that an entry can be.
    pub(crate) top: f64,
}

impl Table {
    fn at(&self, value: f64) -> f64 {
        let last = self.entries.len() - 1;
        f64::from(self.entries[((value - self.first).max(0.0) as usize).min(last)])
    }
}

impl Modality {
    fn of(&self, stored: i32) -> f64 {
        match self {
            Modality::Linear { slope, intercept } => slope * f64::from(stored) + intercept,
            Modality::Table(table) => table.at(f64::from(stored)),
        }
    }
}

impl Voi {
    /// 0 to 1 (DICOM PS3.3 C.11.2).
    fn of(&self, value: f64) -> f64 {
        match self {
            Voi::Linear { centre, width } if *width <= 1.0 => f64::from(value > centre - 0.5),
            Voi::Linear { centre, width } => (value - (centre - 0.5)) / (width - 1.0) + 0.5,
            Voi::LinearExact { centre, width } => (value - centre) / width + 0.5,
            Voi::Sigmoid { centre, width } => 1.0 / (1.0 + (-4.0 * (value - centre) / width).exp()),
            Voi::Table(table) => table.at(value) / table.top,
        }
    }
}

impl Deep {
    /// The film in grey; `Err` says what is wrong with `window`.
    pub(crate) fn film(self, window: Window) -> Result<Film, String> {
        let Deep {
            width,
            height,
            values,
            tone,
        } = self;
        let greys = tone.greys(window, || tone.histogram(&values))?;
        let mask = tone.mask();
        let pixels = values.iter().map(|v| greys[(v & mask) as usize]).collect();
        Ok(Film {
            width,
            height,
            pixels,
        })
    }
}

impl Tone {
    fn mask(&self) -> u16 {
        ((1u32 << self.bits) - 1) as u16
    }

    /// The stored value that `raw` stands for.
    fn stored(&self, raw: u16) -> i32 {
        let above = 32 - self.bits;
        if self.signed {
            ((u32::from(raw) << above) as i32) >> above
        } else {
            i32::from(raw)
        }
    }

    /// How many pixels have each raw value, padding left out.
    fn histogram(&self, values: &[u16]) -> Vec<u64> {
        let mask = self.mask();
        let mut counts = vec![0; usize::from(mask) + 1];
        for v in values {
            counts[(v & mask) as usize] += 1;
        }
        let film = values.len() as u64;
        for (raw, count) in counts.iter_mut().enumerate() {
            let pads = self.padding == Some(self.stored(raw as u16));
            if pads && *count < film {
                *count = 0;
            }
        }
        counts
    }

    /// The grey of each raw value.
    fn greys(&self, window: Window, histogram: impl Fn() -> Vec<u64>) -> Result<Vec<u8>, String> {
        let ends = match (window, &self.voi) {
            (Window::Voi, Some(voi)) => return Ok(self.table(|value| voi.of(value))),
            (Window::Voi | Window::FullRange, _) if self.bits == 8 => self.all(),
            (Window::Voi | Window::FullRange, _) => self.percentiles(&histogram(), 0.0, 100.0),
            (Window::Percentile { low, high }, _) => {
                if !(0.0 <= low && low < high && high <= 100.0) {
                    let reason = "give 0 <= low < high <= 100";
                    return Err(format!("window percentile {low} to {high}: {reason}"));
                }
                self.percentiles(&histogram(), f64::from(low), f64::from(high))
            }
        };
        let (a, b) = (self.modality.of(ends.0), self.modality.of(ends.1));
        let (black, white) = (a.min(b), a.max(b));
        // A film of one value is black.
        let range = if white > black {
            white - black
        } else {
            f64::INFINITY
        };
        Ok(self.table(|value| (value - black) / range))
    }

    /// All that 8 bits can hold.
    fn all(&self) -> (i32, i32) {
        if self.signed { (-128, 127) } else { (0, 255) }
    }

    /// The stored values that hold the per cents `low` and `high` of the counted pixels.
    fn percentiles(&self, counts: &[u64], low: f64, high: f64) -> (i32, i32) {
        let mut in_order: Vec<(i32, u64)> = counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(raw, count)| (self.stored(raw as u16), *count))
            .collect();
        in_order.sort_unstable();
        let last = counts.iter().sum::<u64>().saturating_sub(1) as f64;
        let at = |percent: f64| {
            let rank = (percent / 100.0 * last).round() as u64;
            let mut before = 0;
            let reached = in_order.iter().find(|(_, count)| {
                before += count;
                before > rank
            });
            reached.map_or(0, |(stored, _)| *stored)
        };
        (at(low), at(high))
    }

    fn table(&self, share: impl Fn(f64) -> f64) -> Vec<u8> {
        let grey = |raw: u16| {
            let share = share(self.modality.of(self.stored(raw))).clamp(0.0, 1.0);
            let share = if self.inverted { 1.0 - share } else { share };
            (share * 255.0).round() as u8
        };
        (0..=self.mask()).map(grey).collect()
    }
}
