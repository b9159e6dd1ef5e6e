//! Prediction on film files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use mflag_core::progress::Progress;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::film_files::FilmFile;
use crate::head::{DrawnBoxes, Head, OutputKind, Writer};
use crate::model::Model;
use crate::prepared_film::PreparedFilm;

/// What the writer of a head keeps of a film.
type Entry<H> =
    <<H as Head>::Writer as Writer<<H as Head>::Prediction, <H as Head>::Target>>::Entry;

/// How film files are read for a prediction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Which frame of a DICOM file with several frames is read, from 1; `None`: as for training.
    pub frame: Option<u32>,
    /// Whether films are refused whose DICOM file says that they are no chest films.
    pub chest_only: bool,
}

/// What happened to the film files of a prediction.
#[derive(Debug, Default)]
pub struct Predicted {
    /// The files that could not be read, in order.
    pub unreadable: Vec<UnreadableFilm>,
    /// How many films each kind of remark concerns. A film can count for several kinds.
    pub remarks: BTreeMap<&'static str, usize>,
}

/// A film file that could not be read.
#[derive(Debug)]
pub struct UnreadableFilm {
    /// The file.
    pub path: PathBuf,
    /// Why it could not be read.
    pub reason: String,
}

/// Where overlays are written, and what they show.
#[derive(Debug, Clone, Copy)]
pub struct Overlays<'a> {
    /// An existing folder.
    pub folder: &'a Path,
    /// Which boxes are drawn.
    pub boxes: DrawnBoxes,
}

impl<H: Head> Model<H> {
    /// Predicts on film files and writes the predictions into the existing folder `out`. Draws
    /// overlays if a folder for them is given. Returns which files could not be read, and what was
    /// unusual about the others.
    ///
    /// # Errors
    /// If a prediction is NaN, memory does not suffice, or a file cannot be written.
    pub fn predict(
        &self,
        files: &[FilmFile],
        reading: Reading,
        out: &Path,
        overlays: Option<Overlays<'_>>,
    ) -> Result<Predicted> {
        self.log_unseen_part()?;
        let mut writer = H::writer(&self.fitted, out, OutputKind::Prediction)?;
        let predicted = self.predict_batches(files, reading, &mut writer, overlays)?;
        writer.finish()?;
        Ok(predicted)
    }

    /// Says in the log if the model sees only the middle of each film's square.
    fn log_unseen_part(&self) -> Result<()> {
        let view = self.preprocess().view().map_err(Error::Data)?;
        if !view.is_whole() {
            let (square, part) = (f64::from(view.square()), view.part());
            let seen = part.width * part.height / (square * square);
            tracing::warn!(
                "the model sees the middle {:.0} % of a film's square, as in its training: \
                 findings outside are missed",
                100.0 * seen
            );
        }
        Ok(())
    }

    /// Predicts batch by batch. A thread reads the next films while the network computes.
    fn predict_batches(
        &self,
        files: &[FilmFile],
        reading: Reading,
        writer: &mut H::Writer,
        overlays: Option<Overlays<'_>>,
    ) -> Result<Predicted> {
        let preprocess = self.preprocess();
        let batch_size = self.config.train.batch_size.clamp(1, 32);
        let progress = Progress::new("predict", files.len() as u64, "films");
        let predicted = std::thread::scope(|scope| {
            let (send, receive) = sync_channel(1);
            scope.spawn(move || {
                for files in files.chunks(batch_size) {
                    let read = |file| PreparedFilm::read(file, preprocess, reading);
                    let films: Vec<_> = files.par_iter().map(read).collect();
                    // The receiver is gone if prediction failed.
                    if send.send((files, films)).is_err() {
                        break;
                    }
                }
            });
            let mut predicted = Predicted::default();
            for (files, films) in receive {
                self.predict_batch(files, &films, writer, overlays, &mut predicted)?;
                progress.inc(files.len() as u64);
            }
            Ok::<_, Error>(predicted)
        })?;
        progress.finish();
        Ok(predicted)
    }

    /// Predicts on a batch, and adds to `predicted` what happened to its files.
    fn predict_batch(
        &self,
        files: &[FilmFile],
        films: &[Result<PreparedFilm>],
        writer: &mut H::Writer,
        overlays: Option<Overlays<'_>>,
        predicted: &mut Predicted,
    ) -> Result<()> {
        let mut entries = self
            .write_batch(files, films, writer, overlays)?
            .into_iter();
        for (file, film) in files.iter().zip(films) {
            match film {
                Ok(film) => {
                    for remark in film.remarks() {
                        *predicted.remarks.entry(remark.kind()).or_default() += 1;
                    }
                    entries.next().into_iter().for_each(|e| writer.add(e));
                }
                Err(error) => {
                    let (path, reason) = (file.path.clone(), error.to_string());
                    writer.add_unreadable(&path.display().to_string(), &reason);
                    predicted.unreadable.push(UnreadableFilm { path, reason });
                }
            }
        }
        Ok(())
    }

    /// Predicts on the readable films of a batch, and writes their files and overlays in parallel.
    fn write_batch(
        &self,
        files: &[FilmFile],
        films: &[Result<PreparedFilm>],
        writer: &H::Writer,
        overlays: Option<Overlays<'_>>,
    ) -> Result<Vec<Entry<H>>> {
        let (paths, films): (Vec<&Path>, Vec<&PreparedFilm>) = files
            .iter()
            .zip(films)
            .filter_map(|(file, film)| Some((&*file.path, film.as_ref().ok()?)))
            .unzip();
        let predictions = self.predictions(&films)?;
        let fitted = &self.fitted;
        let films = paths.par_iter().zip(&films).zip(&predictions);
        films
            .map(|((path, film), prediction)| {
                if let Some(overlays) = overlays {
                    film.draw::<H>(path, fitted, prediction, overlays)?;
                }
                writer.write(&film.shown(), prediction, None)
            })
            .collect()
    }

    fn predictions(&self, films: &[&PreparedFilm]) -> Result<Vec<H::Prediction>> {
        if films.is_empty() {
            return Ok(Vec::new());
        }
        let pixels: Vec<u8> = films.iter().flat_map(|f| f.pixels()).copied().collect();
        let network = &self.network;
        network.inference(&self.config.train, || {
            let inputs = network.inputs(&pixels, false)?;
            network
                .head
                .predictions(&network.head.forward(&inputs, false)?)
        })
    }
}
