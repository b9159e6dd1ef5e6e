//! A trained head on film files.

use std::path::{Path, PathBuf};

use mflag_core::progress::Progress;
use mflag_data::augment::View;
use mflag_encoder::preprocess::Preprocess;
use mflag_film::{Film, Limits};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::head::{Head, Shown, Writer};
use crate::model::Model;
use crate::place::Place;

/// Endings of film files in a folder; a file that is named itself may have any.
const ENDINGS: [&str; 5] = ["jpg", "jpeg", "png", "dcm", "dicom"];

/// Whether files with this ending (without its dot) are films.
pub(crate) fn is_film_ending(ending: &str) -> bool {
    ENDINGS.iter().any(|e| e.eq_ignore_ascii_case(ending))
}

/// A film that could not be read.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) file: PathBuf,
    pub(crate) reason: String,
}

/// The film files among `paths`: files themselves, and of folders all that lie in or below them, by name.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, &mut files)?;
        files[before..].sort_unstable();
        if files.len() == before {
            let reason = format!(
                "has no films ({})",
                ENDINGS.map(|e| format!("*.{e}")).join(", ")
            );
            return Err(Error::file(path, reason));
        }
    }
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |e| mflag_core::Error::io("read", path, e);
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let ending = path.extension().and_then(|e| e.to_str());
        if ending.is_some_and(is_film_ending) || path.is_dir() {
            collect(&path, files)?;
        }
    }
    Ok(())
}

impl<H: Head> Model<H> {
    /// Predicts on film files into `writer`; gives those that could not be read.
    pub(crate) fn predict(&self, files: &[PathBuf], writer: &mut H::Writer) -> Result<Vec<Bad>> {
        let _no_gradients = tch::no_grad_guard();
        let precision = self.config.train.precision.resolve(self.network.device)?;
        let preprocess = self.preprocess();
        let progress = Progress::new("predict", files.len() as u64, "films");
        let mut bad = Vec::new();
        for files in files.chunks(self.config.train.batch_size.clamp(1, 32)) {
            let read: Vec<Result<Seen>> = files
                .par_iter()
                .map(|file| Seen::read(file, preprocess))
                .collect();
            let mut seen = Vec::new();
            for (file, read) in files.iter().zip(read) {
                match read {
                    Ok(film) => seen.push(film),
                    Err(error) => bad.push(Bad {
                        file: file.clone(),
                        reason: error.to_string(),
                    }),
                }
            }
            if !seen.is_empty() {
                let predictions =
                    precision.autocast(self.network.device, || self.predict_batch(&seen))??;
                for (film, prediction) in seen.iter().zip(&predictions) {
                    writer.add(&film.shown(), prediction)?;
                }
            }
            progress.inc(files.len() as u64);
        }
        progress.finish();
        Ok(bad)
    }

    fn predict_batch(&self, films: &[Seen]) -> Result<Vec<H::Prediction>> {
        let pixels: Vec<u8> = films
            .iter()
            .flat_map(|f| f.view.pixels.iter().copied())
            .collect();
        let inputs = self.network.inputs(&pixels, false)?;
        let output = self.network.head.forward(&inputs, false)?;
        self.network.head.predictions(&output)
    }
}

/// A film as the network sees it.
pub(crate) struct Seen {
    name: String,
    place: Place,
    view: Film,
}

impl Seen {
    /// Of the square of a film of `size`, columns and rows.
    pub(crate) fn new(
        name: String,
        size: [u32; 2],
        squared: &[u8],
        preprocess: Preprocess,
    ) -> Result<Seen> {
        let Preprocess { square, side, .. } = preprocess;
        let mut view = Film::filled(side, side, 0);
        View::centre(square.side, side).film(squared, &mut view.pixels);
        Ok(Seen {
            name,
            place: Place::new(size, square.side, square.fit, side)?,
            view,
        })
    }

    /// The film in a file.
    fn read(file: &Path, preprocess: Preprocess) -> Result<Seen> {
        let squared = preprocess.square.read(file, &Limits::default());
        let squared = squared.map_err(mflag_data::Error::from)?;
        let size = [squared.width, squared.height];
        let name = file.display().to_string();
        Seen::new(name, size, &squared.greys.into_eight(), preprocess)
    }

    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            name: &self.name,
            place: self.place,
            view: &self.view,
        }
    }
}
