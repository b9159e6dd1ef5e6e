//! Boxes and masks against the size of their films: resized copies of a data set are noticed before
//! preparation begins.

use std::path::Path;

use mflag_film::Limits;
use mflag_store::{BoundingBox, Error, Mask, Record, Result, mask};
use rayon::prelude::*;

use crate::left_out::{LeftOut, OTHER_SIZE};

/// What happens to boxes and masks if the films are resized copies.
#[derive(Debug, Clone, Copy, Default, PartialEq, clap::Args)]
pub struct AnnotationOptions {
    /// Scale boxes and masks to films that are resized copies of the originals
    #[arg(long, conflicts_with = "no_boxes")]
    pub scale_boxes: bool,
    /// Leave out boxes and masks; labels stay
    #[arg(long)]
    pub no_boxes: bool,
}

/// Columns and rows.
type Size = (u32, u32);

/// Compares the boxes and masks of all films with the size of their film, and applies the options.
///
/// `original` is the size of the film that the boxes of a record are in pixels of; `None` if the
/// data set does not state it. Boxes then must only lie on the film. A film that cannot be read
/// stays as it is: the preparation lists it in `bad.csv`.
///
/// Single films of another size are left out and counted.
///
/// # Errors
/// If more than 1 % of the films with boxes or masks do not fit.
pub(crate) fn fit(
    root: &Path,
    mut records: Vec<Record>,
    original: impl Fn(&Record) -> Option<Size> + Sync,
    options: AnnotationOptions,
    left_out: &mut LeftOut,
) -> Result<Vec<Record>> {
    if options.no_boxes {
        for record in &mut records {
            record.boxes.clear();
            record.mask = None;
        }
        return Ok(records);
    }
    let is_annotated = |record: &&Record| !record.boxes.is_empty() || record.mask.is_some();
    let annotated = records.iter().filter(is_annotated).count();
    let fitted: Vec<std::result::Result<Record, Mismatch>> = records
        .into_par_iter()
        .map(|record| {
            if !is_annotated(&&record) {
                return Ok(record);
            }
            let original = original(&record);
            fit_film(record, original, options.scale_boxes)
        })
        .collect();
    let wrong: Vec<&Mismatch> = fitted
        .iter()
        .filter_map(|film| film.as_ref().err())
        .collect();
    if let Some(first) = wrong.first()
        && 100 * wrong.len() > annotated
    {
        return Err(first.refusal(root, wrong.len(), annotated));
    }
    let kept = fitted.into_iter().filter_map(|film| {
        film.inspect_err(|wrong| {
            tracing::debug!("{}: {OTHER_SIZE}", wrong.film);
            left_out.count(OTHER_SIZE);
        })
        .ok()
    });
    Ok(kept.collect())
}

/// A film whose boxes or mask do not fit.
#[derive(Debug)]
struct Mismatch {
    film: String,
    size: Size,
    /// The size that boxes or mask are in pixels of, if it is known.
    original: Option<Size>,
}

impl Mismatch {
    /// The error for a data set of which `wrong` of `annotated` films do not fit; this one is the
    /// first. Only the log names the film, which may identify a patient.
    fn refusal(&self, root: &Path, wrong: usize, annotated: usize) -> Error {
        tracing::debug!("the boxes or the mask of {} do not fit", self.film);
        let (width, height) = self.size;
        let what = match self.original {
            Some((columns, rows)) => {
                format!("its boxes or mask are in pixels of a film of {columns}×{rows} px")
            }
            None => "its boxes reach beyond the edge".to_owned(),
        };
        let scale = match self.original {
            Some(original) if mask::same_shape(original, self.size) => {
                ", or scale boxes and masks to the films with --scale-boxes"
            }
            Some(_) => " (the shapes differ, so nothing can be scaled)",
            None => {
                " (the table does not state the size of the originals, so nothing can be scaled)"
            }
        };
        Error::file(
            root,
            format!(
                "boxes or masks do not fit {wrong} of the {annotated} films that have any; the \
                 first such film has {width}×{height} px, and {what} (-v names it). The films seem \
                 to be resized copies: give the folder of the originals{scale}, or leave boxes and \
                 masks out with --no-boxes, which is enough for classification"
            ),
        )
    }
}

/// Compares the boxes and the mask of a film with its size. `original` is the size that its boxes
/// are in pixels of. With `scale`, scales them.
fn fit_film(
    mut record: Record,
    original: Option<Size>,
    scale: bool,
) -> std::result::Result<Record, Mismatch> {
    let Ok(size) = mflag_film::size(&record.path, &Limits::default()) else {
        return Ok(record);
    };
    let mismatch = |original| {
        Err(Mismatch {
            film: record.film.clone(),
            size,
            original,
        })
    };
    let can_scale = |from: Size| scale && mask::same_shape(from, size);
    if !record.boxes.is_empty() {
        match original {
            Some(from) if from == size => {}
            Some(from) if can_scale(from) => {
                record
                    .boxes
                    .iter_mut()
                    .for_each(|b| scale_box(b, from, size));
            }
            Some(from) => return mismatch(Some(from)),
            None => {}
        }
        if !record.boxes.iter().all(|b| b.fits(size)) {
            return mismatch(None);
        }
    }
    match mask_size(&record) {
        Some(from) if from != size => {
            if !can_scale(from) {
                return mismatch(Some(from));
            }
            scale_mask(&mut record, size);
        }
        _ => {}
    }
    Ok(record)
}

fn scale_box(scaled: &mut BoundingBox, from: Size, to: Size) {
    let x = f64::from(to.0) / f64::from(from.0);
    let y = f64::from(to.1) / f64::from(from.1);
    scaled.x *= x;
    scaled.width *= x;
    scaled.y *= y;
    scaled.height *= y;
}

/// The size of a film's mask; `None` without a mask, or if its file cannot be read.
fn mask_size(record: &Record) -> Option<Size> {
    match record.mask.as_ref()? {
        Mask::Runs { width, height, .. } => Some((*width, *height)),
        Mask::File { path, .. } => mflag_film::size(path, &Limits::default()).ok(),
    }
}

fn scale_mask(record: &mut Record, (width, height): Size) {
    match &mut record.mask {
        Some(Mask::File { scale, .. }) => *scale = true,
        Some(runs) => {
            // Runs that leave the mask stay as they are, and the preparation refuses them.
            if let Ok(scaled) = mask::scale(runs, width, height) {
                *runs = scaled;
            }
        }
        None => {}
    }
}
