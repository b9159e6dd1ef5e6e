//! Object-CXR: `train.csv`, `dev.csv`, `test.csv`, and the films in `train/`, `dev/` and `test/`. Discs are ellipses there, clips
//! rectangles, necklaces polygons.

use mflag_core::Named;
use std::path::Path;

use serde::Serialize;

use super::{jpeg, write, write_table};
use crate::disk::{Entry, Options};
use crate::{Bounds, Case, Form, Located, Object};
use mflag_store::{Result, Split};

/// A film.
#[derive(Serialize)]
pub(crate) struct Written {
    film: String,
    split: Split,
    #[serde(skip)]
    annotation: String,
}

fn part(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Validate => "dev",
        Split::Test => "test",
    }
}

/// Writes a film.
pub(crate) fn film(out: &Path, options: &Options, case: &Case) -> Result<Written> {
    let split = options.split(&case.study);
    let film = format!("{:05}.jpg", case.study.index + 1);
    let path = out.join(part(split)).join(&film);
    write(&path, &jpeg(&case.film, &path)?)?;
    let shapes = case.objects.iter().map(|o| shape(o, case.film.width));
    Ok(Written {
        film,
        split,
        annotation: shapes.collect::<Vec<_>>().join(";"),
    })
}

/// An object as the tables write it: 0 rectangle, 1 ellipse (both by corners), 2 polygon.
fn shape(object: &Located<Object>, width: u32) -> String {
    let Bounds { x, y, w, h } = object.bounds;
    let corners = format!("{x} {y} {} {}", x + w, y + h);
    match object.finding.form {
        Form::Clip => format!("0 {corners}"),
        Form::Coin | Form::Button => format!("1 {corners}"),
        Form::Necklace => {
            let points = outline(object, width);
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x} {y}")).collect();
            format!("2 {}", points.join(" "))
        }
    }
}

/// The convex outline of a mask, in corners of its pixels.
fn outline(object: &Located<Object>, width: u32) -> Vec<(i64, i64)> {
    let Bounds { y, h, .. } = object.bounds;
    let mut corners = Vec::new();
    for (row, line) in (0..)
        .zip(object.mask.chunks_exact(width as usize))
        .skip(y as usize)
        .take(h as usize)
    {
        let set = |cell: &u8| *cell == 1;
        if let (Some(left), Some(right)) = (line.iter().position(set), line.iter().rposition(set)) {
            for x in [left as i64, right as i64 + 1] {
                corners.extend([(x, row), (x, row + 1)]);
            }
        }
    }
    corners.sort_unstable();
    let mut outline = chain(corners.iter());
    outline.extend(chain(corners.iter().rev()));
    outline
}

/// Half of a convex outline: the points on one side of the line from the first to the last, without the last (Andrew's
/// monotone chain).
fn chain<'a>(points: impl Iterator<Item = &'a (i64, i64)>) -> Vec<(i64, i64)> {
    let mut chain: Vec<(i64, i64)> = Vec::new();
    for &(x, y) in points {
        while let [.., (ax, ay), (bx, by)] = chain[..]
            && (bx - ax) * (y - ay) <= (by - ay) * (x - ax)
        {
            chain.pop();
        }
        chain.push((x, y));
    }
    chain.pop();
    chain
}

/// Writes the three tables.
pub(crate) fn tables(out: &Path, entries: &[Entry<Written>]) -> Result<()> {
    for &split in Split::ALL {
        let of_part = entries.iter().filter(|entry| entry.film.split == split);
        let rows = of_part.map(|entry| [&entry.film.film, &entry.film.annotation]);
        let path = out.join(format!("{}.csv", part(split)));
        write_table(&path, &["image_name", "annotation"], rows)?;
    }
    Ok(())
}
