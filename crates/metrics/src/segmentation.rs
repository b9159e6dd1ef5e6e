//! Segmentation: predicted masks against true ones, image by image.
//!
//! Three numbers per image suffice ([`Overlap`], 24 bytes). A test set of any size is measured as
//! its images arrive, and can be resampled later by image or by patient.
//!
//! Dice is undefined for an empty true mask, and papers differ in how they score it ([`Empty`]).
//! Many masks of SIIM and RSNA are empty, so state the rule with each figure.
//!
//! ```
//! use mflag_metrics::{Counts, segmentation::{Empty, Overlap, Overlaps}};
//!
//! let mut images = Overlaps::default();
//! images.push(Overlap::at(&[0.9, 0.8, 0.1, 0.2], &[255, 0, 0, 0], 0.5)?);
//! images.push(Overlap::at(&[0.1, 0.2, 0.3, 0.4], &[0, 0, 0, 0], 0.5)?);
//! assert_eq!(images.dice(Empty::Scored, Counts::Once)?, Some((2.0 / 3.0 + 1.0) / 2.0));
//! assert_eq!(images.dice(Empty::LeftOut, Counts::Once)?, Some(2.0 / 3.0));
//! # Ok::<(), mflag_metrics::Error>(())
//! ```

use crate::error::check_numbers;
use crate::mean::ratio;
use crate::{Counts, Error, Result};

/// The score of an image whose true mask is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// 1 if the predicted mask is empty too, else 0. This is MGCA's rule. On a set with few
    /// findings it mostly rewards empty predictions.
    Scored,
    /// The image has no score, so the mean is over the images with a finding.
    LeftOut,
}

/// The overlap of a predicted and a true mask, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overlap {
    /// Pixels set in both masks.
    pub both: u64,
    /// Pixels set in the predicted mask.
    pub predicted: u64,
    /// Pixels set in the true mask.
    pub truth: u64,
}

impl Overlap {
    /// The overlap of one image. A pixel is predicted if its probability is above `threshold` (0.5
    /// is usual), and true if its `truth` is not 0.
    ///
    /// # Errors
    /// If the masks differ in size, or a probability or the threshold is NaN.
    pub fn at(probabilities: &[f32], truth: &[u8], threshold: f32) -> Result<Overlap> {
        let predicted = probabilities.len();
        Error::check_length("true pixels", truth.len(), "predicted pixels", predicted)?;
        Error::check_number("the threshold", threshold)?;
        check_numbers("the probability", probabilities.iter().copied())?;
        let mut overlap = Overlap::default();
        for (probability, truth) in probabilities.iter().zip(truth) {
            let (predicted, truth) = (*probability > threshold, *truth != 0);
            overlap.both += u64::from(predicted && truth);
            overlap.predicted += u64::from(predicted);
            overlap.truth += u64::from(truth);
        }
        Ok(overlap)
    }

    /// Dice, 2·|A ∩ B| / (|A| + |B|), which is the F1 of the pixels. From 0 to 1; `empty` scores an
    /// empty true mask.
    pub fn dice(&self, empty: Empty) -> Option<f64> {
        self.score(empty, 2 * self.both, self.predicted + self.truth)
    }

    /// Intersection over union, |A ∩ B| / |A ∪ B|, the Jaccard index of the pixels. From 0 to 1;
    /// `empty` scores an empty true mask.
    pub fn iou(&self, empty: Empty) -> Option<f64> {
        self.score(empty, self.both, self.predicted + self.truth - self.both)
    }

    fn score(&self, empty: Empty, part: u64, whole: u64) -> Option<f64> {
        match (self.truth, empty) {
            (0, Empty::LeftOut) => None,
            (0, Empty::Scored) => Some(if self.predicted == 0 { 1.0 } else { 0.0 }),
            _ => ratio(part, whole),
        }
    }
}

/// The images of a test set.
#[derive(Debug, Clone, Default)]
pub struct Overlaps(Vec<Overlap>);

impl Overlaps {
    /// Adds an image.
    pub fn push(&mut self, image: Overlap) {
        self.0.push(image);
    }

    /// The images, in the order in which they were added.
    pub fn images(&self) -> &[Overlap] {
        &self.0
    }

    /// All images as one. Its Dice weighs pixels, whereas the mean weighs images. Images without a
    /// finding contribute their false positive pixels.
    pub fn pooled(&self) -> Overlap {
        self.0
            .iter()
            .fold(Overlap::default(), |sum, image| Overlap {
                both: sum.both + image.both,
                predicted: sum.predicted + image.predicted,
                truth: sum.truth + image.truth,
            })
    }

    /// Mean [Dice](Overlap::dice) of the images; `None` if no image counts.
    ///
    /// # Errors
    /// If there is not one count per image.
    pub fn dice(&self, empty: Empty, counts: Counts<'_>) -> Result<Option<f64>> {
        self.mean(counts, |image| image.dice(empty))
    }

    /// Mean [IoU](Overlap::iou) of the images; `None` if no image counts.
    ///
    /// # Errors
    /// If there is not one count per image.
    pub fn iou(&self, empty: Empty, counts: Counts<'_>) -> Result<Option<f64>> {
        self.mean(counts, |image| image.iou(empty))
    }

    fn mean(
        &self,
        counts: Counts<'_>,
        score: impl Fn(&Overlap) -> Option<f64>,
    ) -> Result<Option<f64>> {
        counts.check(self.0.len())?;
        let (mut sum, mut images) = (0.0, 0u64);
        for (index, image) in self.0.iter().enumerate() {
            if let Some(score) = score(image) {
                let count = counts.of(index);
                sum += score * count as f64;
                images += count;
            }
        }
        Ok((images > 0).then(|| sum / images as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_masks_and_nan_are_errors() {
        let message = |result: Result<Overlap>| result.unwrap_err().to_string();
        assert_eq!(
            message(Overlap::at(&[0.5], &[0, 1], 0.5)),
            "2 true pixels for 1 predicted pixels; both numbers must be equal"
        );
        assert_eq!(
            message(Overlap::at(&[0.1, f32::NAN], &[0, 1], 0.5)),
            "sample 1 (from 0): the probability is NaN; it must be a number"
        );
        assert!(Overlap::at(&[0.1], &[0], f32::NAN).is_err());
    }

    #[test]
    fn a_pixel_at_the_threshold_is_not_predicted() {
        let overlap = Overlap::at(&[0.5, 0.6], &[1, 255], 0.5).unwrap();
        assert_eq!(
            overlap,
            Overlap {
                both: 1,
                predicted: 1,
                truth: 2
            }
        );
    }

    #[test]
    fn counts_weigh_images() {
        let mut images = Overlaps::default();
        images.push(Overlap {
            both: 1,
            predicted: 1,
            truth: 1,
        });
        images.push(Overlap {
            both: 0,
            predicted: 1,
            truth: 1,
        });
        assert_eq!(
            images.iou(Empty::LeftOut, Counts::Of(&[3, 1])),
            Ok(Some(0.75))
        );
        assert_eq!(images.iou(Empty::LeftOut, Counts::Of(&[0, 0])), Ok(None));
        assert!(images.iou(Empty::LeftOut, Counts::Of(&[1])).is_err());
        assert_eq!(
            Overlaps::default().dice(Empty::Scored, Counts::Once),
            Ok(None)
        );
    }
}
