//! Prediction on film files.

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
    /// overlays if a folder for them is given. Returns the files that could
    /// not be read.
    ///
    /// # Errors
    /// If a prediction is NaN, memory does not suffice, or a file cannot be written.
    pub fn predict(
        &self,
        files: &[FilmFile],
        out: &Path,
        overlays: Option<Overlays<'_>>,
    ) -> Result<Vec<UnreadableFilm>> {
        let mut writer = H::writer(&self.fitted, out, OutputKind::Prediction)?;
        let unreadable = self.predict_batches(files, &mut writer, overlays)?;
        writer.finish()?;
        Ok(unreadable)
    }

    /// Predicts batch by batch. A thread reads the next films while the network computes.
    fn predict_batches(
        &self,
        files: &[FilmFile],
        writer: &mut H::Writer,
        overlays: Option<Overlays<'_>>,
    ) -> Result<Vec<UnreadableFilm>> {
        let preprocess = self.preprocess();
        let batch_size = self.config.train.batch_size.clamp(1, 32);
        let progress = Progress::new("predict", files.len() as u64, "films");
        let unreadable = std::thread::scope(|scope| {
            let (send, receive) = sync_channel(1);
            scope.spawn(move || {
                for files in files.chunks(batch_size) {
                    let read = |file| PreparedFilm::read(file, preprocess);
                    let films: Vec<_> = files.par_iter().map(read).collect();
                    // The receiver is gone if prediction failed.
                    if send.send((files, films)).is_err() {
                        break;
                    }
                }
            });
            let mut unreadable = Vec::new();
            for (files, films) in receive {
                unreadable.extend(self.predict_batch(files, &films, writer, overlays)?);
                progress.inc(files.len() as u64);
            }
            Ok::<_, Error>(unreadable)
        })?;
        progress.finish();
        Ok(unreadable)
    }

    /// Predicts on a batch; returns the files that could not be read.
    fn predict_batch(
        &self,
        files: &[FilmFile],
        films: &[Result<PreparedFilm>],
        writer: &mut H::Writer,
        overlays: Option<Overlays<'_>>,
    ) -> Result<Vec<UnreadableFilm>> {
        let mut entries = self
            .write_batch(files, films, writer, overlays)?
            .into_iter();
        let mut unreadable = Vec::new();
        for (file, film) in files.iter().zip(films) {
            match film {
                Ok(_) => entries.next().into_iter().for_each(|e| writer.add(e)),
                Err(error) => {
                    let (path, reason) = (file.path.clone(), error.to_string());
                    writer.add_unreadable(&path.display().to_string(), &reason);
                    unreadable.push(UnreadableFilm { path, reason });
                }
            }
        }
        Ok(unreadable)
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
