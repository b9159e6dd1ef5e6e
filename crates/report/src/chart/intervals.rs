//! Charts of values with intervals, a row each.

use std::fmt::Write;

use maud::{Markup, html};

use super::axis::{Axis, Placed};
use super::{Ids, WIDTH, figure, px};
use crate::number::{short, with_interval};

/// Height of a row: a line of the name, and below it the interval.
const ROW: f64 = 38.0;
/// Height of each further line of the name.
const LINE: f64 = 16.0;
const LEFT: f64 = 18.0;
const RIGHT: f64 = WIDTH - 18.0;
/// Height of the axis below the rows.
const BELOW: f64 = 44.0;
/// Number of letters of a name that fit into a line beside the value.
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
        let tops: Vec<f64> = self
            .rows
            .iter()
            .scan(0.0, |below, row| {
                let top = *below;
                *below += row.height();
                Some(top)
            })
            .collect();
        let bottom = self.rows.iter().map(Row::height).sum::<f64>() + 8.0;
        let values = self.rows.iter().flat_map(|row| {
            let [low, high] = row.ends();
            [low, row.value, high]
        });
        let level = self.level.map(|(level, _)| level);
        let axis = self.axis.place(values.chain(level), [LEFT, RIGHT]);
        let drawing = html! {
            (self.frame(&axis, bottom))
            g class="c0" {
                @for (row, top) in self.rows.iter().zip(tops) { (row.draw(top, &axis)) }
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

    fn height(&self) -> f64 {
        ROW + LINE * (lines(&self.name).len() - 1) as f64
    }

    fn words(&self) -> String {
        let value = with_interval(self.value, self.interval);
        format!("{}: {value}", self.name)
    }

    fn draw(&self, top: f64, axis: &Placed) -> Markup {
        let [low, high] = self.ends();
        let lines = lines(&self.name);
        let (middle, at) = (top + self.height() - 13.0, axis.at(self.value));
        html! {
            @for (number, line) in lines.iter().enumerate() {
                text class="row" x=(px(LEFT + 5.0)) y=(px(top + 16.0 + LINE * number as f64)) { (line) }
            }
            text class="row figure" x=(px(RIGHT - 5.0)) y=(px(top + 16.0)) text-anchor="end" { (short(self.value)) }
            path class="bar" d={ "M" (px(axis.at(low))) " " (px(middle)) "H" (px(axis.at(high))) } {}
            circle class="mark" cx=(px(at)) cy=(px(middle)) r="4" { title { (self.words()) } }
        }
    }
}

/// A name in lines of at most [`LETTERS`] letters, at least one. Only longer words are divided.
fn lines(name: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in name.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for part in letters.chunks(LETTERS) {
            let Some(line) = lines.last_mut() else {
                continue;
            };
            let used = line.chars().count();
            if used > 0 && used + 1 + part.len() > LETTERS {
                lines.push(part.iter().collect());
                continue;
            }
            if used > 0 {
                line.push(' ');
            }
            line.extend(part);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use mflag_metrics::catalogue::{self, title_with_note};

    /// Every title is shown whole, and so is a name of one long word.
    #[test]
    fn no_name_is_cut() {
        let titles = catalogue::ALL
            .iter()
            .map(|metric| title_with_note(metric.key));
        for name in titles.chain(["x".repeat(100), String::new()]) {
            let lines = lines(&name);
            assert!(!lines.is_empty() && lines.iter().all(|l| l.chars().count() <= LETTERS));
            let joined = lines.join(" ").replace(' ', "");
            assert_eq!(joined, name.replace(' ', ""), "{lines:?}");
        }
        let long = Row {
            name: "Average precision, IoU .40 to .75, MGCA's films".to_owned(),
            value: 0.5,
            interval: None,
        };
        assert_eq!(long.height(), ROW + LINE);
    }
}
