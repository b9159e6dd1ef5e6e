//! Predicted boxes as files.

use std::path::{Path, PathBuf};

use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_data::BoundingBox;
use mflag_head::{Result, Shown, Writer};
use serde::Serialize;

use crate::boxes::Found;

/// Writes `predictions.json`, a list of boxes as COCO's results have them, and `predictions.csv`, which names their classes and has a
/// row for each film without a box, too. Boxes are in pixels of the film, those of a film in falling order of their scores.
#[derive(Debug)]
pub struct BoxWriter {
    classes: Vec<String>,
    out: PathBuf,
    results: Vec<CocoResult>,
    rows: Vec<[String; 7]>,
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
    pub(crate) fn new(classes: Vec<String>, out: &Path) -> BoxWriter {
        BoxWriter {
            classes,
            out: out.to_owned(),
            results: Vec::new(),
            rows: Vec::new(),
        }
    }
}

impl Writer<Vec<Found>> for BoxWriter {
    fn add(&mut self, film: &Shown<'_>, found: &Vec<Found>) -> Result<()> {
        let before = self.rows.len();
        for one in found {
            let of_view = BoundingBox {
                label: self.classes[one.class].clone(),
                x: one.place.x,
                y: one.place.y,
                width: one.place.width,
                height: one.place.height,
            };
            let Some(place) = film.place.box_to_film(&of_view) else {
                continue;
            };
            let bbox = [place.x, place.y, place.width, place.height];
            let [x, y, width, height] = bbox.map(|v| format!("{v:.2}"));
            let score = format!("{:.4}", one.score);
            let name = film.name.to_owned();
            self.rows
                .push([name, place.label, score, x, y, width, height]);
            self.results.push(CocoResult {
                image_id: film.name.to_owned(),
                category_id: one.class + 1,
                bbox,
                score: one.score,
            });
        }
        if self.rows.len() == before {
            let mut row: [String; 7] = Default::default();
            film.name.clone_into(&mut row[0]);
            self.rows.push(row);
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let file = self.out.join("predictions.json");
        atomic::write(&file, |f| {
            serde_json::to_writer(&mut *f, &self.results)?;
            writeln!(f)
        })?;
        let header = ["ImageId", "Class", "Score", "X", "Y", "Width", "Height"];
        Ok(write_csv(
            &self.out.join("predictions.csv"),
            header,
            self.rows,
        )?)
    }
}
