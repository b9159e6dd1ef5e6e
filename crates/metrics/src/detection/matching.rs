//! Matching of predictions and boxes, and the metrics that follow from it.

use super::boxes::{Rect, iou};
use crate::mean::ratio;
use crate::{Counts, Error, Result, mean_defined};

/// The number of predictions per image that COCO counts, the most confident first.
pub const MAX_PREDICTIONS: usize = 100;

/// A predicted box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The box.
    pub place: Rect,
    /// Confidence; only its order among predictions counts.
    pub score: f32,
}

/// True and predicted boxes of one class in one image. Either list may be empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Image {
    /// The true boxes.
    pub truth: Vec<Rect>,
    /// The predicted boxes in any order. Equal scores keep this order.
    pub predicted: Vec<Prediction>,
}

/// Which images count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// All. A prediction in an image without boxes is a false positive, and a box in an image
    /// without predictions is missed.
    Strict,
    /// Only those with a true box and at least one prediction, as in MGCA's evaluation. This
    /// forgives false positives in healthy films, and films without predictions. It gives higher
    /// scores than `Strict`, above all to models that predict few boxes.
    Mgca,
}

impl Protocol {
    fn counts(self, image: &Image) -> bool {
        match self {
            Protocol::Strict => true,
            Protocol::Mgca => !image.truth.is_empty() && !image.predicted.is_empty(),
        }
    }
}

/// The predictions of a test set, matched with its boxes and ranked. Each metric is then one walk
/// from the most confident prediction down.
#[derive(Debug, Clone)]
pub struct Matches {
    /// Number of images.
    images: usize,
    /// The images that count, each with its number of boxes.
    counted: Vec<(u32, u64)>,
    /// Predictions, the most confident first. Predictions with equal scores keep the order of their
    /// images.
    ranked: Vec<Ranked>,
    /// For each threshold, whether each prediction of `ranked` finds a box.
    found: Vec<Vec<bool>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Ranked {
    image: u32,
    score: f32,
}

impl Matches {
    /// Matches at each of the IoU `thresholds`, with at most `most` predictions per image
    /// ([`MAX_PREDICTIONS`] is usual).
    ///
    /// # Errors
    /// If a threshold is not above 0 and at most 1, a score is NaN, or a box is not finite or has a
    /// negative size. The message names the threshold or the image.
    pub fn new(
        images: &[Image],
        thresholds: &[f64],
        most: usize,
        protocol: Protocol,
    ) -> Result<Matches> {
        for (index, threshold) in thresholds.iter().enumerate() {
            let valid = *threshold > 0.0 && *threshold <= 1.0;
            Error::check_value("the IoU", *threshold, valid, "above 0 and at most 1")
                .map_err(|error| error.at("threshold", index))?;
        }
        let (mut counted, mut ranked) = (Vec::new(), Vec::new());
        for (number, image) in (0u32..).zip(images) {
            image
                .check()
                .map_err(|error| error.at("image", number as usize))?;
            if protocol.counts(image) {
                counted.push((number, image.truth.len() as u64));
                for (score, found) in image.matched(thresholds, most) {
                    let prediction = Ranked {
                        image: number,
                        score,
                    };
                    ranked.push((prediction, found));
                }
            }
        }
        ranked.sort_by(|(a, _), (b, _)| descending(a.score, b.score));
        let found_at = |threshold| ranked.iter().map(|(_, found)| found[threshold]).collect();
        Ok(Matches {
            images: images.len(),
            counted,
            found: (0..thresholds.len()).map(found_at).collect(),
            ranked: ranked.into_iter().map(|(ranked, _)| ranked).collect(),
        })
    }

    /// Average precision at each threshold, from 0 to 1; `None` without true boxes.
    ///
    /// # Errors
    /// If there is not one count per image.
    pub fn average_precision(&self, counts: Counts<'_>) -> Result<Vec<Option<f64>>> {
        counts.check(self.images)?;
        let boxes = self.boxes(counts);
        let average = |found: &Vec<bool>| {
            (boxes > 0).then(|| interpolated(self.precisions(found, counts), boxes as f64))
        };
        Ok(self.found.iter().map(average).collect())
    }

    /// Mean of the [average precision](Matches::average_precision) over the thresholds, from 0 to
    /// 1; `None` without true boxes.
    ///
    /// # Errors
    /// If there is not one count per image.
    pub fn mean_average_precision(&self, counts: Counts<'_>) -> Result<Option<f64>> {
        Ok(mean_defined(self.average_precision(counts)?))
    }

    /// Sensitivity at each threshold: the share of boxes found after the least confident
    /// predictions are dropped until at most `rate` false positives per image remain on average.
    /// This is one point of a FROC curve. From 0 to 1; `None` without true boxes.
    ///
    /// # Errors
    /// If the rate is negative or NaN, or there is not one count per image.
    pub fn sensitivity(&self, rate: f64, counts: Counts<'_>) -> Result<Vec<Option<f64>>> {
        counts.check(self.images)?;
        Error::check_value(
            "the rate of false positives",
            rate,
            rate >= 0.0,
            "0 or more",
        )?;
        let boxes = self.boxes(counts);
        let images: u64 = self
            .counted
            .iter()
            .map(|(image, _)| counts.of(*image as usize))
            .sum();
        let allowed = rate * images as f64;
        let share = |found: &Vec<bool>| ratio(self.hits_within(allowed, found, counts), boxes);
        Ok(self.found.iter().map(share).collect())
    }

    /// Number of true boxes that count.
    fn boxes(&self, counts: Counts<'_>) -> u64 {
        self.counted
            .iter()
            .map(|(image, boxes)| boxes * counts.of(*image as usize))
            .sum()
    }

    /// Number of hits so far and precision, at each prediction that is a hit.
    ///
    /// If scores are equal, the result depends on the order of the predictions. Here it is the
    /// order of a list that holds each image as often as it counts: an image's predictions with
    /// equal scores come together, and the group is repeated as often as the image counts.
    fn precisions(&self, found: &[bool], counts: Counts<'_>) -> Vec<(f64, f64)> {
        let (mut hits, mut alarms, mut start) = (0u64, 0u64, 0);
        let mut points = Vec::new();
        for equal in self.ranked.chunk_by(|a, b| a == b) {
            for _ in 0..counts.of(equal[0].image as usize) {
                for found in &found[start..start + equal.len()] {
                    if *found {
                        hits += 1;
                        // The last term is COCOeval's guard against a division by 0.
                        let precision = hits as f64 / ((alarms + hits) as f64 + f64::EPSILON);
                        points.push((hits as f64, precision));
                    } else {
                        alarms += 1;
                    }
                }
            }
            start += equal.len();
        }
        points
    }

    /// Hits at the lowest score with at most `allowed` false positives.
    fn hits_within(&self, allowed: f64, found: &[bool], counts: Counts<'_>) -> u64 {
        let (mut hits, mut alarms, mut within, mut start) = (0, 0, 0, 0);
        for equal in self.ranked.chunk_by(|a, b| a.score == b.score) {
            for (prediction, found) in equal.iter().zip(&found[start..]) {
                let count = counts.of(prediction.image as usize);
                *(if *found { &mut hits } else { &mut alarms }) += count;
            }
            start += equal.len();
            if alarms as f64 > allowed {
                break;
            }
            within = hits;
        }
        within
    }
}

impl Image {
    /// Fails if a box or a score is invalid.
    fn check(&self) -> Result<()> {
        for (index, truth) in self.truth.iter().enumerate() {
            truth.check().map_err(|error| error.at("box", index))?;
        }
        for (index, Prediction { place, score }) in self.predicted.iter().enumerate() {
            place
                .check()
                .and_then(|()| Error::check_number("the score", *score))
                .map_err(|error| error.at("prediction", index))?;
        }
        Ok(())
    }

    /// The `most` confident predictions, the most confident first: the score, and for each
    /// threshold whether the prediction finds a box.
    fn matched(&self, thresholds: &[f64], most: usize) -> Vec<(f32, Vec<bool>)> {
        let mut predicted: Vec<&Prediction> = self.predicted.iter().collect();
        predicted.sort_by(|a, b| descending(a.score, b.score));
        predicted.truncate(most);
        let overlaps: Vec<Vec<f64>> = predicted
            .iter()
            .map(|p| {
                self.truth
                    .iter()
                    .map(|truth| iou(&p.place, truth))
                    .collect()
            })
            .collect();
        let mut matched: Vec<(f32, Vec<bool>)> =
            predicted.iter().map(|p| (p.score, Vec::new())).collect();
        for threshold in thresholds {
            let mut free = vec![true; self.truth.len()];
            for ((_, found), overlaps) in matched.iter_mut().zip(&overlaps) {
                let claimed = claim(overlaps, &free, *threshold);
                if let Some(claimed) = claimed {
                    free[claimed] = false;
                }
                found.push(claimed.is_some());
            }
        }
        matched
    }
}

/// The index of the free box with the largest overlap; of boxes with equal overlaps, the last.
/// `None` if no overlap reaches the threshold.
fn claim(overlaps: &[f64], free: &[bool], threshold: f64) -> Option<usize> {
    // COCOeval's tolerance: a perfect overlap reaches a threshold of 1.
    let least = threshold.min(1.0 - 1e-10);
    let possible = (0..overlaps.len()).filter(|b| free[*b] && overlaps[*b] >= least);
    possible.max_by(|a, b| overlaps[*a].total_cmp(&overlaps[*b]))
}

/// Mean over the recalls 0, 0.01 … 1 of the highest precision at that recall or a higher one; 0 at
/// recalls that are never reached. `points` are hits and precision, by rising hits.
fn interpolated(mut points: Vec<(f64, f64)>, boxes: f64) -> f64 {
    let mut highest = 0.0;
    for (_, precision) in points.iter_mut().rev() {
        highest = precision.max(highest);
        *precision = highest;
    }
    let mut reached = 0;
    let sum: f64 = (0..=100)
        .map(|hundredth| {
            // Rounded as NumPy's linspace, which COCOeval uses: 35 · 0.01 is a little above 0.35.
            let recall = if hundredth == 100 {
                1.0
            } else {
                f64::from(hundredth) * 0.01
            };
            reached += points[reached..]
                .iter()
                .take_while(|(hits, _)| hits / boxes < recall)
                .count();
            points.get(reached).map_or(0.0, |(_, precision)| *precision)
        })
        .sum();
    sum / 101.0
}

fn descending(a: f32, b: f32) -> std::cmp::Ordering {
    b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal)
}
