//! Maps the view that a network sees back to the film.

use mflag_film::{Area, Placement, ViewGeometry};
use mflag_store::BoundingBox;

/// Maps the view of a film's square back to the film.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewToFilm {
    placement: Placement,
    view: ViewGeometry,
}

impl ViewToFilm {
    /// The mapping for a film that lies in its square by `placement`, of which `view` makes the
    /// view.
    pub fn new(placement: Placement, view: ViewGeometry) -> ViewToFilm {
        ViewToFilm { placement, view }
    }

    /// Columns and rows of the film.
    pub fn size(&self) -> [u32; 2] {
        self.placement.film_size()
    }

    /// The part of the film that the view shows; `None` if it shows all of it.
    pub fn shown_part(&self) -> Option<Area> {
        if self.view.shown(&self.placement) > 1.0 - 1e-6 {
            return None;
        }
        self.placement.box_to_film(&self.view.part())
    }

    /// Maps a box from the view to the film. `None` if it lies in the bars beside the film.
    pub fn box_to_film(&self, in_view: &BoundingBox) -> Option<BoundingBox> {
        let (x, y) = self.view.to_square((in_view.x, in_view.y));
        let in_square = BoundingBox {
            label: in_view.label.clone(),
            x,
            y,
            width: in_view.width / self.view.scale(),
            height: in_view.height / self.view.scale(),
        };
        in_square.to_film(&self.placement)
    }

    /// Resamples a map with a value per pixel of the view (`side · side` values) to the pixels of
    /// the film, row by row. It interpolates bilinearly; outside of the view, values are 0.
    pub fn map_to_film(&self, view: &[f32]) -> Vec<f32> {
        let [width, height] = self.size();
        let in_view = |x: u32, y: u32| {
            let pixel_centre = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            self.view.to_view(self.placement.to_square(pixel_centre))
        };
        // All rows have the same columns, and all columns the same rows.
        let columns: Vec<f64> = (0..width).map(|x| in_view(x, 0).0).collect();
        let rows = (0..height).map(|y| in_view(0, y).1);
        rows.flat_map(|v| columns.iter().map(move |&u| (u, v)))
            .map(|position| bilinear(view, self.view.side() as usize, position))
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
        let placement = Placement::new(8, 4, 4, Fit::Pad).unwrap();
        let view_to_film = ViewToFilm::new(placement, ViewGeometry::whole(4));
        let mut view = vec![0.0; 16];
        view[4..8].fill(1.0);
        let film = view_to_film.map_to_film(&view);
        assert_eq!(film.len(), 32);
        assert!(film[..8].iter().all(|v| *v > 0.7), "{film:?}");
        assert!(film[24..].iter().all(|v| *v < 0.3), "{film:?}");
    }

    #[test]
    fn a_map_of_a_film_without_its_borders_lies_inside_them() {
        // The square of 2 shows columns 4 to 8 and rows 2 and 3 of the film.
        let placement = Placement::new(10, 6, 2, Fit::Official).unwrap();
        let placement = placement.with_part([4, 2, 4, 2]).unwrap();
        let film = ViewToFilm::new(placement, ViewGeometry::whole(2)).map_to_film(&[1.0; 4]);
        let shown = (0..60).filter(|i| film[*i] > 0.0);
        let expected = (2..4).flat_map(|row| (4..8).map(move |column| row * 10 + column));
        assert!(shown.eq(expected), "{film:?}");
    }

    #[test]
    fn boxes_are_mapped_to_the_film() {
        let placement = Placement::new(80, 40, 40, Fit::Pad).unwrap();
        let of = |view| ViewToFilm::new(placement, view);
        let view_to_film = of(ViewGeometry::new(40, 40, 32).unwrap());
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
            ..in_view.clone()
        };
        assert!(view_to_film.box_to_film(&in_the_bar).is_none());

        // The same place in a view of the whole square at half its size.
        let half = BoundingBox {
            x: (6.0 + 4.0) / 2.0,
            y: (12.0 + 4.0) / 2.0,
            width: 5.0,
            height: 2.5,
            ..in_view
        };
        let whole = of(ViewGeometry::new(40, 20, 20).unwrap());
        assert_eq!(whole.box_to_film(&half), Some(on_film));

        let part = |view: &ViewToFilm| {
            let Area {
                left,
                top,
                width,
                height,
            } = view.shown_part()?;
            Some([left, top, width, height])
        };
        assert_eq!(part(&whole), None);
        // 4 of 40 columns are cut off on each side, and none of the film's rows.
        assert_eq!(part(&view_to_film), Some([8.0, 0.0, 64.0, 40.0]));
    }
}
