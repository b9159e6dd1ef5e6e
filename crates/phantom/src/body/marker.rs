//! The lead letters that mark the film's side.

use rand::Rng;

use super::canvas::View;
use super::stroke::{Node, Profile, Stroke};

/// Width of a letter, distance from one letter to the next, and half of the width of a letter's
/// lines, as fractions of the letter's height.
const LETTER_WIDTH: f32 = 0.6;
const ADVANCE: f32 = 0.85;
const HALF_LINE: f32 = 0.07;

/// Letters near an upper corner of the film. Lengths are centimetres of the film.
#[derive(Debug, Clone)]
pub(super) struct Marker {
    text: String,
    /// Whether it marks the patient's left.
    left: bool,
    /// Distance from the upper edge as a fraction of the film's height.
    down: f32,
    /// Distance from the edge of its side.
    inset: f32,
    /// Height of a letter.
    size: f32,
}

impl Marker {
    /// Draws the text and the side. Bedside films often have a second word.
    pub(super) fn draw_text(bedside: bool, rng: &mut impl Rng) -> (String, bool) {
        let left = rng.random_bool(0.6);
        let letter = if left { "L" } else { "R" };
        let text = match rng.random_range(0..4) {
            0 if bedside => format!("{letter} AP"),
            1 if bedside => format!("{letter} PORT"),
            2 if bedside => format!("{letter} ERECT"),
            _ => letter.to_owned(),
        };
        (text, left)
    }

    /// Draws the place and the size.
    pub(super) fn draw((text, left): (String, bool), rng: &mut impl Rng) -> Self {
        Self {
            text,
            left,
            down: rng.random_range(0.03..0.16),
            inset: rng.random_range(1.2..3.2),
            size: rng.random_range(0.9..1.7),
        }
    }

    /// Prints the letters in white.
    pub(super) fn print(&self, view: View, pixels: &mut [u8]) {
        let (width, height) = view.size();
        // The letters lie straight on the film, whose upper left corner is the origin here.
        let centre = (0.5 * width, 0.5 * height);
        let straight = View::new(view.width, view.height, view.scale, 0.0, centre);
        let advance = self.size * ADVANCE;
        let start = if self.left {
            width - self.inset - advance * self.text.len() as f32
        } else {
            self.inset
        };
        let top = self.down * height;
        for (index, letter) in self.text.chars().enumerate() {
            let x = start + index as f32 * advance;
            for line in glyph(letter) {
                let stroke = self.letter_stroke(line, x, top);
                straight.draw(&stroke, |i, v| pixels[i] = pixels[i].max(v as u8));
            }
        }
    }

    /// A line of a letter whose upper left corner is (`left`, `top`).
    fn letter_stroke(&self, line: &[(f32, f32)], left: f32, top: f32) -> Stroke {
        let node = |&(x, y): &(f32, f32)| {
            Node::new(
                left + x * self.size * LETTER_WIDTH,
                top + y * self.size,
                HALF_LINE * self.size,
                255.0,
            )
        };
        Stroke::new(line.iter().map(node).collect(), Profile::Flat)
    }
}

/// The lines of a letter in the unit square.
fn glyph(letter: char) -> &'static [&'static [(f32, f32)]] {
    match letter {
        'L' => &[&[(0.0, 0.0), (0.0, 1.0), (0.9, 1.0)]],
        'R' => &[
            &[
                (0.0, 1.0),
                (0.0, 0.0),
                (0.7, 0.0),
                (0.95, 0.25),
                (0.7, 0.5),
                (0.0, 0.5),
            ],
            &[(0.45, 0.5), (0.95, 1.0)],
        ],
        'P' => &[&[
            (0.0, 1.0),
            (0.0, 0.0),
            (0.7, 0.0),
            (0.95, 0.25),
            (0.7, 0.5),
            (0.0, 0.5),
        ]],
        'A' => &[
            &[(0.0, 1.0), (0.5, 0.0), (1.0, 1.0)],
            &[(0.2, 0.6), (0.8, 0.6)],
        ],
        'O' => &[&[
            (0.2, 0.0),
            (0.8, 0.0),
            (1.0, 0.5),
            (0.8, 1.0),
            (0.2, 1.0),
            (0.0, 0.5),
            (0.2, 0.0),
        ]],
        'T' => &[&[(0.0, 0.0), (1.0, 0.0)], &[(0.5, 0.0), (0.5, 1.0)]],
        'E' => &[
            &[(0.9, 0.0), (0.0, 0.0), (0.0, 1.0), (0.9, 1.0)],
            &[(0.0, 0.5), (0.7, 0.5)],
        ],
        'C' => &[&[(0.95, 0.1), (0.4, 0.0), (0.0, 0.5), (0.4, 1.0), (0.95, 0.9)]],
        _ => &[],
    }
}
