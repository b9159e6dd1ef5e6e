//! A trained head on film files.

use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use mflag_core::progress::Progress;
use mflag_data::augment::View;
use mflag_encoder::preprocess::Preprocess;
use mflag_film::{Film, Limits, Squaring};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::head::{Head, Shown, Writer};
use crate::model::Model;
use crate::overlay::Overlay;
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

/// The film files among `paths`: files themselves, of folders all that lie in or below them, and the same of what a pattern such as
/// `films/*.dcm` matches; each of them by name.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        for path in matches(path)? {
            collect(&path, &mut files)?;
        }
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

/// What a pattern matches; a path that is there, or without `*`, `?` and `[`, is no pattern.
fn matches(path: &Path) -> Result<Vec<PathBuf>> {
    let pattern = match path.to_str() {
        Some(text) if text.contains(['*', '?', '[']) && !path.exists() => text,
        _ => return Ok(vec![path.to_owned()]),
    };
    let wrong = |e: glob::PatternError| Error::file(path, format!("is no pattern: {e}"));
    let matched: Vec<PathBuf> = glob::glob(pattern)
        .map_err(wrong)?
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| {
            let path = e.path().to_path_buf();
            mflag_core::Error::io("read", path, e.into())
        })?;
    if matched.is_empty() {
        return Err(Error::file(path, "matches nothing"));
    }
    Ok(matched)
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
    /// Predicts on film files into `writer`, and draws overlays into the folder `overlays`, if one is given; gives the files that could
    /// not be read. The next films are read while the network computes.
    pub(crate) fn predict(
        &self,
        files: &[PathBuf],
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
        files: &[PathBuf],
        read: &[Result<Seen>],
        writer: &mut H::Writer,
        overlays: Option<&Path>,
    ) -> Result<Vec<Bad>> {
        let seen: Vec<&Seen> = read.iter().flatten().collect();
        let predictions = self.predictions(&seen)?;
        let facts = &self.facts;
        let written: Vec<_> = {
            let writer = &*writer;
            let films = seen.par_iter().zip(&predictions);
            films
                .map(|(seen, prediction)| {
                    let film = seen.shown();
                    if let Some(folder) = overlays {
                        let file = folder.join(format!("{}.png", film.file_name()));
                        seen.draw::<H>(facts, prediction, &file)?;
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
                    writer.add_bad(&file.display().to_string(), &reason);
                    let file = file.clone();
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
        precision.autocast(device, || {
            let inputs = self.network.inputs(&pixels, false)?;
            let output = self.network.head.forward(&inputs, false)?;
            self.network.head.predictions(&output)
        })?
    }
}

/// A film as the network sees it.
pub(crate) struct Seen {
    name: String,
    place: Place,
    view: Film,
    squaring: Squaring,
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
            squaring: square,
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
    /// Draws what is predicted over the film in its file, into `out`.
    fn draw<H: Head>(
        &self,
        facts: &H::Facts,
        prediction: &H::Prediction,
        out: &Path,
    ) -> Result<()> {
        // Larger than the network's, its square may need more memory than the limits allow.
        match Overlay::read(Path::new(&self.name), self.squaring) {
            Ok(mut overlay) => {
                H::draw(facts, &self.shown(), prediction, &mut overlay)?;
                overlay.write(out)
            }
            Err(error) => {
                tracing::warn!("no overlay: {error}");
                Ok(())
            }
        }
    }
}
