//! From the view that a network sees back to the film.

use mflag_film::Fit;
use mflag_store::BoundingBox;
use mflag_store::mask::Frame;

use crate::error::Result;

/// Where the middle of a film's square lies on the film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    frame: Frame,
    /// Pixels of the square before the view begins, in both directions.
    start: f64,
    side: u32,
    size: [u32; 2],
}

impl Place {
    /// Of a film of `size` (columns and rows), in a square of `square` pixels, whose middle of `side` pixels is seen.
    ///
    /// # Errors
    /// If one of them is 0.
    pub fn new(size: [u32; 2], square: u32, fit: Fit, side: u32) -> Result<Place> {
        Ok(Place {
            frame: Frame::new(size[0], size[1], square, fit)?,
            start: f64::from((square - side) / 2),
            side,
            size,
        })
    }

    /// Columns and rows of the film.
    pub fn size(&self) -> [u32; 2] {
        self.size
    }

    /// A box of the view in the film; `None` if it lies in the bars beside it.
    pub fn box_to_film(&self, of_view: &BoundingBox) -> Option<BoundingBox> {
        let of_square = BoundingBox {
            x: of_view.x + self.start,
            y: of_view.y + self.start,
            ..of_view.clone()
        };
        self.frame.box_to_film(&of_square)
    }

    /// A map over the view (`side · side` values) as one over the film, row by row: bilinear, 0 where the view does not
    /// reach.
    pub fn map_to_film(&self, of_view: &[f32]) -> Vec<f32> {
        let [width, height] = self.size;
        let side = self.side as usize;
        let last = side as f64 - 1.0;
        let place = |x: f64, y: f64| {
            let (u, v) = self.frame.to_square((x + 0.5, y + 0.5));
            (u - self.start, v - self.start)
        };
        // Columns are the same in every row, and the other way round.
        let columns: Vec<f64> = (0..width).map(|x| place(x.into(), 0.0).0).collect();
        let mut film = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            let v = place(0.0, y.into()).1;
            for &u in &columns {
                let seen = |at: f64| (0.0..side as f64).contains(&at);
                if !seen(u) || !seen(v) {
                    film.push(0.0);
                    continue;
                }
                let (u, v) = ((u - 0.5).clamp(0.0, last), (v - 0.5).clamp(0.0, last));
                let (left, top) = (u as usize, v as usize);
                let (right, below) = ((left + 1).min(side - 1), (top + 1).min(side - 1));
                let (across, down) = (u.fract() as f32, v.fract() as f32);
                let at = |x: usize, y: usize| of_view[y * side + x];
                let upper = at(left, top) + (at(right, top) - at(left, top)) * across;
                let lower = at(left, below) + (at(right, below) - at(left, below)) * across;
                film.push(upper + (lower - upper) * down);
            }
        }
        film
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_the_view_lies_where_the_film_is() {
        // A film of 8×4 in a square of 4 by padding: rows 1 and 2 of the square.
        let place = Place::new([8, 4], 4, Fit::Pad, 4).unwrap();
        let mut view = vec![0.0; 16];
        view[4..8].fill(1.0);
        let film = place.map_to_film(&view);
        assert_eq!(film.len(), 32);
        assert!(film[..8].iter().all(|v| *v > 0.7), "{film:?}");
        assert!(film[24..].iter().all(|v| *v < 0.3), "{film:?}");
    }

    #[test]
    fn a_box_goes_there_and_back() {
        let place = Place::new([80, 40], 40, Fit::Pad, 32).unwrap();
        let of_view = BoundingBox {
            label: "a".into(),
            x: 6.0,
            y: 12.0,
            width: 10.0,
            height: 5.0,
        };
        let found = place.box_to_film(&of_view).unwrap();
        assert_eq!(
            (found.x, found.y, found.width, found.height),
            (20.0, 12.0, 20.0, 10.0)
        );
        let beyond = BoundingBox {
            y: 0.0,
            height: 2.0,
            ..of_view
        };
        assert!(place.box_to_film(&beyond).is_none());
    }
}
