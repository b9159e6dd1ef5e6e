//! Predicted masks as files.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat};
use mflag_core::atomic;
use mflag_core::table::write_csv;
use mflag_data::mask::SET;
use mflag_data::rle::{self, Encoding};
use mflag_head::{Error, Result, Shown, Writer};

/// Writes `masks/<film>.png` in the size of the film, and `predictions.csv` with the runs as SIIM-ACR's table has them.
#[derive(Debug)]
pub struct MaskWriter {
    threshold: f32,
    out: PathBuf,
    rows: Vec<[String; 4]>,
}

impl MaskWriter {
    pub(crate) fn new(threshold: f32, out: &Path) -> Result<MaskWriter> {
        let masks = out.join("masks");
        std::fs::create_dir_all(&masks).map_err(|e| mflag_core::Error::io("create", &masks, e))?;
        Ok(MaskWriter {
            threshold,
            out: out.to_owned(),
            rows: Vec::new(),
        })
    }
}

impl Writer<Vec<f32>> for MaskWriter {
    fn add(&mut self, film: &Shown<'_>, probabilities: &Vec<f32>) -> Result<()> {
        let [width, height] = film.place.size();
        let of_film = film.place.map_to_film(probabilities);
        let mask: Vec<u8> = of_film
            .iter()
            .map(|p| if *p > self.threshold { SET } else { 0 })
            .collect();
        let highest = probabilities.iter().copied().fold(0.0, f32::max);
        let set = mask.iter().filter(|v| **v == SET).count();
        let runs = rle::from_plane(&mask, width);
        let pixels = match rle::write(&runs, Encoding::Relative) {
            none if none.is_empty() => "-1".to_owned(),
            runs => runs,
        };
        self.rows.push([
            film.name.to_owned(),
            format!("{highest:.4}"),
            set.to_string(),
            pixels,
        ]);
        let file = self
            .out
            .join("masks")
            .join(format!("{}.png", film.file_name()));
        let image = GrayImage::from_raw(width, height, mask)
            .ok_or_else(|| Error::file(&file, "the mask is not of the film's size"))?;
        let mut png = Cursor::new(Vec::new());
        image
            .write_to(&mut png, ImageFormat::Png)
            .map_err(|e| Error::file(&file, format!("cannot be encoded: {e}")))?;
        Ok(atomic::write(&file, |f| f.write_all(png.get_ref()))?)
    }

    fn finish(self) -> Result<()> {
        let header = ["ImageId", "Probability", "Pixels", "EncodedPixels"];
        Ok(write_csv(
            &self.out.join("predictions.csv"),
            header,
            self.rows,
        )?)
    }
}
