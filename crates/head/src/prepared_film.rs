//! A film as the network sees it, and the mapping back to the pixels of the film.

use std::path::Path;

use mflag_encoder::Preprocess;
use mflag_film::{Film, Limits, Placement, Remark, Squaring};
use mflag_store::Greys;

use crate::error::{Error, Result};
use crate::film_files::FilmFile;
use crate::head::{Head, ShownFilm};
use crate::overlay::Overlay;
use crate::predict::{Overlays, Reading};
use crate::view_to_film::ViewToFilm;

/// A film as the network sees it.
pub(crate) struct PreparedFilm {
    name: String,
    file_name: String,
    view_to_film: ViewToFilm,
    view: Film,
    squaring: Squaring,
    /// What is unusual about the film's file.
    remarks: Vec<Remark>,
}

impl PreparedFilm {
    /// Takes the view of the square `squared` of a film, which lies there by `placement`.
    pub(crate) fn new(
        name: String,
        file_name: String,
        placement: Placement,
        squared: Greys<'_>,
        preprocess: Preprocess,
    ) -> Result<PreparedFilm> {
        let geometry = preprocess.view().map_err(Error::Data)?;
        Ok(PreparedFilm {
            name,
            file_name,
            view_to_film: ViewToFilm::new(placement, geometry),
            view: squared.view(geometry),
            squaring: preprocess.square,
            remarks: Vec::new(),
        })
    }

    /// Reads a film file.
    pub(crate) fn read(
        file: &FilmFile,
        mut preprocess: Preprocess,
        reading: Reading,
    ) -> Result<PreparedFilm> {
        if reading.frame.is_some() {
            preprocess.square.frame = reading.frame;
        }
        let squared = preprocess.square.read(&file.path, &Limits::default());
        let squared = squared.map_err(mflag_store::Error::from)?;
        if reading.chest_only
            && let Some(remark) = squared.not_chest()
        {
            let reason = format!("{remark}: --chest-only refuses it");
            return Err(Error::file(&file.path, reason));
        }
        let size = [squared.width, squared.height];
        let placement = preprocess.square.placement(size, squared.part);
        let placement = placement.map_err(mflag_store::Error::from)?;
        let name = file.path.display().to_string();
        let greys = Greys::from(&squared.greys);
        let film = PreparedFilm::new(name, file.name.clone(), placement, greys, preprocess)?;
        let remarks = squared.remarks;
        Ok(PreparedFilm { remarks, ..film })
    }

    /// The pixels that the network reads.
    pub(crate) fn pixels(&self) -> &[u8] {
        &self.view.pixels
    }

    /// What is unusual about the film's file.
    pub(crate) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// The film for a [`Writer`](crate::Writer).
    pub(crate) fn shown(&self) -> ShownFilm<'_> {
        ShownFilm {
            name: &self.name,
            file_name: &self.file_name,
            view_to_film: self.view_to_film,
            view: &self.view,
            remarks: &self.remarks,
        }
    }

    /// Draws a prediction over the film in the file `film`, into the folder `overlays`.
    pub(crate) fn draw<H: Head>(
        &self,
        film: &Path,
        fitted: &H::Fitted,
        prediction: &H::Prediction,
        overlays: Overlays<'_>,
    ) -> Result<()> {
        // The overlay is larger than the network's view, so it may exceed the memory limit.
        match Overlay::read(film, self.squaring) {
            Ok(mut overlay) => {
                H::draw_overlay(
                    fitted,
                    &self.shown(),
                    prediction,
                    overlays.boxes,
                    &mut overlay,
                )?;
                overlay.shown_part(self.view_to_film.shown_part());
                overlay.write(&overlays.folder.join(format!("{}.png", self.file_name)))
            }
            Err(error) => {
                // The error names the film's path, which may identify a patient.
                tracing::warn!("no overlay for a film that could not be drawn (-v names it)");
                tracing::debug!("no overlay: {error}");
                Ok(())
            }
        }
    }
}
