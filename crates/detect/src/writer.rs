//! Predicted boxes as files.

use std::path::{Path, PathBuf};

use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_head::{Purpose, Result, Shown, Writer};
use mflag_store::BoundingBox;
use serde::Serialize;

use crate::boxes::Found;
use crate::loss::Truth;

/// Writes `predictions.json`, a list of boxes as COCO's results have them, and `predictions.csv`, which names their classes and has a
/// row for each film without a box, too. Boxes are in pixels of the film, those of a film in falling order of their scores. In a
/// prediction the table says under `error` why a film could not be read.
#[derive(Debug)]
pub struct BoxWriter {
    classes: Vec<String>,
    out: PathBuf,
    purpose: Purpose,
    results: Vec<CocoResult>,
    rows: Vec<[String; 8]>,
}

/// The boxes of a film: as COCO's results, and as rows.
#[derive(Debug)]
pub struct Boxes {
    results: Vec<CocoResult>,
    rows: Vec<[String; 8]>,
}

/// An element of COCO's list of results.
#[derive(Debug, Serialize)]
struct CocoResult {
    /// The film's name; COCO has a number here.
    image_id: String,
    /// Place of the class among the names, from 1.
    category_id: usize,
    /// Left edge, upper edge, width, height.
    bbox: [f64; 4],
    score: f32,
}

impl BoxWriter {
    pub(crate) fn new(classes: Vec<String>, out: &Path, purpose: Purpose) -> BoxWriter {
        BoxWriter {
            classes,
            out: out.to_owned(),
            purpose,
            results: Vec::new(),
            rows: Vec::new(),
        }
    }
}

/// The boxes that are found in a view as boxes of its film; those in the bars beside it are left out.
pub(crate) fn in_film<'a>(
    film: &'a Shown<'_>,
    found: &'a [Found],
    classes: &'a [String],
) -> impl DoubleEndedIterator<Item = (&'a Found, BoundingBox)> {
    found.iter().filter_map(|one| {
        let of_view = BoundingBox {
            label: classes[one.class].clone(),
            x: one.place.x,
            y: one.place.y,
            width: one.place.width,
            height: one.place.height,
        };
        Some((one, film.view_to_film.box_to_film(&of_view)?))
    })
}

/// The row of a film without a box, and perhaps why it could not be read.
fn empty_row(film: &str, error: &str) -> [String; 8] {
    let mut row: [String; 8] = Default::default();
    film.clone_into(&mut row[0]);
    error.clone_into(&mut row[7]);
    row
}

impl Writer<Vec<Found>, Vec<Truth>> for BoxWriter {
    type Entry = Boxes;

    fn write(
        &self,
        film: &Shown<'_>,
        found: &Vec<Found>,
        _truth: Option<&Vec<Truth>>,
    ) -> Result<Boxes> {
        let (mut results, mut rows) = (Vec::new(), Vec::new());
        for (one, place) in in_film(film, found, &self.classes) {
            let bbox = [place.x, place.y, place.width, place.height];
            let [x, y, width, height] = bbox.map(|v| format!("{v:.2}"));
            let score = format!("{:.4}", one.score);
            let name = film.name.to_owned();
            let error = String::new();
            rows.push([name, place.label, score, x, y, width, height, error]);
            results.push(CocoResult {
                image_id: film.name.to_owned(),
                category_id: one.class + 1,
                bbox,
                score: one.score,
            });
        }
        if rows.is_empty() {
            rows.push(empty_row(film.name, ""));
        }
        Ok(Boxes { results, rows })
    }

    fn add(&mut self, Boxes { results, rows }: Boxes) {
        self.results.extend(results);
        self.rows.extend(rows);
    }

    fn add_bad(&mut self, film: &str, reason: &str) {
        self.rows.push(empty_row(film, reason));
    }

    fn finish(self) -> Result<()> {
        let file = self.out.join("predictions.json");
        atomic::write(&file, |f| {
            serde_json::to_writer(&mut *f, &self.results)?;
            writeln!(f)
        })?;
        let header = [
            "ImageId", "Class", "Score", "X", "Y", "Width", "Height", "error",
        ];
        let columns = match self.purpose {
            Purpose::Evaluation => 7,
            Purpose::Prediction => 8,
        };
        let rows = self.rows.into_iter();
        let rows = rows.map(|row| row.into_iter().take(columns));
        let file = self.out.join("predictions.csv");
        Ok(write_csv(&file, &header[..columns], rows)?)
    }
}
