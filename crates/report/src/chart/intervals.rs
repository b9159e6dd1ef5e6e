//! Values with their intervals, a row each.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::Axis;
use super::{Ids, WIDTH, figure, px};
use crate::number::{short, with_interval};

/// Height of a row: its name, and below it its interval.
const ROW: f64 = 38.0;
const LEFT: f64 = 18.0;
const RIGHT: f64 = WIDTH - 18.0;
/// Room for the axis below the rows.
const BELOW: f64 = 44.0;
/// Letters of a name that fit into a row beside its figures.
const LETTERS: usize = 34;

/// A value and its interval.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) interval: Option<[f64; 2]>,
}

/// Rows on one axis.
#[derive(Debug, Clone)]
pub(crate) struct Intervals {
    pub(crate) title: String,
    pub(crate) axis: Axis,
    pub(crate) rows: Vec<Row>,
    /// A value that rows are to be compared with, and its name.
    pub(crate) level: Option<(f64, &'static str)>,
}

impl Intervals {
    /// The chart as a `figure`.
    pub(crate) fn render(&self, ids: &Ids) -> Markup {
        let bottom = ROW * self.rows.len() as f64 + 8.0;
        let ends = |row: &Row| row.interval.unwrap_or([row.value; 2]);
        let values = self.rows.iter().flat_map(|row| {
            let [low, high] = ends(row);
            [low, row.value, high]
        });
        let level = self.level.map(|(level, _)| level);
        let axis = self.axis.place(values.chain(level), [LEFT, RIGHT]);
        let drawing = html! {
            @for (value, text) in &axis.ticks {
                @let at = px(axis.at(*value));
                path class="grid" d={ "M" (at) " 4V" (px(bottom)) } {}
                text x=(at) y=(px(bottom + 17.0)) text-anchor="middle" { (text) }
            }
            @if let Some((level, _)) = self.level {
                path class="rule" d={ "M" (px(axis.at(level))) " 4V" (px(bottom)) } {}
            }
            text class="name" x=(px(RIGHT)) y=(px(bottom + 36.0)) text-anchor="end" {
                (self.axis.label)
                @if let Some((level, name)) = self.level { "; dashed: " (name) ", " (short(level)) }
            }
            g class="c0" {
                @for (place, row) in self.rows.iter().enumerate() {
                    @let top = ROW * place as f64;
                    @let [low, high] = ends(row);
                    @let (middle, value) = (top + 25.0, axis.at(row.value));
                    text class="row" x=(px(LEFT + 5.0)) y=(px(top + 16.0)) { (cut(&row.name)) }
                    text class="row figure" x=(px(RIGHT - 5.0)) y=(px(top + 16.0)) text-anchor="end" { (short(row.value)) }
                    path class="bar" d={ "M" (px(axis.at(low))) " " (px(middle)) "H" (px(axis.at(high))) } {}
                    circle class="mark" cx=(px(value)) cy=(px(middle)) r="4" { title { (told(row)) } }
                }
            }
        };
        let mut words = format!("{}.", self.axis.label);
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = write!(words, " {}.", told(row));
        }
        figure(
            ids,
            &self.title,
            &words,
            bottom + BELOW,
            &drawing,
            &html! {},
        )
    }
}

fn told(row: &Row) -> String {
    format!("{}: {}", row.name, with_interval(row.value, row.interval))
}

/// A name that fits; the table beside has it whole.
fn cut(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LETTERS - 1).collect();
    format!("{kept}…")
}
