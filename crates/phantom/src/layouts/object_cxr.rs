//! Object-CXR: `train.csv`, `dev.csv` and `test.csv`, with the films in `train/`, `dev/` and
//! `test/`. Coins and buttons are ellipses in the tables, clips rectangles, necklaces polygons.

use std::ops::RangeInclusive;
use std::path::Path;

use mflag_core::Named;
use mflag_store::{Result, Split};
use serde::Serialize;

use super::ANY_SIDE;
use super::files::{jpeg, write, write_table};
use crate::recipe::Recipe;
use crate::write::write_films;
use crate::{Bounds, Case, Entry, Form, Layout, Located, Object, Options};

/// Object-CXR.
#[derive(Debug, Clone, Copy)]
pub struct ObjectCxr;

/// A film.
#[derive(Debug, Serialize)]
pub struct Written {
    film: String,
    split: Split,
    #[serde(skip)]
    annotation: String,
}

impl Layout for ObjectCxr {
    fn name(&self) -> &'static str {
        "object-cxr"
    }

    fn meaning(&self) -> &'static str {
        "Object-CXR: foreign objects with their outlines"
    }

    fn sides(&self) -> RangeInclusive<u32> {
        ANY_SIDE
    }

    fn default_side(&self) -> u32 {
        1024
    }

    fn splits(&self) -> &'static [Split] {
        Split::ALL
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            one_film_per_patient: true,
            objects: Some(0.5),
            ..Recipe::ARCHIVE
        }
    }

    type Written = Written;

    fn film(&self, out: &Path, options: &Options, case: &Case) -> Result<Written> {
        let split = options.split(&case.study);
        let film = format!("{:05}.jpg", case.study.index + 1);
        let path = out.join(folder(split)).join(&film);
        write(&path, &jpeg(&case.film, &path)?)?;
        let shapes = case.objects.iter().map(|o| shape(o, case.film.width));
        Ok(Written {
            film,
            split,
            annotation: shapes.collect::<Vec<_>>().join(";"),
        })
    }

    fn tables(&self, out: &Path, entries: &[Entry<Written>]) -> Result<()> {
        for &split in Split::ALL {
            let of_split = entries.iter().filter(|entry| entry.written.split == split);
            let rows = of_split.map(|entry| [&entry.written.film, &entry.written.annotation]);
            let path = out.join(format!("{}.csv", folder(split)));
            write_table(&path, &["image_name", "annotation"], rows)?;
        }
        Ok(())
    }

    fn write(&self, out: &Path, options: &Options) -> Result<()> {
        write_films(self, out, options)
    }
}

fn folder(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validate => "dev",
        Split::Test => "test",
    }
}

/// An object as the tables write it: 0 (rectangle) or 1 (ellipse) with left, top, right and bottom,
/// or 2 (polygon) with the points.
fn shape(object: &Located<Object>, width: u32) -> String {
    let Bounds { x, y, w, h } = object.bounds;
    let corners = format!("{x} {y} {} {}", x + w, y + h);
    match object.finding.form {
        Form::Clip => format!("0 {corners}"),
        Form::Coin | Form::Button => format!("1 {corners}"),
        Form::Necklace => {
            let points = convex_hull(object, width);
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
            format!("2 {}", points.join(" "))
        }
    }
}

/// The convex hull of a mask's pixels, by the pixels' corners.
fn convex_hull(object: &Located<Object>, width: u32) -> Vec<(i64, i64)> {
    let Bounds { y, h, .. } = object.bounds;
    let rows = (0..).zip(object.mask.chunks_exact(width as usize));
    let mut corners = Vec::new();
    for (row, line) in rows.skip(y as usize).take(h as usize) {
        let is_set = |cell: &u8| *cell == 1;
        let (first, last) = (line.iter().position(is_set), line.iter().rposition(is_set));
        if let (Some(left), Some(right)) = (first, last) {
            for x in [left as i64, right as i64 + 1] {
                corners.extend([(x, row), (x, row + 1)]);
            }
        }
    }
    corners.sort_unstable();
    let mut hull = half_hull(corners.iter());
    hull.extend(half_hull(corners.iter().rev()));
    hull
}

/// The hull's points on one side of the line from the first point to the last, without the last
/// (Andrew's monotone chain).
fn half_hull<'a>(points: impl Iterator<Item = &'a (i64, i64)>) -> Vec<(i64, i64)> {
    let mut hull: Vec<(i64, i64)> = Vec::new();
    for &(x, y) in points {
        while let [.., (ax, ay), (bx, by)] = hull[..]
            && (bx - ax) * (y - ay) <= (by - ay) * (x - ax)
        {
            hull.pop();
        }
        hull.push((x, y));
    }
    hull.pop();
    hull
}
