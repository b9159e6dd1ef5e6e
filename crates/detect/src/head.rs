//! Detection as a head.

use std::path::Path;

use mflag_core::suggest;
use mflag_encoder::{Arch, Features};
use mflag_head::{
    Details, Drawing, Error, Head, Mark, Measure, Measures, Overlay, Purpose, Result, Shown,
};
use mflag_metrics::detection::{
    Image, MAX_PREDICTIONS, MGCA_THRESHOLDS, Matches, Prediction, Protocol, Rect,
};
use mflag_metrics::{Counts, mean_defined};
use mflag_store::augment::View;
use mflag_store::picture::colour;
use mflag_store::{BoundingBox, Record, Store};
use mflag_train::Step;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, nn};

use crate::anchors::{self, Anchors};
use crate::boxes::{self, Found, Limits};
use crate::config::{Anchors as Choice, DetectionConfig};
use crate::loss::{Truth, loss};
use crate::writer::{BoxWriter, in_film};
use crate::yolo::Yolo;

/// A box of which less is left in a view, in pixels, is none.
const LEAST: f64 = 1.0;
/// Predicted boxes of a film that are drawn.
const DRAWN: usize = 5;

/// What prediction needs to know beside the weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Facts {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// What k-means found, if it was asked.
    pub anchors: Option<Anchors>,
}

/// A box of the square, and the place of its class among the names.
#[derive(Debug, Clone)]
pub struct Marked {
    class: usize,
    place: BoundingBox,
}

/// YOLOv3's decoder, and how its output is read.
#[derive(Debug)]
pub struct Detection {
    decoder: Yolo,
    anchors: Anchors,
    side: u32,
    limits: Limits,
}

impl Head for Detection {
    const NAME: &'static str = "detection";
    const FILMS_BY: Option<&'static str> = Some("map");
    type Settings = DetectionConfig;
    type Facts = Facts;
    type Annotation = Vec<Marked>;
    type Target = Vec<Truth>;
    /// A map of each grid, f32.
    type Output = Vec<Tensor>;
    /// The most confident first.
    type Prediction = Vec<Found>;
    /// Truth and predictions of each class.
    type Case = Vec<Image>;
    type Writer = BoxWriter;

    fn is_labelled(settings: &DetectionConfig, _store: &Store) -> Result<impl Fn(&Record) -> bool> {
        Ok(|record: &Record| {
            settings.unmarked.is_learned() || marks(settings, record).next().is_some()
        })
    }

    fn facts(settings: &DetectionConfig, store: &Store, train: &[usize]) -> Result<Facts> {
        let records = store.records();
        for class in &settings.classes {
            let labels = || records.iter().flat_map(|r| &r.boxes).map(|b| &*b.label);
            if !labels().any(|label| label == class) {
                let hint = suggest::hint(class, labels());
                return Err(Error::Data(format!(
                    "head.classes: no box of {} has the label '{class}'{hint}",
                    store.folder().display()
                )));
            }
        }
        let mut shapes = Vec::new();
        for &film in train {
            let marked = marked(settings, store, film)?;
            shapes.extend(marked.iter().map(|m| [m.place.width, m.place.height]));
        }
        if shapes.is_empty() {
            return Err(Error::Data(format!(
                "{}: not one of the {} training films has boxes{}",
                store.folder().display(),
                train.len(),
                if settings.classes.is_empty() {
                    ""
                } else {
                    " of head.classes"
                }
            )));
        }
        let anchors = match settings.anchors {
            Choice::Coco => None,
            Choice::Kmeans => anchors::kmeans(&shapes),
        };
        Ok(Facts {
            classes: settings.names(),
            anchors,
        })
    }

    fn annotate(
        settings: &DetectionConfig,
        _facts: &Facts,
        store: &Store,
    ) -> Result<impl Fn(usize) -> Result<Vec<Marked>> + Sync> {
        Ok(|film| marked(settings, store, film))
    }

    fn target(marked: &Vec<Marked>, view: &View) -> Vec<Truth> {
        let seen = marked.iter().filter_map(|Marked { class, place }| {
            let place = view.bounding_box(place)?;
            (place.width >= LEAST && place.height >= LEAST).then_some(Truth {
                class: *class,
                place: Rect {
                    x: place.x,
                    y: place.y,
                    width: place.width,
                    height: place.height,
                },
            })
        });
        seen.collect()
    }

    fn new(
        p: &nn::Path<'_>,
        arch: Arch,
        side: u32,
        settings: &DetectionConfig,
        facts: &Facts,
    ) -> Result<Detection> {
        Ok(Detection {
            decoder: Yolo::new(p, arch, facts.classes.len()),
            // The stored square is cut to the view, not made smaller: its boxes have the view's pixels.
            anchors: facts.anchors.unwrap_or_else(|| anchors::coco(side)),
            side,
            limits: Limits {
                confidence: settings.confidence,
                overlap: settings.overlap,
            },
        })
    }

    fn inputs(features: Features) -> Vec<Tensor> {
        Yolo::inputs(features)
    }

    fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Vec<Tensor>> {
        let outputs = self.decoder.forward(inputs, train)?;
        let full = outputs.iter().map(|o| Ok(o.f_to_kind(Kind::Float)?));
        full.collect()
    }

    fn loss(&self, outputs: &Vec<Tensor>, targets: &[Vec<Truth>]) -> Result<Step> {
        let parts = loss(outputs, targets, &self.anchors)?;
        Ok(Step {
            loss: parts.sum(),
            parts: vec![
                ("place", parts.place.f_detach()?),
                ("size", parts.size.f_detach()?),
                ("objectness", parts.objectness.f_detach()?),
                ("class", parts.class.f_detach()?),
            ],
        })
    }

    fn predictions(&self, outputs: &Vec<Tensor>) -> Result<Vec<Vec<Found>>> {
        boxes::of_outputs(outputs, &self.anchors, self.side, self.limits)
    }

    fn judge(facts: &Facts, found: &Vec<Found>, truth: &Vec<Truth>) -> Result<Vec<Image>> {
        let mut images = vec![Image::default(); facts.classes.len()];
        for Truth { class, place } in truth {
            images[*class].truth.push(*place);
        }
        for one in found {
            images[one.class].predicted.push(Prediction {
                place: one.place,
                score: one.score,
            });
        }
        Ok(images)
    }

    fn measures<'a>(
        _settings: &DetectionConfig,
        facts: &Facts,
        cases: &'a [Vec<Image>],
        _details: Option<Details<'_>>,
    ) -> Result<Measures<'a>> {
        let classes: Vec<Vec<Image>> = (0..facts.classes.len())
            .map(|class| cases.iter().map(|case| case[class].clone()).collect())
            .collect();
        let coco: Vec<f64> = (0..10).map(|i| f64::from(50 + 5 * i) / 100.0).collect();
        Ok(vec![
            precision("map", &classes, &MGCA_THRESHOLDS, Protocol::Strict)?,
            precision("map_mgca", &classes, &MGCA_THRESHOLDS, Protocol::Mgca)?,
            precision("ap50", &classes, &[0.5], Protocol::Strict)?,
            precision("ap", &classes, &coco, Protocol::Strict)?,
        ])
    }

    fn film_value(case: &Vec<Image>) -> Result<Option<f64>> {
        let mut each = Vec::with_capacity(case.len());
        for image in case {
            let of_class = std::slice::from_ref(image);
            let matches = Matches::new(
                of_class,
                &MGCA_THRESHOLDS,
                MAX_PREDICTIONS,
                Protocol::Strict,
            )?;
            each.push(matches.mean_average_precision(Counts::Once)?);
        }
        Ok(mean_defined(each))
    }

    fn draw_case(
        _facts: &Facts,
        drawing: &mut Drawing,
        found: &Vec<Found>,
        truth: &Vec<Truth>,
    ) -> String {
        for one in truth {
            drawing.rect(&one.place, Mark::True);
        }
        for one in found.iter().take(DRAWN) {
            drawing.rect(&one.place, Mark::Found);
        }
        format!("Orange: true boxes; blue: the {DRAWN} most confident of those predicted.")
    }

    fn writer(facts: &Facts, out: &Path, purpose: Purpose) -> Result<BoxWriter> {
        Ok(BoxWriter::new(facts.classes.clone(), out, purpose))
    }

    /// Outlines boxes, each with its class and score above it.
    fn draw(
        facts: &Facts,
        film: &Shown<'_>,
        found: &Vec<Found>,
        overlay: &mut Overlay,
    ) -> Result<()> {
        // The most confident last, over the others.
        for (one, place) in in_film(film, found, &facts.classes).rev() {
            let caption = format!("{} {:.2}", place.label, one.score);
            overlay.outline(&place, &caption, colour(one.class));
        }
        Ok(())
    }
}

/// The boxes of a film that are of the classes, in its own pixels, each with the place of its class.
fn marks<'a>(
    settings: &'a DetectionConfig,
    record: &'a Record,
) -> impl Iterator<Item = (usize, &'a BoundingBox)> {
    let boxes = record.boxes.iter();
    boxes.filter_map(|one| Some((settings.class_of(&one.label)?, one)))
}

/// The same in the square of the store.
fn marked(settings: &DetectionConfig, store: &Store, film: usize) -> Result<Vec<Marked>> {
    let (record, squaring) = (&store.records()[film], store.squaring());
    let size = record.size.unwrap_or([squaring.side; 2]);
    let placement = squaring.placement(size).map_err(mflag_store::Error::from)?;
    let inside = marks(settings, record).filter_map(|(class, of_film)| {
        let place = of_film.to_square(&placement)?;
        Some(Marked { class, place })
    });
    Ok(inside.collect())
}

/// Mean of the average precision over IoU thresholds and classes.
fn precision<'a>(
    name: &str,
    classes: &[Vec<Image>],
    thresholds: &[f64],
    protocol: Protocol,
) -> Result<Measure<'a>> {
    let matches = classes
        .iter()
        .map(|images| Matches::new(images, thresholds, MAX_PREDICTIONS, protocol))
        .collect::<mflag_metrics::Result<Vec<Matches>>>()?;
    let value = move |counts: Counts<'_>| {
        let mut each = Vec::new();
        for matches in &matches {
            each.extend(matches.average_precision(counts)?);
        }
        Ok(mean_defined(each))
    };
    Ok((name.to_owned(), Box::new(value)))
}
