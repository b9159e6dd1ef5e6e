//! Predicted masks as files.

use std::path::{Path, PathBuf};

use image::GrayImage;
use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_film::encode_png;
use mflag_head::{Error, Purpose, Result, Shown, Writer};
use mflag_store::mask::SET;
use mflag_store::rle::{self, Encoding};

use crate::head::Target;

/// Writes `masks/<film>.png` in the size of the film, and `predictions.csv` with the runs as SIIM-ACR's table has them; in a prediction
/// also, under `error`, why a film could not be read.
#[derive(Debug)]
pub struct MaskWriter {
    threshold: f32,
    out: PathBuf,
    purpose: Purpose,
    rows: Vec<[String; 5]>,
}

impl MaskWriter {
    pub(crate) fn new(threshold: f32, out: &Path, purpose: Purpose) -> Result<MaskWriter> {
        let masks = out.join("masks");
        std::fs::create_dir_all(&masks).map_err(|e| mflag_core::Error::io("create", &masks, e))?;
        Ok(MaskWriter {
            threshold,
            out: out.to_owned(),
            purpose,
            rows: Vec::new(),
        })
    }
}

/// The mask of a film, of these probabilities in the view: [`SET`] above the threshold, else 0, in the film's pixels.
pub(crate) fn mask_of(film: &Shown<'_>, probabilities: &[f32], threshold: f32) -> Vec<u8> {
    let of_film = film.view_to_film.map_to_film(probabilities);
    let set = |p: &f32| if *p > threshold { SET } else { 0 };
    of_film.iter().map(set).collect()
}

impl Writer<Vec<f32>, Target> for MaskWriter {
    type Entry = [String; 5];

    fn write(
        &self,
        film: &Shown<'_>,
        probabilities: &Vec<f32>,
        _truth: Option<&Target>,
    ) -> Result<[String; 5]> {
        let [width, height] = film.view_to_film.size();
        let mask = mask_of(film, probabilities, self.threshold);
        let highest = probabilities.iter().copied().fold(0.0, f32::max);
        let set = mask.iter().filter(|v| **v == SET).count();
        let runs = rle::mask_to_runs(&mask, width);
        let pixels = match rle::write(&runs, Encoding::Relative) {
            none if none.is_empty() => "-1".to_owned(),
            runs => runs,
        };
        let name = format!("{}.png", film.file_name);
        let file = self.out.join("masks").join(name);
        let image = GrayImage::from_raw(width, height, mask)
            .ok_or_else(|| Error::file(&file, "the mask is not of the film's size"))?;
        let png = encode_png(&image.into(), &file).map_err(mflag_store::Error::from)?;
        atomic::write(&file, |f| f.write_all(&png))?;
        Ok([
            film.name.to_owned(),
            format!("{highest:.4}"),
            set.to_string(),
            pixels,
            String::new(),
        ])
    }

    fn add(&mut self, row: [String; 5]) {
        self.rows.push(row);
    }

    fn add_bad(&mut self, film: &str, reason: &str) {
        let [name, reason] = [film, reason].map(str::to_owned);
        let mut row: [String; 5] = Default::default();
        (row[0], row[4]) = (name, reason);
        self.rows.push(row);
    }

    fn finish(self) -> Result<()> {
        let header = ["ImageId", "Probability", "Pixels", "EncodedPixels", "error"];
        let columns = match self.purpose {
            Purpose::Evaluation => 4,
            Purpose::Prediction => 5,
        };
        let rows = self.rows.into_iter();
        let rows = rows.map(|row| row.into_iter().take(columns));
        let file = self.out.join("predictions.csv");
        Ok(write_csv(&file, &header[..columns], rows)?)
    }
}
