//! Charts as SVG within the page: lines with bands and bars, and rows of intervals.
//!
//! A chart is 400 units wide, about the width of a phone's screen, so letters are hardly scaled
//! down. Colours are variables of the page's style, for light and dark mode. Lines differ in their
//! marks, too. Each chart has a title and a description in words.

mod axis;
mod intervals;
mod lines;

pub(crate) use axis::Axis;
pub(crate) use intervals::{Intervals, Row};
pub(crate) use lines::{Chart, Rule, Series, Stroke};

use maud::{Markup, html};

/// Makes unique `id`s for elements of a page.
#[derive(Debug, Default)]
pub(crate) struct Ids(std::cell::Cell<usize>);

impl Ids {
    /// A new `id` that begins with `prefix`.
    pub(crate) fn next(&self, prefix: &str) -> String {
        self.0.set(self.0.get() + 1);
        format!("{prefix}-{}", self.0.get())
    }
}

/// A drawing with its title, and its description for people who cannot see it.
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

/// Width of all drawings.
const WIDTH: f64 = 400.0;
/// Number of colours of series, after which they repeat.
const COLOURS: usize = 8;

/// A length or position as SVG text.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
