//! Calibration: whether 80 of 100 findings with a probability of 80 % are present.

use ndarray::{ArrayView1, ArrayView2};

use super::confusion::choices;
use crate::error::check_each;
use crate::{Counts, Error, Result};

/// The usual number of bins.
pub const BINS: usize = 15;

/// Expected calibration error of one label: Σ_b n_b/n · |mean probability − share with the label|
/// over `bins` bins of equal width. The first bin is [0, 1/bins], the others (b/bins, (b + 1)/bins]
/// (Naeini et al., AAAI 2015, with the probability of the label itself, not of the likelier side).
/// From 0, the best, to 1. `None` if no label is known.
///
/// It depends on the number of bins, so state it with each figure. [`BINS`] is usual.
///
/// # Errors
/// If the lengths differ, a probability is not between 0 and 1, or `bins` is 0.
pub fn calibration_error<'a>(
    probabilities: impl Into<ArrayView1<'a, f32>>,
    truth: impl Into<ArrayView1<'a, Option<bool>>>,
    bins: usize,
    counts: Counts<'_>,
) -> Result<Option<f64>> {
    let (probabilities, truth) = (probabilities.into(), truth.into());
    Error::check_length("labels", truth.len(), "probabilities", probabilities.len())?;
    counts.check(probabilities.len())?;
    check_probabilities(probabilities)?;
    let mut histogram = Bins::new(bins)?;
    for (sample, (probability, truth)) in probabilities.iter().zip(truth).enumerate() {
        if let Some(truth) = *truth {
            histogram.add(*probability, truth, counts.of(sample));
        }
    }
    Ok(histogram.error())
}

/// Expected calibration error among classes: as [`calibration_error`], with the probability of the
/// likeliest class and whether that class is the true one (Guo et al., ICML 2017). `probabilities`
/// are `[n, classes]`, `truth` is `[n]`.
///
/// # Errors
/// If the lengths differ, a probability is not between 0 and 1, a true class has no column, or
/// `bins` is 0.
pub fn class_calibration_error<'a>(
    probabilities: ArrayView2<'_, f32>,
    truth: impl Into<ArrayView1<'a, Option<u32>>>,
    bins: usize,
    counts: Counts<'_>,
) -> Result<Option<f64>> {
    for (sample, row) in probabilities.rows().into_iter().enumerate() {
        check_probabilities(row).map_err(|error| error.at("row", sample))?;
    }
    let mut histogram = Bins::new(bins)?;
    for choice in choices(probabilities, truth.into(), counts)? {
        histogram.add(choice.score, choice.correct, choice.count);
    }
    Ok(histogram.error())
}

fn check_probabilities(values: ArrayView1<'_, f32>) -> Result<()> {
    let valid = |p: f32| (0.0..=1.0).contains(&p);
    let values = values.iter().copied();
    check_each("the probability", values, valid, "between 0 and 1")
}

/// Samples by their probability, in bins of equal width.
struct Bins(Vec<Bin>);

#[derive(Clone, Default)]
struct Bin {
    /// Sum of the probabilities.
    predicted: f64,
    /// Number of samples with the label.
    observed: u64,
    samples: u64,
}

impl Bins {
    fn new(bins: usize) -> Result<Bins> {
        Error::check_value("the number of bins", bins as f64, bins > 0, "at least 1")?;
        Ok(Bins(vec![Bin::default(); bins]))
    }

    fn add(&mut self, probability: f32, observed: bool, count: u64) {
        let probability = f64::from(probability);
        let bin = self.bin(probability);
        bin.predicted += probability * count as f64;
        bin.observed += if observed { count } else { 0 };
        bin.samples += count;
    }

    /// The bin of a probability. The edges are multiples of 1/bins, rounded as NumPy's `linspace`
    /// rounds them.
    fn bin(&mut self, probability: f64) -> &mut Bin {
        let (width, last) = (1.0 / self.0.len() as f64, self.0.len() - 1);
        let mut bin = ((probability / width) as usize).min(last);
        if bin > 0 && probability <= bin as f64 * width {
            bin -= 1;
        } else if bin < last && probability > (bin + 1) as f64 * width {
            bin += 1;
        }
        &mut self.0[bin]
    }

    fn error(&self) -> Option<f64> {
        let samples: u64 = self.0.iter().map(|bin| bin.samples).sum();
        let gap = |bin: &Bin| (bin.predicted - bin.observed as f64).abs();
        let gaps: f64 = self.0.iter().map(gap).sum();
        (samples > 0).then(|| gaps / samples as f64)
    }
}
