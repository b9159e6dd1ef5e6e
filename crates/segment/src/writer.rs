//! Files of predicted masks.

use std::path::{Path, PathBuf};

use image::GrayImage;
use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_film::encode_png;
use mflag_head::{Error, OutputKind, Result, ShownFilm, Writer};
use mflag_store::mask::SET;
use mflag_store::rle::{self, Encoding};

use crate::target::Target;

/// Writes `masks/<film>.png` in the film's size, and `predictions.csv` with the masks as run
/// lengths, in the format of SIIM-ACR's table. A prediction adds the columns `warning`, what is
/// unusual about the film's file, and `error`, why a film could not be read.
#[derive(Debug)]
pub struct MaskWriter {
    threshold: f32,
    out: PathBuf,
    kind: OutputKind,
    rows: Vec<[String; 6]>,
}

impl MaskWriter {
    pub(crate) fn new(threshold: f32, out: &Path, kind: OutputKind) -> Result<MaskWriter> {
        let masks = out.join("masks");
        std::fs::create_dir_all(&masks).map_err(|e| mflag_core::Error::io("create", &masks, e))?;
        Ok(MaskWriter {
            threshold,
            out: out.to_owned(),
            kind,
            rows: Vec::new(),
        })
    }
}

/// The mask in the film's pixels, from probabilities in the view: [`SET`] above the threshold, else
/// 0.
pub(crate) fn film_mask(film: &ShownFilm<'_>, probabilities: &[f32], threshold: f32) -> Vec<u8> {
    let probabilities = film.view_to_film.map_to_film(probabilities);
    let pixel = |p: &f32| if *p > threshold { SET } else { 0 };
    probabilities.iter().map(pixel).collect()
}

impl Writer<Vec<f32>, Target> for MaskWriter {
    type Entry = [String; 6];

    fn write(
        &self,
        film: &ShownFilm<'_>,
        probabilities: &Vec<f32>,
        _target: Option<&Target>,
    ) -> Result<[String; 6]> {
        let [width, height] = film.view_to_film.size();
        let mask = film_mask(film, probabilities, self.threshold);
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
            .ok_or_else(|| Error::file(&file, "the mask has another size than the film"))?;
        let png = encode_png(&image.into(), &file).map_err(mflag_store::Error::from)?;
        atomic::write(&file, |f| f.write_all(&png))?;
        Ok([
            film.name.to_owned(),
            format!("{highest:.4}"),
            set.to_string(),
            pixels,
            film.warning(),
            String::new(),
        ])
    }

    fn add(&mut self, row: [String; 6]) {
        self.rows.push(row);
    }

    fn add_unreadable(&mut self, film: &str, reason: &str) {
        let empty = String::new;
        let (film, reason) = (film.to_owned(), reason.to_owned());
        let row = [film, empty(), empty(), empty(), empty(), reason];
        self.rows.push(row);
    }

    fn finish(self) -> Result<()> {
        let header = [
            "ImageId",
            "Probability",
            "Pixels",
            "EncodedPixels",
            "warning",
            "error",
        ];
        let columns = match self.kind {
            OutputKind::Evaluation => 4,
            OutputKind::Prediction => 6,
        };
        let rows = self.rows.into_iter();
        let rows = rows.map(|row| row.into_iter().take(columns));
        let file = self.out.join("predictions.csv");
        Ok(write_csv(&file, &header[..columns], rows)?)
    }
}
