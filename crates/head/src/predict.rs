//! A trained head on film files.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use mflag_core::progress::Progress;
use mflag_encoder::Preprocess;
use mflag_film::{Film, Limits, Squaring};
use mflag_store::augment::View;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::files::FilmFile;
use crate::head::{Head, Shown, Writer};
use crate::model::Model;
use crate::overlay::Overlay;
use crate::view_to_film::ViewToFilm;

/// A film that could not be read.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) file: PathBuf,
    pub(crate) reason: String,
}

impl<H: Head> Model<H> {
    /// Predicts on film files into `writer`, and draws overlays into the folder `overlays`, if one is given; gives the files that could
    /// not be read. The next films are read while the network computes.
    pub(crate) fn predict(
        &self,
        files: &[FilmFile],
        writer: &mut H::Writer,
        overlays: Option<&Path>,
    ) -> Result<Vec<Bad>> {
        let _no_gradients = tch::no_grad_guard();
        let preprocess = self.preprocess();
        let batch = self.config.train.batch_size.clamp(1, 32);
        let progress = Progress::new("predict", files.len() as u64, "films");
        let bad = std::thread::scope(|scope| {
            let (send, receive) = sync_channel(1);
            scope.spawn(move || {
                for files in files.chunks(batch) {
                    let read = files.par_iter().map(|file| Seen::read(file, preprocess));
                    // Nobody receives after an error.
                    if send.send((files, read.collect::<Vec<_>>())).is_err() {
                        break;
                    }
                }
            });
            let mut bad = Vec::new();
            for (files, read) in receive {
                bad.extend(self.take(files, &read, writer, overlays)?);
                progress.inc(files.len() as u64);
            }
            Ok::<_, Error>(bad)
        })?;
        progress.finish();
        Ok(bad)
    }

    /// Predicts on a batch; gives the files that could not be read.
    fn take(
        &self,
        files: &[FilmFile],
        read: &[Result<Seen>],
        writer: &mut H::Writer,
        overlays: Option<&Path>,
    ) -> Result<Vec<Bad>> {
        let (paths, seen): (Vec<&Path>, Vec<&Seen>) = files
            .iter()
            .zip(read)
            .filter_map(|(file, read)| Some((&*file.path, read.as_ref().ok()?)))
            .unzip();
        let predictions = self.predictions(&seen)?;
        let facts = &self.facts;
        let written: Vec<_> = {
            let writer = &*writer;
            let films = paths.par_iter().zip(&seen).zip(&predictions);
            films
                .map(|((path, seen), prediction)| {
                    let film = seen.shown();
                    if let Some(folder) = overlays {
                        let file = folder.join(format!("{}.png", film.file_name));
                        seen.draw::<H>(path, facts, prediction, &file)?;
                    }
                    writer.write(&film, prediction, None)
                })
                .collect::<Result<_>>()?
        };
        let mut written = written.into_iter();
        let mut bad = Vec::new();
        for (file, read) in files.iter().zip(read) {
            match read {
                Ok(_) => written.next().into_iter().for_each(|w| writer.add(w)),
                Err(error) => {
                    let reason = error.to_string();
                    writer.add_bad(&file.path.display().to_string(), &reason);
                    let file = file.path.clone();
                    bad.push(Bad { file, reason });
                }
            }
        }
        Ok(bad)
    }

    fn predictions(&self, films: &[&Seen]) -> Result<Vec<H::Prediction>> {
        if films.is_empty() {
            return Ok(Vec::new());
        }
        let device = self.network.device;
        let pixels = films.iter().flat_map(|f| f.view.pixels.iter().copied());
        let pixels: Vec<u8> = pixels.collect();
        let precision = self.config.train.precision.resolve(device)?;
        precision.inference(device, || {
            let inputs = self.network.inputs(&pixels, false)?;
            let output = self.network.head.forward(&inputs, false)?;
            self.network.head.predictions(&output)
        })
    }
}

/// A film as the network sees it.
pub(crate) struct Seen {
    name: String,
    file_name: String,
    view_to_film: ViewToFilm,
    view: Film,
    squaring: Squaring,
}

impl Seen {
    /// Of the square of a film of `size`, columns and rows.
    pub(crate) fn new(
        name: String,
        file_name: String,
        size: [u32; 2],
        squared: &[u8],
        preprocess: Preprocess,
    ) -> Result<Seen> {
        let Preprocess { square, side, .. } = preprocess;
        let mut view = Film::filled(side, side, 0);
        View::centre(square.side, side).film(squared, &mut view.pixels);
        Ok(Seen {
            name,
            file_name,
            view_to_film: ViewToFilm::new(size, &square, side)?,
            view,
            squaring: square,
        })
    }

    /// The film in a file.
    fn read(file: &FilmFile, preprocess: Preprocess) -> Result<Seen> {
        let squared = preprocess.square.read(&file.path, &Limits::default());
        let squared = squared.map_err(mflag_store::Error::from)?;
        let size = [squared.width, squared.height];
        let name = file.path.display().to_string();
        let greys = squared.greys.into_eight();
        Seen::new(name, file.name.clone(), size, &greys, preprocess)
    }

    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            name: &self.name,
            file_name: &self.file_name,
            view_to_film: self.view_to_film,
            view: &self.view,
        }
    }

    /// Draws what is predicted over the film in the file `film`, into `out`.
    fn draw<H: Head>(
        &self,
        film: &Path,
        facts: &H::Facts,
        prediction: &H::Prediction,
        out: &Path,
    ) -> Result<()> {
        // Larger than the network's, its square may need more memory than the limits allow.
        match Overlay::read(film, self.squaring) {
            Ok(mut overlay) => {
                H::draw(facts, &self.shown(), prediction, &mut overlay)?;
                overlay.write(out)
            }
            Err(error) => {
                // The error has the film's path, which may name a patient.
                tracing::warn!("a film could not be drawn, and has no overlay (-v says which)");
                tracing::debug!("no overlay: {error}");
                Ok(())
            }
        }
    }
}
