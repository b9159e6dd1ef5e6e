//! Charts of values with intervals, a row each.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{Axis, Placed};
use super::{Ids, WIDTH, figure, px};
use crate::number::{short, with_interval};

/// Height of a row: the name, and below it the interval.
const ROW: f64 = 38.0;
const LEFT: f64 = 18.0;
const RIGHT: f64 = WIDTH - 18.0;
/// Height of the axis below the rows.
const BELOW: f64 = 44.0;
/// Number of letters of a name that fit into a row beside the value.
const LETTERS: usize = 34;

/// A value and its interval.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) interval: Option<[f64; 2]>,
}

/// Rows with a common axis.
#[derive(Debug, Clone)]
pub(crate) struct Intervals {
    pub(crate) title: String,
    pub(crate) axis: Axis,
    pub(crate) rows: Vec<Row>,
    /// A value to compare the rows with, and its name.
    pub(crate) level: Option<(f64, &'static str)>,
}

impl Intervals {
    /// The chart as a `figure`.
    pub(crate) fn render(&self, ids: &Ids) -> Markup {
        let bottom = ROW * self.rows.len() as f64 + 8.0;
        let values = self.rows.iter().flat_map(|row| {
            let [low, high] = row.ends();
            [low, row.value, high]
        });
        let level = self.level.map(|(level, _)| level);
        let axis = self.axis.place(values.chain(level), [LEFT, RIGHT]);
        let drawing = html! {
            (self.frame(&axis, bottom))
            g class="c0" {
                @for (index, row) in self.rows.iter().enumerate() {
                    (row.draw(ROW * index as f64, &axis))
                }
            }
        };
        let height = bottom + BELOW;
        figure(ids, &self.title, &self.words(), height, &drawing, &html! {})
    }

    /// Ticks, the level, and the label of the axis.
    fn frame(&self, axis: &Placed, bottom: f64) -> Markup {
        html! {
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
        }
    }

    /// The chart in words.
    fn words(&self) -> String {
        let mut words = format!("{}.", self.axis.label);
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = write!(words, " {}.", row.words());
        }
        words
    }
}

impl Row {
    /// The ends of the interval, or the value twice.
    fn ends(&self) -> [f64; 2] {
        self.interval.unwrap_or([self.value; 2])
    }

    fn words(&self) -> String {
        let value = with_interval(self.value, self.interval);
        format!("{}: {value}", self.name)
    }

    fn draw(&self, top: f64, axis: &Placed) -> Markup {
        let [low, high] = self.ends();
        let (middle, at) = (top + 25.0, axis.at(self.value));
        html! {
            text class="row" x=(px(LEFT + 5.0)) y=(px(top + 16.0)) { (cut(&self.name)) }
            text class="row figure" x=(px(RIGHT - 5.0)) y=(px(top + 16.0)) text-anchor="end" { (short(self.value)) }
            path class="bar" d={ "M" (px(axis.at(low))) " " (px(middle)) "H" (px(axis.at(high))) } {}
            circle class="mark" cx=(px(at)) cy=(px(middle)) r="4" { title { (self.words()) } }
        }
    }
}

/// A name, cut to fit. The table beside the chart has the full name.
fn cut(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LETTERS - 1).collect();
    format!("{kept}…")
}
