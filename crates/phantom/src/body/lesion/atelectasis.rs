//! Plate-like atelectasis: one to three bands per side, above the diaphragm.

use rand::Rng;

use super::sides;
use crate::body::anatomy::{Anatomy, sign};
use crate::body::stroke::{Node, Profile, Stroke};
use crate::finding::Finding;

pub(super) fn bands(
    finding: &Finding,
    anatomy: &Anatomy,
    visibility: f32,
    rng: &mut impl Rng,
) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for side in sides(finding) {
        for _ in 0..finding.severity.select([1, 2, 3]) {
            strokes.push(band(finding, anatomy, side, visibility, rng));
        }
    }
    strokes
}

fn band(
    finding: &Finding,
    anatomy: &Anatomy,
    side: usize,
    visibility: f32,
    rng: &mut impl Rng,
) -> Stroke {
    let length = finding.severity.select([2.6, 3.6, 4.6]) * rng.random_range(0.8..1.3);
    // On the left the heart takes the medial part.
    let from_medial = if side == 1 {
        rng.random_range(0.58..0.72)
    } else {
        rng.random_range(0.35..0.65)
    };
    let (x, _) = anatomy.lung_point(side, 0.8, from_medial);
    let from_spine = (x - anatomy.axis(anatomy.dome[side])).abs();
    let y = anatomy.diaphragm(side, from_spine) - rng.random_range(1.0..3.4);
    let tilt = rng.random_range(-0.12..0.32) * sign(side);
    let half = rng.random_range(0.14..0.36);
    let bow = rng.random_range(-0.3..0.3);
    // `part` is the position along the band, from -0.5 to 0.5.
    let node = |part: f32| {
        let along = part * length;
        let y = y + tilt * along + bow * part * part * 4.0;
        Node::new(x + along, y, half * (1.0 - part * part), 0.5 * visibility)
    };
    let nodes = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5].map(node);
    Stroke::new(nodes.to_vec(), Profile::Round)
}
