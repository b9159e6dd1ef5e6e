//! The detection head.

use std::path::Path;

use mflag_core::suggest;
use mflag_encoder::{Arch, Features};
use mflag_head::{
    Details, Drawing, DrawnBoxes, Error, Head, Mark, Metrics, NamedMetric, OutputKind, Overlay,
    Result, ShownFilm, ViewGeometry, warn_of_few_marked,
};
use mflag_metrics::catalogue::{self, Metric};
use mflag_metrics::detection::{
    Image, MAX_PREDICTIONS, MGCA_THRESHOLDS, Matches, Prediction, Protocol,
};
use mflag_metrics::{Counts, mean_defined};
use mflag_store::augment::View;
use mflag_store::picture::{GREY, colour};
use mflag_store::{Record, Split, Store};
use mflag_train::Step;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use crate::anchors::{self, Anchors};
use crate::boxes::{Limits, PredictedBox, decode};
use crate::config::{AnchorSource, DetectionConfig, Rules};
use crate::loss::loss;
use crate::target::{SquareBox, Target, TrueBox, labelled};
use crate::writer::{BoxWriter, in_film};
use crate::yolo::Yolo;

/// Maximum number of predicted boxes drawn on a film.
const DRAWN: usize = 5;

/// What prediction needs beside the weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fitted {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The anchors that k-means found; `None` for COCO's.
    pub anchors: Option<Anchors>,
}

/// YOLOv3's decoder, and what is needed to decode its outputs.
#[derive(Debug)]
pub struct Detection {
    decoder: Yolo,
    anchors: Anchors,
    side: u32,
    limits: Limits,
}

/// A film's true and predicted boxes of one class, as the metrics count them.
#[derive(Debug, Clone, Default)]
pub struct Scored {
    /// Predicted boxes are cut at the edges of the view.
    strict: Image,
    /// For `map_mgca`. By [`Rules::Mgca`], predicted boxes are not cut.
    mgca: Image,
}

impl Head for Detection {
    const NAME: &'static str = "detection";
    const FILM_METRIC: Option<&'static str> = Some(catalogue::MAP.key);
    const HAS_BOXES: bool = true;
    type Settings = DetectionConfig;
    type Fitted = Fitted;
    type Annotation = Vec<SquareBox>;
    type Target = Target;
    /// An f32 tensor for each grid.
    type Output = Vec<Tensor>;
    /// The most confident first.
    type Prediction = Vec<PredictedBox>;
    /// The boxes of each class.
    type Scored = Vec<Scored>;
    type Writer = BoxWriter;

    fn is_labelled(settings: &DetectionConfig, _store: &Store) -> Result<impl Fn(&Record) -> bool> {
        Ok(|record: &Record| {
            settings.unmarked.is_learned() || labelled(settings, record).next().is_some()
        })
    }

    fn unmeasurable(
        settings: &DetectionConfig,
        store: &Store,
        films: &[usize],
    ) -> Result<Option<String>> {
        let records = store.records();
        let mut boxes = films
            .iter()
            .flat_map(|&film| labelled(settings, &records[film]));
        Ok(boxes
            .next()
            .is_none()
            .then(|| "none has a box (of head.classes)".to_owned()))
    }

    fn why_unlabelled(settings: &DetectionConfig) -> Option<&'static str> {
        let why = "head.unmarked: left_out leaves out films without a box of head.classes; negative \
                   counts them as films with nothing to find";
        (!settings.unmarked.is_learned()).then_some(why)
    }

    fn fit(
        settings: &DetectionConfig,
        store: &Store,
        view: ViewGeometry,
        train: &[usize],
    ) -> Result<Fitted> {
        check_classes(&settings.classes, store)?;
        let mut shapes = Vec::new();
        for &film in train {
            let boxes = SquareBox::read(settings, store, view, film)?;
            shapes.extend(boxes.iter().filter_map(SquareBox::shape));
        }
        if shapes.is_empty() {
            return Err(Error::Data(format!(
                "{}: none of the {} training films has boxes{}",
                store.folder().display(),
                train.len(),
                if settings.classes.is_empty() {
                    ""
                } else {
                    " of head.classes"
                }
            )));
        }
        Ok(Fitted {
            classes: settings.names(),
            anchors: match settings.anchors {
                AnchorSource::Coco => None,
                AnchorSource::Kmeans => anchors::kmeans(&shapes),
            },
        })
    }

    fn annotate(
        settings: &DetectionConfig,
        _fitted: &Fitted,
        store: &Store,
        view: ViewGeometry,
    ) -> Result<impl Fn(usize) -> Result<Vec<SquareBox>> + Sync> {
        Ok(move |film| SquareBox::read(settings, store, view, film))
    }

    fn target(boxes: &Vec<SquareBox>, view: &View) -> Target {
        Target::new(boxes, view)
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        side: u32,
        settings: &DetectionConfig,
        fitted: &Fitted,
    ) -> Result<Detection> {
        Ok(Detection {
            decoder: Yolo::new(p, arch, fitted.classes.len()),
            // A view is cut from the resized square without scaling, so anchors fitted in that
            // square hold in the view.
            anchors: fitted.anchors.unwrap_or_else(|| anchors::coco(side)),
            side,
            limits: Limits {
                confidence: settings.confidence,
                overlap: settings.overlap,
                rules: settings.assignment,
            },
        })
    }

    fn inputs(features: Features) -> Vec<Tensor> {
        Yolo::inputs(features)
    }

    fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Vec<Tensor>> {
        let outputs = self.decoder.forward(inputs, train)?;
        let outputs = outputs.iter().map(|o| Ok(o.f_to_kind(Kind::Float)?));
        outputs.collect()
    }

    fn loss(&self, outputs: &Vec<Tensor>, targets: &[Target]) -> Result<Step> {
        let parts = loss(outputs, targets, &self.anchors, self.limits.rules)?;
        Ok(Step {
            loss: parts.sum(),
            parts: vec![
                (catalogue::PLACE.key, parts.centre.f_detach()?),
                (catalogue::SIZE.key, parts.size.f_detach()?),
                (catalogue::OBJECTNESS.key, parts.objectness.f_detach()?),
                (catalogue::CLASS.key, parts.class.f_detach()?),
            ],
        })
    }

    fn predictions(&self, outputs: &Vec<Tensor>) -> Result<Vec<Vec<PredictedBox>>> {
        decode(outputs, &self.anchors, self.side, self.limits)
    }

    fn score(
        fitted: &Fitted,
        predicted: &Vec<PredictedBox>,
        truth: &Target,
    ) -> Result<Vec<Scored>> {
        let mut scored = vec![Scored::default(); fitted.classes.len()];
        for TrueBox { class, rect } in &truth.whole {
            scored[*class].strict.truth.push(*rect);
            scored[*class].mgca.truth.push(*rect);
        }
        for predicted in predicted {
            let Scored { strict, mgca } = &mut scored[predicted.class];
            for (image, place) in [(strict, predicted.rect), (mgca, predicted.uncut)] {
                let score = predicted.score;
                image.predicted.push(Prediction { place, score });
            }
        }
        Ok(scored)
    }

    fn metrics<'a>(
        settings: &DetectionConfig,
        fitted: &Fitted,
        scored: &'a [Vec<Scored>],
        _details: Option<Details<'_>>,
    ) -> Result<Metrics<'a>> {
        let of_classes = |image: fn(&Scored) -> &Image| -> Vec<Vec<Image>> {
            let of_class = |class| scored.iter().map(move |film| image(&film[class]).clone());
            (0..fitted.classes.len())
                .map(|class| of_class(class).collect())
                .collect()
        };
        let strict = of_classes(|scored| &scored.strict);
        let mgca = match settings.assignment {
            Rules::Strict => strict.clone(),
            Rules::Mgca => of_classes(|scored| &scored.mgca),
        };
        let coco: Vec<f64> = (0..10).map(|i| f64::from(50 + 5 * i) / 100.0).collect();
        Ok(vec![
            precision(catalogue::MAP, &strict, &MGCA_THRESHOLDS, Protocol::Strict)?,
            precision(catalogue::MAP_MGCA, &mgca, &MGCA_THRESHOLDS, Protocol::Mgca)?,
            precision(catalogue::AP50, &strict, &[0.5], Protocol::Strict)?,
            precision(catalogue::AP, &strict, &coco, Protocol::Strict)?,
        ])
    }

    fn warn_of_few(
        settings: &DetectionConfig,
        store: &Store,
        split: Split,
        films: &[usize],
    ) -> Result<()> {
        let has_box = |film: &&usize| {
            labelled(settings, &store.records()[**film])
                .next()
                .is_some()
        };
        warn_of_few_marked(split, films.iter().filter(has_box).count(), "box");
        Ok(())
    }

    fn film_metric(scored: &Vec<Scored>) -> Result<Option<f64>> {
        let mut precisions = Vec::with_capacity(scored.len());
        for scored in scored {
            let matches = Matches::new(
                std::slice::from_ref(&scored.strict),
                &MGCA_THRESHOLDS,
                MAX_PREDICTIONS,
                Protocol::Strict,
            )?;
            precisions.push(matches.mean_average_precision(Counts::Once)?);
        }
        Ok(mean_defined(precisions))
    }

    fn draw_comparison(
        _fitted: &Fitted,
        drawing: &mut Drawing,
        predicted: &Vec<PredictedBox>,
        truth: &Target,
    ) -> String {
        for true_box in &truth.visible {
            drawing.rect(&true_box.rect, Mark::Target);
        }
        for predicted_box in predicted.iter().take(DRAWN) {
            drawing.rect(&predicted_box.rect, Mark::Prediction);
        }
        format!("Orange: true boxes; blue: the {DRAWN} most confident of those predicted.")
    }

    fn writer(fitted: &Fitted, out: &Path, kind: OutputKind) -> Result<BoxWriter> {
        Ok(BoxWriter::new(fitted.classes.clone(), out, kind))
    }

    /// Outlines the chosen boxes, each with its class and score above it, and writes below the film
    /// how many they are of how many.
    fn draw_overlay(
        fitted: &Fitted,
        film: &ShownFilm<'_>,
        predicted: &Vec<PredictedBox>,
        boxes: DrawnBoxes,
        overlay: &mut Overlay,
    ) -> Result<()> {
        let all: Vec<_> = in_film(film, predicted, &fitted.classes).collect();
        let confident = all
            .iter()
            .filter(|(predicted, _)| f64::from(predicted.score) >= boxes.confidence);
        let drawn: Vec<_> = confident.take(boxes.top).collect();
        // The most confident box is drawn last, over the others.
        for (predicted, film_box) in drawn.iter().rev() {
            let caption = format!("{} {:.2}", film_box.label, predicted.score);
            overlay.outline(film_box, &caption, colour(predicted.class));
        }
        let words = format!("{} of {} boxes are drawn", drawn.len(), all.len());
        overlay.words([(words.as_str(), GREY)]);
        Ok(())
    }
}

/// Checks that the store has a box of each class.
fn check_classes(classes: &[String], store: &Store) -> Result<()> {
    let labels = || {
        let boxes = store.records().iter().flat_map(|record| &record.boxes);
        boxes.map(|film_box| &*film_box.label)
    };
    for class in classes {
        if !labels().any(|label| label == class) {
            let hint = suggest::hint(class, labels());
            return Err(Error::Data(format!(
                "head.classes: no box of {} has the label '{class}'{hint}",
                store.folder().display()
            )));
        }
    }
    Ok(())
}

/// A metric: the mean average precision over IoU thresholds and classes.
fn precision<'a>(
    metric: Metric,
    classes: &[Vec<Image>],
    thresholds: &[f64],
    protocol: Protocol,
) -> Result<NamedMetric<'a>> {
    let matches = classes
        .iter()
        .map(|images| Matches::new(images, thresholds, MAX_PREDICTIONS, protocol))
        .collect::<mflag_metrics::Result<Vec<Matches>>>()?;
    let value = move |counts: Counts<'_>| {
        let mut precisions = Vec::new();
        for matches in &matches {
            precisions.extend(matches.average_precision(counts)?);
        }
        Ok(mean_defined(precisions))
    };
    Ok((metric.key.to_owned(), Box::new(value)))
}
