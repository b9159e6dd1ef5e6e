//! Charts as SVG within the page: lines with bands and bars, and rows of intervals.
//!
//! A chart is drawn 400 units wide, about as wide as a phone shows it, so that its letters are never scaled down much. Colours are
//! variables of the page's style, for light and dark; lines differ by their marks, too. Each has a title and says in words what it shows.

mod axis;
mod draw;
mod intervals;

pub(crate) use axis::Axis;
pub(crate) use draw::{Chart, Rule, Series, Stroke};
pub(crate) use intervals::{Intervals, Row};

use maud::{Markup, html};

/// Unique `id`s of a page.
#[derive(Debug, Default)]
pub(crate) struct Ids(std::cell::Cell<usize>);

impl Ids {
    /// An `id` that no other element of the page has.
    pub(crate) fn next(&self, of: &str) -> String {
        self.0.set(self.0.get() + 1);
        format!("{of}-{}", self.0.get())
    }
}

/// A drawing with its caption and the words for those who do not see it.
fn figure(
    ids: &Ids,
    title: &str,
    words: &str,
    height: f64,
    drawing: &Markup,
    below: &Markup,
) -> Markup {
    let (name, description) = (ids.next("title"), ids.next("words"));
    let view = format!("0 0 {WIDTH} {height}");
    html! {
        figure {
            figcaption { (title) }
            svg viewBox=(view) role="img" aria-labelledby={ (name) " " (description) } {
                title id=(name) { (title) }
                desc id=(description) { (words) }
                (drawing)
            }
            (below)
        }
    }
}

/// Width of every drawing.
const WIDTH: f64 = 400.0;
/// Colours of series before they repeat.
const COLOURS: usize = 8;

/// A length or place as SVG has it.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
