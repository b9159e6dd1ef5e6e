//! The segmentation head.

use std::path::Path;
use std::sync::Arc;

use mflag_encoder::{Arch, Features};
use mflag_head::{
    Details, Drawing, DrawnBoxes, Error, Head, Mark, Metrics, NamedMetric, OutputKind, Overlay,
    Result, ShownFilm, ViewGeometry, warn_of_few_marked,
};
use mflag_metrics::Counts;
use mflag_metrics::catalogue::{self, Metric};
use mflag_metrics::segmentation::{Empty, Overlap, Overlaps};
use mflag_store::augment::View;
use mflag_store::mask::SET;
use mflag_store::picture::colour;
use mflag_store::{Record, Split, Store};
use mflag_train::{Step, upload};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use crate::config::{Loss, SegmentationConfig, Truth};
use crate::loss::loss;
use crate::target::{SquareMask, Target, is_marked};
use crate::unet::Unet;
use crate::writer::{MaskWriter, film_mask};

/// What prediction needs beside the weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fitted {
    /// A pixel belongs to the mask above this probability.
    pub threshold: f32,
}

/// A function that computes a metric over all films.
type Compute = fn(&Overlaps, Empty, Counts<'_>) -> mflag_metrics::Result<Option<f64>>;

/// A U-Net decoder and its loss.
#[derive(Debug)]
pub struct Segmentation {
    decoder: Unet,
    loss: Loss,
}

impl Head for Segmentation {
    const NAME: &'static str = "segmentation";
    const FILM_METRIC: Option<&'static str> = Some(catalogue::DICE.key);
    type Settings = SegmentationConfig;
    type Fitted = Fitted;
    type Annotation = SquareMask;
    type Target = Target;
    /// Logits `[B, 1, S, S]`, f32.
    type Output = Tensor;
    /// Probabilities, `S · S`.
    type Prediction = Vec<f32>;
    type Scored = Overlap;
    type Writer = MaskWriter;

    fn is_labelled(
        settings: &SegmentationConfig,
        _store: &Store,
    ) -> Result<impl Fn(&Record) -> bool> {
        Ok(|record: &Record| settings.unmarked.is_learned() || is_marked(settings, record))
    }

    fn fit(
        settings: &SegmentationConfig,
        store: &Store,
        _view: ViewGeometry,
        train: &[usize],
    ) -> Result<Fitted> {
        let records = store.records();
        if train
            .iter()
            .any(|&film| is_marked(settings, &records[film]))
        {
            return Ok(Fitted { threshold: 0.5 });
        }
        let missing = match settings.truth {
            Truth::Mask => "masks; if it has boxes, set head.truth: boxes",
            Truth::Boxes => "boxes; if it has masks, set head.truth: mask",
        };
        Err(Error::Data(format!(
            "{}: none of the {} training films has {missing}",
            store.folder().display(),
            train.len()
        )))
    }

    fn unmeasurable(
        settings: &SegmentationConfig,
        store: &Store,
        films: &[usize],
    ) -> Result<Option<String>> {
        let records = store.records();
        let marked = films
            .iter()
            .any(|&film| is_marked(settings, &records[film]));
        let what = match settings.truth {
            Truth::Mask => "mask",
            Truth::Boxes => "box",
        };
        Ok((!marked).then(|| format!("none has a {what} (head.truth)")))
    }

    fn why_unlabelled(settings: &SegmentationConfig) -> Option<&'static str> {
        let why = "head.unmarked: left_out leaves out films without a mask or box (head.truth); \
                   negative counts them as films with nothing to find";
        (!settings.unmarked.is_learned()).then_some(why)
    }

    fn warn_of_few(
        settings: &SegmentationConfig,
        store: &Store,
        split: Split,
        films: &[usize],
    ) -> Result<()> {
        let has_mask = |film: &&usize| is_marked(settings, &store.records()[**film]);
        warn_of_few_marked(split, films.iter().filter(has_mask).count(), "mask");
        Ok(())
    }

    fn annotate(
        settings: &SegmentationConfig,
        _fitted: &Fitted,
        store: &Store,
        view: ViewGeometry,
    ) -> Result<impl Fn(usize) -> Result<SquareMask> + Sync> {
        Ok(move |film| SquareMask::new(settings, store, view, film))
    }

    fn target(mask: &SquareMask, view: &View) -> Target {
        mask.target(view)
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        _side: u32,
        settings: &SegmentationConfig,
        _fitted: &Fitted,
    ) -> Result<Segmentation> {
        Ok(Segmentation {
            decoder: Unet::new(p, arch),
            loss: settings.loss,
        })
    }

    fn inputs(features: Features) -> Vec<Tensor> {
        Unet::inputs(features)
    }

    fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Tensor> {
        Ok(self
            .decoder
            .forward(inputs, train)?
            .f_to_kind(Kind::Float)?)
    }

    fn loss(&self, logits: &Tensor, targets: &[Target]) -> Result<Step> {
        let cover: Vec<u8> = targets
            .iter()
            .flat_map(|t| t.cover.iter().copied())
            .collect();
        let cover = Tensor::f_from_data_size(&cover, &logits.size(), Kind::Uint8)?;
        let targets = upload(cover, logits.device())?
            .f_to_kind(Kind::Float)?
            .f_div_scalar_(f64::from(SET))?;
        Ok(Step {
            loss: loss(self.loss, logits, &targets)?,
            parts: vec![],
        })
    }

    fn predictions(&self, logits: &Tensor) -> Result<Vec<Vec<f32>>> {
        let flat = logits.f_sigmoid()?.f_flatten(1, -1)?;
        Ok(Vec::<Vec<f32>>::try_from(flat)?)
    }

    fn score(fitted: &Fitted, probabilities: &Vec<f32>, target: &Target) -> Result<Overlap> {
        let probabilities = target.on_film(probabilities);
        let mut overlap = Overlap::at(&probabilities, &target.mask(), fitted.threshold)?;
        overlap.truth += target.hidden;
        Ok(overlap)
    }

    fn metrics<'a>(
        _settings: &SegmentationConfig,
        _fitted: &Fitted,
        scored: &'a [Overlap],
        _details: Option<Details<'_>>,
    ) -> Result<Metrics<'a>> {
        let mut overlaps = Overlaps::default();
        scored.iter().for_each(|overlap| overlaps.push(*overlap));
        let overlaps = Arc::new(overlaps);
        let metric = |metric: Metric, empty: Empty, compute: Compute| -> NamedMetric<'a> {
            let overlaps = overlaps.clone();
            let value = move |counts: Counts<'_>| compute(&overlaps, empty, counts);
            (metric.key.to_owned(), Box::new(value))
        };
        Ok(vec![
            metric(catalogue::DICE, Empty::Scored, Overlaps::dice),
            metric(catalogue::DICE_POSITIVES, Empty::LeftOut, Overlaps::dice),
            metric(catalogue::IOU, Empty::Scored, Overlaps::iou),
            metric(catalogue::IOU_POSITIVES, Empty::LeftOut, Overlaps::iou),
        ])
    }

    fn film_metric(overlap: &Overlap) -> Result<Option<f64>> {
        Ok(overlap.dice(Empty::LeftOut))
    }

    fn draw_comparison(
        fitted: &Fitted,
        drawing: &mut Drawing,
        probabilities: &Vec<f32>,
        target: &Target,
    ) -> String {
        drawing.mask(|i| target.is_set(i), Mark::Target);
        let probabilities = target.on_film(probabilities);
        drawing.mask(|i| probabilities[i] > fitted.threshold, Mark::Prediction);
        "Orange: the true mask; blue: the predicted one.".to_owned()
    }

    fn writer(fitted: &Fitted, out: &Path, kind: OutputKind) -> Result<MaskWriter> {
        MaskWriter::new(fitted.threshold, out, kind)
    }

    /// Tints the mask.
    fn draw_overlay(
        fitted: &Fitted,
        film: &ShownFilm<'_>,
        probabilities: &Vec<f32>,
        _boxes: DrawnBoxes,
        overlay: &mut Overlay,
    ) -> Result<()> {
        overlay.mask(&film_mask(film, probabilities, fitted.threshold), colour(0))
    }
}
