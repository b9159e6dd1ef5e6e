//! Maps the view that a network sees back to the film.

use mflag_film::{Placement, Squaring, centre_start};
use mflag_store::BoundingBox;

use crate::error::Result;

/// Maps the view, which is the centre of a film's square, back to the film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewToFilm {
    placement: Placement,
    /// Pixels of the square before the view, in both directions.
    start: f64,
    /// Side of the view in pixels.
    side: u32,
}

impl ViewToFilm {
    /// The mapping for a film of `size` (columns and rows). `squaring` makes its square, and the
    /// view is the central `side` × `side` pixels of that square. `side` is at most the square's
    /// side.
    ///
    /// # Errors
    /// If a side of the film or of the square is 0.
    pub fn new(size: [u32; 2], squaring: &Squaring, side: u32) -> Result<ViewToFilm> {
        let placement = squaring.placement(size);
        Ok(ViewToFilm {
            placement: placement.map_err(mflag_store::Error::from)?,
            start: centre_start(squaring.side, side).into(),
            side,
        })
    }

    /// Columns and rows of the film.
    pub fn size(&self) -> [u32; 2] {
        self.placement.film_size()
    }

    /// Maps a box from the view to the film. `None` if it lies in the bars beside the film.
    pub fn box_to_film(&self, in_view: &BoundingBox) -> Option<BoundingBox> {
        let in_square = BoundingBox {
            x: in_view.x + self.start,
            y: in_view.y + self.start,
            ..in_view.clone()
        };
        in_square.to_film(&self.placement)
    }

    /// Resamples a map with a value per pixel of the view (`side · side` values) to the pixels of
    /// the film, row by row. It interpolates bilinearly; outside of the view, values are 0.
    pub fn map_to_film(&self, view: &[f32]) -> Vec<f32> {
        let [width, height] = self.size();
        let in_view = |x: u32, y: u32| {
            let pixel_centre = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            let (u, v) = self.placement.to_square(pixel_centre);
            (u - self.start, v - self.start)
        };
        // All rows have the same columns, and all columns the same rows.
        let columns: Vec<f64> = (0..width).map(|x| in_view(x, 0).0).collect();
        let rows = (0..height).map(|y| in_view(0, y).1);
        rows.flat_map(|v| columns.iter().map(move |&u| (u, v)))
            .map(|position| bilinear(view, self.side as usize, position))
            .collect()
    }
}

/// The value of a map of `side · side` values at a position (x, y); 0 outside of the map.
fn bilinear(map: &[f32], side: usize, (u, v): (f64, f64)) -> f32 {
    let inside = |position: f64| (0.0..side as f64).contains(&position);
    if !inside(u) || !inside(v) {
        return 0.0;
    }
    let last = side as f64 - 1.0;
    let (u, v) = ((u - 0.5).clamp(0.0, last), (v - 0.5).clamp(0.0, last));
    let (left, top) = (u as usize, v as usize);
    let (right, below) = ((left + 1).min(side - 1), (top + 1).min(side - 1));
    let (across, down) = (u.fract() as f32, v.fract() as f32);
    let at = |x: usize, y: usize| map[y * side + x];
    let upper = at(left, top) + (at(right, top) - at(left, top)) * across;
    let lower = at(left, below) + (at(right, below) - at(left, below)) * across;
    upper + (lower - upper) * down
}

#[cfg(test)]
mod tests {
    use mflag_film::Fit;

    use super::*;

    #[test]
    fn a_map_of_the_view_lies_where_the_film_is() {
        // A film of 8×4 padded to a square of 4: rows 1 and 2 of the square.
        let view_to_film = ViewToFilm::new([8, 4], &Squaring::new(4, Fit::Pad), 4).unwrap();
        let mut view = vec![0.0; 16];
        view[4..8].fill(1.0);
        let film = view_to_film.map_to_film(&view);
        assert_eq!(film.len(), 32);
        assert!(film[..8].iter().all(|v| *v > 0.7), "{film:?}");
        assert!(film[24..].iter().all(|v| *v < 0.3), "{film:?}");
    }

    #[test]
    fn boxes_are_mapped_to_the_film() {
        let view_to_film = ViewToFilm::new([80, 40], &Squaring::new(40, Fit::Pad), 32).unwrap();
        let in_view = BoundingBox {
            label: "a".into(),
            x: 6.0,
            y: 12.0,
            width: 10.0,
            height: 5.0,
        };
        let on_film = view_to_film.box_to_film(&in_view).unwrap();
        assert_eq!(
            (on_film.x, on_film.y, on_film.width, on_film.height),
            (20.0, 12.0, 20.0, 10.0)
        );
        let in_the_bar = BoundingBox {
            y: 0.0,
            height: 2.0,
            ..in_view
        };
        assert!(view_to_film.box_to_film(&in_the_bar).is_none());
    }
}
