//! The best, median and worst films of an evaluation, drawn for its report.

use std::path::Path;
use std::sync::Arc;

use mflag_core::atomic;
use mflag_film::Film;
use mflag_metrics::detection::Rect;
use mflag_report::qualitative::{CASES, ExampleFilm, Rank};
use mflag_store::augment::View;
use mflag_store::mask::SET;
use mflag_store::picture::{Colour, Picture, colour};
use mflag_store::{BoundingBox, Store};

use crate::error::Result;
use crate::films::Films;
use crate::head::Head;
use crate::model::Model;

/// Films of each rank.
const EACH: usize = 3;
/// Views are drawn a whole number of times as large, up to so many pixels.
const SIDE: u32 = 320;
/// The folder of the drawings.
const FOLDER: &str = "cases";

/// A view of a film to draw on.
#[derive(Debug, Clone)]
pub struct Drawing {
    picture: Picture,
    side: u32,
    scale: u32,
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// What is true, in orange.
    True,
    /// What was found, in blue.
    Found,
}

impl Mark {
    fn colour(self) -> Colour {
        match self {
            Mark::True => colour(0),
            Mark::Found => colour(1),
        }
    }
}

impl Drawing {
    fn new(view: &Film) -> Drawing {
        let side = view.width;
        let scale = (SIDE / side).max(1);
        let mut picture = Picture::new(side * scale, side * scale);
        picture.film(&enlarged(side, scale, |i| view.pixels[i]), (0, 0));
        Drawing {
            picture,
            side,
            scale,
        }
    }

    /// A mask: whether each pixel of the view is set, row by row.
    pub fn mask(&mut self, set: impl Fn(usize) -> bool, mark: Mark) {
        let mask = enlarged(self.side, self.scale, |i| if set(i) { SET } else { 0 });
        self.picture.mask(&mask, (0, 0), mark.colour());
    }

    /// A box, in pixels of the view.
    pub fn rect(&mut self, place: &Rect, mark: Mark) {
        let scale = f64::from(self.scale);
        let place = BoundingBox {
            label: String::new(),
            x: place.x * scale,
            y: place.y * scale,
            width: place.width * scale,
            height: place.height * scale,
        };
        let width = self.side * self.scale;
        self.picture
            .outline(&place, "", (0, 0), width, mark.colour());
    }
}

/// A square of `side` pixels, each `scale` times as wide and high.
fn enlarged(side: u32, scale: u32, pixel: impl Fn(usize) -> u8) -> Film {
    let mut film = Film::filled(side * scale, side * scale, 0);
    for (place, value) in (0..).zip(&mut film.pixels) {
        let (x, y) = (place % film.width, place / film.width);
        *value = pixel((y / scale * side + x / scale) as usize);
    }
    film
}

/// Draws films of `store` that were judged as `cases` into the folder `out`.
pub(crate) fn write<H: Head>(
    model: &Model<H>,
    store: &Arc<Store>,
    films: &[usize],
    cases: &[H::Case],
    out: &Path,
) -> Result<()> {
    let Some(metric) = H::FILMS_BY else {
        return Ok(());
    };
    let mut values = Vec::with_capacity(films.len());
    for (&film, case) in films.iter().zip(cases) {
        values.extend(H::film_value(case)?.map(|value| (value, film)));
    }
    let chosen = choose(values);
    let folder = out.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| mflag_core::Error::io("create", &folder, e))?;
    clear(&folder).map_err(|e| mflag_core::Error::io("clear", &folder, e))?;
    let mut drawn = Vec::with_capacity(chosen.len());
    if !chosen.is_empty() {
        let films = chosen.iter().map(|(_, _, film)| *film).collect();
        let films = Films::<H>::new(&model.config, &model.facts, store.clone(), films)?;
        let view = View::centre(store.side(), model.preprocess().side);
        let mut left = chosen.iter();
        model
            .network
            .judge(&films, None, |_, films, predictions, targets| {
                for ((&film, prediction), target) in films.iter().zip(&predictions).zip(targets) {
                    let side = model.preprocess().side;
                    let mut seen = Film::filled(side, side, 0);
                    view.film(&store.pixels(film), &mut seen.pixels);
                    let mut drawing = Drawing::new(&seen);
                    let words = H::draw_case(&model.facts, &mut drawing, prediction, target);
                    let image = format!("{FOLDER}/{}.png", film + 1);
                    drawing.picture.write(&out.join(&image))?;
                    drawn.extend(left.next().map(|&(rank, value, _)| ExampleFilm {
                        rank,
                        metric: metric.to_owned(),
                        value,
                        line: film + 1,
                        film: store.records()[film].film.clone(),
                        image,
                        words,
                    }));
                }
                Ok(())
            })?;
    }
    Ok(atomic::write_json(&out.join(CASES), &drawn)?)
}

/// Removes the drawings of an earlier evaluation, and nothing else that may lie there.
fn clear(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_png = path.extension().is_some_and(|ending| ending == "png");
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if is_png && stem.is_some_and(|line| line.parse::<usize>().is_ok()) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Up to [`EACH`] of the highest values, of those in the middle of what is left, and of the lowest; each film once. Equal ones in their order.
fn choose(mut values: Vec<(f64, usize)>) -> Vec<(Rank, f64, usize)> {
    values.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let best = values.len().min(EACH);
    let worst = (values.len() - best).min(EACH);
    let rest = best..values.len() - worst;
    let median = rest.len().min(EACH);
    let from = rest.start + (rest.len() - median) / 2;
    let places = [
        (Rank::Best, 0..best),
        (Rank::Median, from..from + median),
        (Rank::Worst, rest.end..values.len()),
    ];
    let of_rank = |(rank, places): (Rank, std::ops::Range<usize>)| {
        let of = values[places].iter();
        of.map(move |&(value, film)| (rank, value, film))
    };
    places.into_iter().flat_map(of_rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_are_shown_once_in_the_order_of_their_values() {
        let values = (0..100).map(|film| (f64::from(film as u32 / 2), film));
        let chosen = choose(values.collect());
        let films = |rank: Rank| -> Vec<usize> {
            let of_rank = chosen.iter().filter(|c| c.0 == rank);
            of_rank.map(|c| c.2).collect()
        };
        assert_eq!(films(Rank::Best), [98, 99, 96]);
        assert_eq!(films(Rank::Median), [50, 51, 48]);
        assert_eq!(films(Rank::Worst), [3, 0, 1]);
        for number in 0..9 {
            let few = choose((0..number).map(|film| (1.0, film)).collect());
            assert_eq!(few.len(), number);
        }
    }

    #[test]
    fn views_are_drawn_larger_with_what_is_true_and_found() {
        let mut view = Film::filled(64, 64, 10);
        view.pixels[0] = 200;
        let mut drawing = Drawing::new(&view);
        assert_eq!((drawing.scale, drawing.side), (5, 64));
        let place = Rect {
            x: 8.0,
            y: 16.0,
            width: 20.0,
            height: 10.0,
        };
        drawing.mask(|i| i == 64 * 40 + 40, Mark::True);
        drawing.rect(&place, Mark::Found);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        drawing.picture.write(&file).unwrap();
        let drawn = image::open(&file).unwrap().into_rgb8();
        let at = |x: u32, y: u32| drawn.get_pixel(x, y).0;
        assert_eq!(drawn.dimensions(), (320, 320));
        // A pixel of the view is five wide; a box's edge is its colour, a mask's nearly, and the rest the film.
        assert_eq!([at(4, 4), at(5, 5)], [[200; 3], [10; 3]]);
        assert_eq!(at(40, 100), [86, 180, 233]);
        let [red, _, blue] = at(200, 200);
        assert!(red > 200 && blue < 10, "{red} {blue}");
    }
}
