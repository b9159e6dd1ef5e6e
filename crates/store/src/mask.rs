//! Masks and boxes in the square that a film becomes: the same way as the film's, so that they stay over each other.

use std::path::Path;

use mflag_film::{Film, Fit, Limits, Placement};

use crate::{BoundingBox, Error, Mask, Result, rle};

/// The grey of a pixel that is set.
pub const SET: u8 = 255;

/// A film's size, and the square that [`mflag_film::square`] makes of it.
///
/// Places are in pixels from the upper left corner, of the film or of the square; the first pixel reaches from 0 to 1.
/// A box maps as the pixels under it do, within the one pixel of the square that rounding the film's size can give.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    width: u32,
    height: u32,
    side: u32,
    fit: Fit,
    across: Axis,
    down: Axis,
}

/// One direction: film × scale + shift = square.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    scale: f64,
    shift: f64,
}

impl Axis {
    /// What takes `length` pixels of the film from `start` on to `scaled` pixels of the square from `at` on.
    fn new(start: f64, length: f64, at: u32, scaled: u32) -> Axis {
        let scale = f64::from(scaled) / length;
        Axis {
            scale,
            shift: f64::from(at) - start * scale,
        }
    }

    fn to_square(self, place: f64) -> f64 {
        place * self.scale + self.shift
    }

    fn to_film(self, place: f64) -> f64 {
        (place - self.shift) / self.scale
    }
}

impl Frame {
    /// Of a film of `width` × `height` in a square of `side`, all at least 1.
    ///
    /// # Errors
    /// If one of them is 0.
    pub fn new(width: u32, height: u32, side: u32, fit: Fit) -> Result<Frame> {
        if width == 0 || height == 0 || side == 0 {
            let told = format!("a film of {width} × {height} in a square of {side} is nothing");
            return Err(Error::Data(told));
        }
        let place = Placement::new(width, height, side, fit);
        let part = place.part;
        Ok(Frame {
            width,
            height,
            side,
            fit,
            across: Axis::new(part.left, part.width, place.left, place.width),
            down: Axis::new(part.top, part.height, place.top, place.height),
        })
    }

    /// The place of a point (x, y) of the film in the square; outside of it where the film was cut off.
    pub fn to_square(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.across.to_square(x), self.down.to_square(y))
    }

    /// The place of a point (x, y) of the square in the film; outside of it in the bars.
    pub fn to_film(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.across.to_film(x), self.down.to_film(y))
    }

    /// A box of the film in the square, cut at its edges; `None` if nothing of it is there.
    pub fn box_to_square(&self, of_film: &BoundingBox) -> Option<BoundingBox> {
        mapped(of_film, |p| self.to_square(p), (self.side, self.side))
    }

    /// A box of the square, such as a predicted one, in the film, cut at its edges; `None` if it lies in the bars.
    pub fn box_to_film(&self, of_square: &BoundingBox) -> Option<BoundingBox> {
        mapped(of_square, |p| self.to_film(p), (self.width, self.height))
    }

    /// A mask of the film in the square: [`SET`] where half of a pixel or more is covered, else 0.
    ///
    /// # Errors
    /// Those of [`plane`].
    pub fn mask_to_square(&self, mask: &Mask) -> Result<Film> {
        let plane = plane(mask, self.width, self.height)?;
        let mut square = mflag_film::square(&plane, self.side, self.fit);
        for pixel in &mut square.pixels {
            *pixel = if *pixel > SET / 2 { SET } else { 0 };
        }
        Ok(square)
    }
}

/// `given` with its corners taken through `map`, cut to a plane of this size.
fn mapped(
    given: &BoundingBox,
    map: impl Fn((f64, f64)) -> (f64, f64),
    (width, height): (u32, u32),
) -> Option<BoundingBox> {
    let (left, top) = map((given.x, given.y));
    let (right, bottom) = map((given.x + given.width, given.y + given.height));
    let (x, y) = (left.max(0.0), top.max(0.0));
    let (width, height) = (
        right.min(f64::from(width)) - x,
        bottom.min(f64::from(height)) - y,
    );
    (width > 0.0 && height > 0.0).then(|| BoundingBox {
        label: given.label.clone(),
        x,
        y,
        width,
        height,
    })
}

/// A mask as a plane of the film's size: [`SET`], or 0.
///
/// # Errors
/// The mask is of another size than the film, runs leave it, or the mask's file cannot be decoded.
pub fn plane(mask: &Mask, width: u32, height: u32) -> Result<Film> {
    match mask {
        Mask::Runs {
            width: columns,
            height: rows,
            runs,
        } => {
            if (*columns, *rows) != (width, height) {
                return Err(Error::Data(other_size((*columns, *rows), (width, height))));
            }
            let pixels = u64::from(width) * u64::from(height);
            if runs
                .iter()
                .any(|&[start, length]| u64::from(start) + u64::from(length) > pixels)
            {
                let told = format!("a run of the mask leaves its plane of {width} × {height}");
                return Err(Error::Data(told));
            }
            let mut plane = Film::filled(width, height, 0);
            rle::draw(runs, &mut plane.pixels, width, SET);
            Ok(plane)
        }
        Mask::File { path } => from_file(path, width, height),
    }
}

/// The same mask in runs, which need no file.
///
/// # Errors
/// Those of [`plane`].
pub fn in_runs(mask: &Mask, width: u32, height: u32) -> Result<Mask> {
    let plane = plane(mask, width, height)?;
    Ok(Mask::Runs {
        width,
        height,
        runs: rle::from_plane(&plane.pixels, width),
    })
}

fn from_file(path: &Path, width: u32, height: u32) -> Result<Film> {
    // Not as a film: a window makes the least values of a deep one black.
    let stored = mflag_film::decode_stored(path, &Limits::default())?;
    if (stored.width, stored.height) != (width, height) {
        let told = other_size((stored.width, stored.height), (width, height));
        return Err(Error::file(path, told));
    }
    let set = |value: &u16| if *value > 0 { SET } else { 0 };
    Ok(Film {
        width,
        height,
        pixels: stored.pixels.iter().map(set).collect(),
    })
}

/// What a mask of another size than its film is called.
pub fn other_size(mask: (u32, u32), film: (u32, u32)) -> String {
    format!(
        "the mask is of {} × {} pixels and its film of {} × {}: they do not belong together, or one was resized",
        mask.0, mask.1, film.0, film.1
    )
}

/// The union of boxes on a film of `width` × `height`, as RSNA's boxes become masks in segmentation. A pixel is set if
/// its centre is in a box; what is beyond the film does not count.
pub fn of_boxes(boxes: &[BoundingBox], width: u32, height: u32) -> Mask {
    // The pixels with their centre between two edges.
    let between = |from: f64, to: f64, length: u32| {
        let pixel = |edge: f64| (edge - 0.5).ceil().clamp(0.0, f64::from(length)) as u32;
        pixel(from)..pixel(to)
    };
    let columns = boxes.iter().map(|b| {
        let rows = between(b.y, b.y + b.height, height);
        let columns = between(b.x, b.x + b.width, width);
        let length = rows.end.saturating_sub(rows.start);
        columns
            .filter(|_| length > 0)
            .map(|x| [x * height + rows.start, length])
            .collect::<Vec<_>>()
    });
    let columns: Vec<Vec<[u32; 2]>> = columns.collect();
    Mask::Runs {
        width,
        height,
        runs: rle::union(columns.iter().map(Vec::as_slice)),
    }
}
