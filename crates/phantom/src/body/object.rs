//! Foreign objects on the skin and in the clothes, as Object-CXR outlines them.

use rand::Rng;
use serde::Serialize;

use super::anatomy::{Anatomy, sign};
use super::stroke::{Profile, Stroke};

/// The kind of a foreign object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A disc, 18 to 28 mm wide.
    Coin,
    /// A ring, 10 to 16 mm wide.
    Button,
    /// A bent wire, 15 to 35 mm long.
    Clip,
    /// A chain around the neck.
    Necklace,
}

/// A foreign object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Object {
    /// What it is.
    pub form: Form,
}

/// Draws the objects of a film that has any, each with its stroke. A film has one or two groups: a
/// group of buttons has two to four objects, every other group has one.
pub(crate) fn draw(anatomy: &Anatomy, rng: &mut impl Rng) -> Vec<(Object, Stroke)> {
    let mut objects = Vec::new();
    for _ in 0..rng.random_range(1..3) {
        match rng.random_range(0..8) {
            0..3 => {
                let strokes = buttons(anatomy, rng).into_iter();
                objects.extend(strokes.map(|stroke| (Form::Button, stroke)));
            }
            3..5 => objects.push((Form::Coin, coin(anatomy, rng))),
            5..7 => objects.push((Form::Clip, clip(anatomy, rng))),
            _ if objects.iter().all(|(form, _)| *form != Form::Necklace) => {
                objects.push((Form::Necklace, necklace(rng)));
            }
            _ => {}
        }
    }
    objects
        .into_iter()
        .map(|(form, stroke)| (Object { form }, stroke))
        .collect()
}

/// A point over one of the lungs.
fn over_lung(anatomy: &Anatomy, rng: &mut impl Rng) -> (f32, f32) {
    let side = rng.random_range(0..2);
    anatomy.lung_point(
        side,
        rng.random_range(0.2..0.75),
        rng.random_range(0.2..0.8),
    )
}

fn disc(centre: (f32, f32), radius: f32, amp: f32, profile: Profile) -> Stroke {
    Stroke::disc(centre, 0.01, radius, amp, profile)
}

fn coin(anatomy: &Anatomy, rng: &mut impl Rng) -> Stroke {
    let radius = rng.random_range(0.9..1.4);
    let centre = over_lung(anatomy, rng);
    disc(centre, radius, rng.random_range(1.0..1.8), Profile::Flat)
}

/// Two to four buttons in a vertical row beside the spine.
fn buttons(anatomy: &Anatomy, rng: &mut impl Rng) -> Vec<Stroke> {
    let x = sign(rng.random_range(0..2)) * rng.random_range(2.5..6.0);
    let (first, gap) = (
        anatomy.carina - rng.random_range(0.0..5.0),
        rng.random_range(4.0..7.0),
    );
    let (radius, amp) = (rng.random_range(0.5..0.8), rng.random_range(0.6..1.1));
    let count = rng.random_range(2..5);
    let button = |number: i32| {
        let centre = (x + rng.random_range(-0.3..0.3), first + gap * number as f32);
        disc(centre, radius, amp, Profile::Cortical)
    };
    (0..count).map(button).collect()
}

/// A wire in the shape of a hairpin, at any angle.
fn clip(anatomy: &Anatomy, rng: &mut impl Rng) -> Stroke {
    let (x, y) = over_lung(anatomy, rng);
    let (length, width) = (rng.random_range(1.5..3.5), rng.random_range(0.35..0.7));
    let angle: f64 = rng.random_range(0.0..std::f64::consts::TAU);
    let (sin, cos) = (angle.sin() as f32, angle.cos() as f32);
    let bent = [
        (0.0, 0.0),
        (length, 0.0),
        (length, width),
        (0.3 * length, width),
    ];
    let points = bent.map(|(along, across)| {
        (
            x + cos * along - sin * across,
            y + sin * along + cos * across,
        )
    });
    Stroke::line(&points, 0.08, rng.random_range(0.7..1.4), Profile::Flat)
}

fn necklace(rng: &mut impl Rng) -> Stroke {
    let (wide, low) = (rng.random_range(4.5..6.5), rng.random_range(-9.5..-5.0));
    let lean = rng.random_range(-0.8..0.8);
    let points = [
        (-1.0, -19.0),
        (-0.8, -13.5),
        (0.0, low),
        (0.8, -13.5),
        (1.0, -19.0),
    ];
    let points = points.map(|(x, y)| (x * wide + lean, y));
    Stroke::line(&points, 0.13, rng.random_range(0.6..1.1), Profile::Flat)
}
