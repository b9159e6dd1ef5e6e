//! Segmentation as a head.

use std::path::Path;
use std::sync::Arc;

use mflag_encoder::{Arch, Features};
use mflag_film::Film;
use mflag_head::{Details, Drawing, Error, Head, Mark, Measures, Overlay, Purpose, Result, Shown};
use mflag_metrics::segmentation::{Empty, Overlap, Overlaps};
use mflag_store::augment::View;
use mflag_store::mask;
use mflag_store::picture::colour;
use mflag_store::{Record, Store, rle};
use mflag_train::{Step, upload};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use crate::config::{Loss, SegmentationConfig, Truth};
use crate::loss::loss;
use crate::unet::Unet;
use crate::writer::{MaskWriter, mask_of};

/// What prediction needs to know beside the weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facts {
    /// A pixel is set above this probability.
    pub threshold: f32,
}

/// A mask in the pixels of a view: 255, or 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub Vec<u8>);

/// A mask in a square: runs take less memory than pixels.
#[derive(Debug)]
pub struct Runs {
    side: u32,
    runs: Vec<[u32; 2]>,
}

/// A U-Net decoder and the loss that it learns by.
#[derive(Debug)]
pub struct Segmentation {
    decoder: Unet,
    loss: Loss,
}

impl Head for Segmentation {
    const NAME: &'static str = "segmentation";
    const FILMS_BY: Option<&'static str> = Some("dice");
    type Settings = SegmentationConfig;
    type Facts = Facts;
    type Annotation = Runs;
    type Target = Target;
    /// Logits `[B, 1, S, S]`, f32.
    type Output = Tensor;
    /// Probabilities, `S · S`.
    type Prediction = Vec<f32>;
    type Case = Overlap;
    type Writer = MaskWriter;

    fn is_labelled(
        settings: &SegmentationConfig,
        _store: &Store,
    ) -> Result<impl Fn(&Record) -> bool> {
        Ok(|record: &Record| settings.unmarked.is_learned() || is_marked(settings, record))
    }

    fn facts(settings: &SegmentationConfig, store: &Store, train: &[usize]) -> Result<Facts> {
        let records = store.records();
        if train
            .iter()
            .any(|&film| is_marked(settings, &records[film]))
        {
            return Ok(Facts { threshold: 0.5 });
        }
        let other = match settings.truth {
            Truth::Mask => "masks; if it has boxes, set head.truth: boxes",
            Truth::Boxes => "boxes; if it has masks, set head.truth: mask",
        };
        Err(Error::Data(format!(
            "{}: not one of the {} training films has {other}",
            store.folder().display(),
            train.len()
        )))
    }

    fn annotate(
        settings: &SegmentationConfig,
        _facts: &Facts,
        store: &Store,
    ) -> Result<impl Fn(usize) -> Result<Runs> + Sync> {
        Ok(|film| runs(settings, store, film))
    }

    fn target(Runs { side, runs }: &Runs, view: &View) -> Target {
        let mut of_view = vec![0; view.pixels()];
        if !runs.is_empty() {
            let mut square = Film::filled(*side, *side, 0);
            rle::runs_to_mask(runs, &mut square.pixels, *side, mask::SET);
            view.mask(&square.pixels, &mut of_view);
        }
        Target(of_view)
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        _side: u32,
        settings: &SegmentationConfig,
        _facts: &Facts,
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
        let pixels: Vec<u8> = targets.iter().flat_map(|t| t.0.iter().copied()).collect();
        let pixels = Tensor::f_from_data_size(&pixels, &logits.size(), Kind::Uint8)?;
        let targets = upload(pixels, logits.device())?
            .f_gt(0.0)?
            .f_to_kind(Kind::Float)?;
        Ok(Step {
            loss: loss(self.loss, logits, &targets)?,
            parts: vec![],
        })
    }

    fn predictions(&self, logits: &Tensor) -> Result<Vec<Vec<f32>>> {
        let flat = logits.f_sigmoid()?.f_flatten(1, -1)?;
        Ok(Vec::<Vec<f32>>::try_from(flat)?)
    }

    fn judge(facts: &Facts, probabilities: &Vec<f32>, target: &Target) -> Result<Overlap> {
        Ok(Overlap::at(probabilities, &target.0, facts.threshold)?)
    }

    fn measures<'a>(
        _settings: &SegmentationConfig,
        _facts: &Facts,
        cases: &'a [Overlap],
        _details: Option<Details<'_>>,
    ) -> Result<Measures<'a>> {
        let mut images = Overlaps::default();
        cases.iter().for_each(|case| images.push(*case));
        let images = Arc::new(images);
        let of = |name: &str, empty: Empty, iou: bool| -> mflag_head::Measure<'a> {
            let images = images.clone();
            let value = move |counts: mflag_metrics::Counts<'_>| {
                if iou {
                    images.iou(empty, counts)
                } else {
                    images.dice(empty, counts)
                }
            };
            (name.to_owned(), Box::new(value))
        };
        Ok(vec![
            of("dice", Empty::Scored, false),
            of("dice_positives", Empty::LeftOut, false),
            of("iou", Empty::Scored, true),
            of("iou_positives", Empty::LeftOut, true),
        ])
    }

    fn film_value(overlap: &Overlap) -> Result<Option<f64>> {
        Ok(overlap.dice(Empty::LeftOut))
    }

    fn draw_case(
        facts: &Facts,
        drawing: &mut Drawing,
        probabilities: &Vec<f32>,
        target: &Target,
    ) -> String {
        drawing.mask(|i| target.0[i] != 0, Mark::True);
        drawing.mask(|i| probabilities[i] > facts.threshold, Mark::Found);
        "Orange: the true mask; blue: the predicted one.".to_owned()
    }

    fn writer(facts: &Facts, out: &Path, purpose: Purpose) -> Result<MaskWriter> {
        MaskWriter::new(facts.threshold, out, purpose)
    }

    /// Tints the mask.
    fn draw(
        facts: &Facts,
        film: &Shown<'_>,
        probabilities: &Vec<f32>,
        overlay: &mut Overlay,
    ) -> Result<()> {
        overlay.mask(&mask_of(film, probabilities, facts.threshold), colour(0))
    }
}

/// Whether something is outlined on a film.
fn is_marked(settings: &SegmentationConfig, record: &Record) -> bool {
    match settings.truth {
        Truth::Mask => record.mask.is_some(),
        Truth::Boxes => !record.boxes.is_empty(),
    }
}

/// What is outlined on a film, in the square of the store.
fn runs(settings: &SegmentationConfig, store: &Store, film: usize) -> Result<Runs> {
    let (record, squaring) = (&store.records()[film], store.squaring());
    let side = squaring.side;
    let size = record.size.unwrap_or([side; 2]);
    let of_film = match settings.truth {
        Truth::Mask => record.mask.clone(),
        Truth::Boxes => Some(mask::from_boxes(&record.boxes, size[0], size[1])),
    };
    let placement = squaring.placement(size).map_err(mflag_store::Error::from)?;
    let square = of_film
        .map(|mask| mask::to_square(&mask, &placement))
        .transpose()?;
    Ok(Runs {
        side,
        runs: square.map_or(Vec::new(), |square| rle::mask_to_runs(&square.pixels, side)),
    })
}
