//! Files of predicted boxes.

use std::path::{Path, PathBuf};

use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_head::{OutputKind, Result, ShownFilm, Writer};
use mflag_store::BoundingBox;
use serde::Serialize;

use crate::boxes::PredictedBox;
use crate::target::Target;

/// A row of `predictions.csv`.
type Row = [String; 9];

/// Writes `predictions.json`, a list of boxes in the format of COCO's results, and
/// `predictions.csv`, which has class names instead of numbers, and a row for each film without a
/// box, too. Boxes are in pixels of the film, the most confident of a film first. A prediction adds
/// the columns `warning`, what is unusual about the film's file, and `error`, why the film could not
/// be read.
#[derive(Debug)]
pub struct BoxWriter {
    classes: Vec<String>,
    out: PathBuf,
    kind: OutputKind,
    results: Vec<CocoResult>,
    rows: Vec<Row>,
}

/// The boxes of a film.
#[derive(Debug)]
pub struct FilmBoxes {
    results: Vec<CocoResult>,
    rows: Vec<Row>,
}

/// An element of COCO's list of results.
#[derive(Debug, Serialize)]
struct CocoResult {
    /// The film's name; COCO has a number here.
    image_id: String,
    /// Index of the class, from 1.
    category_id: usize,
    /// Left edge, upper edge, width, height.
    bbox: [f64; 4],
    score: f32,
}

impl BoxWriter {
    pub(crate) fn new(classes: Vec<String>, out: &Path, kind: OutputKind) -> BoxWriter {
        BoxWriter {
            classes,
            out: out.to_owned(),
            kind,
            results: Vec::new(),
            rows: Vec::new(),
        }
    }
}

/// Maps predicted boxes from the view to the film. Boxes in the padding beside the film are left
/// out.
pub(crate) fn in_film<'a>(
    film: &'a ShownFilm<'_>,
    boxes: &'a [PredictedBox],
    classes: &'a [String],
) -> impl DoubleEndedIterator<Item = (&'a PredictedBox, BoundingBox)> {
    boxes.iter().filter_map(|predicted| {
        let view_box = BoundingBox {
            label: classes[predicted.class].clone(),
            x: predicted.rect.x,
            y: predicted.rect.y,
            width: predicted.rect.width,
            height: predicted.rect.height,
        };
        Some((predicted, film.view_to_film.box_to_film(&view_box)?))
    })
}

/// The row of a film without a box: with a warning, or with the reason why it could not be read.
fn empty_row(film: &str, warning: &str, error: &str) -> Row {
    let mut row = Row::default();
    film.clone_into(&mut row[0]);
    warning.clone_into(&mut row[7]);
    error.clone_into(&mut row[8]);
    row
}

impl Writer<Vec<PredictedBox>, Target> for BoxWriter {
    type Entry = FilmBoxes;

    fn write(
        &self,
        film: &ShownFilm<'_>,
        boxes: &Vec<PredictedBox>,
        _target: Option<&Target>,
    ) -> Result<FilmBoxes> {
        let (mut results, mut rows) = (Vec::new(), Vec::new());
        let warning = film.warning();
        for (predicted, film_box) in in_film(film, boxes, &self.classes) {
            let bbox = [film_box.x, film_box.y, film_box.width, film_box.height];
            let [x, y, width, height] = bbox.map(|v| format!("{v:.2}"));
            let score = format!("{:.4}", predicted.score);
            let name = film.name.to_owned();
            let (label, error) = (film_box.label, String::new());
            let warning = warning.clone();
            rows.push([name, label, score, x, y, width, height, warning, error]);
            results.push(CocoResult {
                image_id: film.name.to_owned(),
                category_id: predicted.class + 1,
                bbox,
                score: predicted.score,
            });
        }
        if rows.is_empty() {
            rows.push(empty_row(film.name, &warning, ""));
        }
        Ok(FilmBoxes { results, rows })
    }

    fn add(&mut self, FilmBoxes { results, rows }: FilmBoxes) {
        self.results.extend(results);
        self.rows.extend(rows);
    }

    fn add_unreadable(&mut self, film: &str, reason: &str) {
        self.rows.push(empty_row(film, "", reason));
    }

    fn finish(self) -> Result<()> {
        let file = self.out.join("predictions.json");
        atomic::write(&file, |f| {
            serde_json::to_writer(&mut *f, &self.results)?;
            writeln!(f)
        })?;
        let header = [
            "ImageId", "Class", "Score", "X", "Y", "Width", "Height", "warning", "error",
        ];
        let columns = match self.kind {
            OutputKind::Evaluation => 7,
            OutputKind::Prediction => 9,
        };
        let rows = self.rows.into_iter();
        let rows = rows.map(|row| row.into_iter().take(columns));
        let file = self.out.join("predictions.csv");
        Ok(write_csv(&file, &header[..columns], rows)?)
    }
}
