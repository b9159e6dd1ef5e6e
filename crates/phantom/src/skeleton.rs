//! Bones and vessels of a frontal film as strokes, and the spine as a field.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::anatomy::{Anatomy, sign};
use super::canvas::{Node, Profile, edge};
use super::device::smooth;
use super::lesion::Stroke;

/// Ribs, clavicles, scapulae and upper arms.
pub(crate) fn bones(anatomy: &Anatomy, bedside: bool) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for side in 0..2 {
        strokes.extend((0..12).flat_map(|number| rib(anatomy, side, number)));
        strokes.push(clavicle(anatomy, side));
        strokes.extend(shoulder(anatomy, side, bedside));
    }
    strokes
}

/// A rib runs from the spine outwards (posterior part), turns at the chest wall, and comes back lower and fainter
/// (anterior part).
fn rib(anatomy: &Anatomy, side: usize, number: usize) -> Vec<Stroke> {
    let rank = number as f32;
    let s = sign(side);
    let y0 = anatomy.first_rib + rank * anatomy.rib_pitch;
    let drop = anatomy.rib_drop * (0.35 + 0.65 * (rank / 4.0).min(1.0));
    let reach = anatomy.half_width * (0.44 + 0.58 * (1.0 - (1.0 - (rank / 4.5).min(1.0)).powi(2)));
    let reach = if number > 9 {
        reach * (1.28 - 0.035 * rank)
    } else {
        reach
    };
    let half = 0.58 * anatomy.half_width / 14.0;
    let along = |part: f32, amp: f32, half: f32| {
        let (sin, cos) = (f64::from(part) * std::f64::consts::PI).sin_cos();
        let (sin, cos) = (sin as f32, cos as f32);
        let out = 1.7 + (reach - 1.7) * sin.max(0.0).sqrt() * (0.45 + 0.55 * sin);
        let y = y0 + 0.62 * drop * (1.0 - cos) - 0.5 * sin * (1.0 - part);
        // Below the diaphragm the display curve leaves little of the ribs.
        let deep = 0.25 + 0.75 * edge(anatomy.dome[side] + 1.5 - y, 1.5);
        // Over the mediastinum, too.
        let deep = deep * (0.45 + 0.55 * edge(out - 3.5, 2.5));
        Node::new(
            anatomy.axis(y) + s * out,
            y,
            half,
            amp * deep * anatomy.bone,
        )
    };
    let posterior = (0..=24)
        .map(|i| along(i as f32 / 44.0, 0.24, half))
        .collect();
    let last = if number > 9 { 22 } else { 36 };
    let anterior = (22..=last)
        .map(|i| {
            let fade = ((last - i) as f32 / 5.0).min(1.0);
            along(i as f32 / 44.0, 0.16 * fade, half * 1.12)
        })
        .collect::<Vec<_>>();
    let mut strokes = vec![Stroke {
        nodes: posterior,
        profile: Profile::Cortical,
    }];
    if anterior.len() > 1 {
        strokes.push(Stroke {
            nodes: anterior,
            profile: Profile::Cortical,
        });
    }
    strokes
}

fn clavicle(anatomy: &Anatomy, side: usize) -> Stroke {
    let (s, w) = (sign(side), anatomy.half_width);
    let y = anatomy.apex + 3.4;
    let course = [
        (s * 1.9, y + 0.5),
        (s * 0.30 * w, y - 0.3 - 0.2 * anatomy.clavicle_lift),
        (s * 0.62 * w, y - 1.0 - 0.7 * anatomy.clavicle_lift),
        (s * 0.95 * w, y - 1.0 - anatomy.clavicle_lift),
        (s * 1.15 * w, y - 0.4 - anatomy.clavicle_lift),
    ];
    let nodes = smooth(&course)
        .into_iter()
        .enumerate()
        .map(|(i, (x, y))| {
            let half = if i < 4 { 0.85 - 0.06 * i as f32 } else { 0.6 };
            Node::new(x, y, half, 0.36 * anatomy.bone)
        })
        .collect();
    Stroke {
        nodes,
        profile: Profile::Cortical,
    }
}

/// Scapula (over the lung on bedside films) and humerus.
fn shoulder(anatomy: &Anatomy, side: usize, bedside: bool) -> Vec<Stroke> {
    let (s, w, top) = (sign(side), anatomy.half_width, anatomy.apex);
    let inward = if bedside { 0.80 } else { 0.97 };
    let amp = 0.15 * anatomy.bone;
    let blade = [
        (s * inward * w, top + 4.0, 0.25),
        (s * (inward + 0.06) * w, top + 9.0, 0.22),
        (s * (inward + 0.15) * w, top + 13.5, 0.18),
        (s * (inward + 0.24) * w, top + 9.0, 0.35),
        (s * (inward + 0.30) * w, top + 4.2, 0.55),
    ];
    let blade = blade
        .iter()
        .map(|&(x, y, half)| Node::new(x, y, half, amp))
        .collect();
    let body = [
        (inward + 0.14, 4.5, 2.0),
        (inward + 0.15, 8.5, 1.4),
        (inward + 0.15, 12.5, 0.4),
    ];
    let body = body
        .iter()
        .map(|&(x, y, half)| Node::new(s * x * w, top + y, half, amp * 0.8));
    let arm = [
        (1.27, 2.6, 2.1),
        (1.33, 5.0, 1.5),
        (1.38, 9.0, 1.2),
        (1.46, 20.0, 1.15),
    ];
    let arm = arm
        .iter()
        .map(|&(x, y, half)| Node::new(s * x * w, top + y, half, 0.42 * anatomy.bone));
    vec![
        Stroke {
            nodes: blade,
            profile: Profile::Cortical,
        },
        Stroke {
            nodes: body.collect(),
            profile: Profile::Flat,
        },
        Stroke {
            nodes: arm.collect(),
            profile: Profile::Cortical,
        },
    ]
}

/// Attenuation of the spine, and of the air in the trachea (negative).
pub(crate) fn midline(anatomy: &Anatomy, x: f32, y: f32) -> f32 {
    let dx = (x - anatomy.axis(y)).abs();
    if dx > 3.2 {
        return 0.0;
    }
    let phase = (y - anatomy.first_rib) / anatomy.rib_pitch;
    let phase = phase - phase.floor();
    let disc = edge((phase - 0.5).abs() - 0.36, 0.1);
    let width = 1.75 + 0.25 * disc + 0.02 * (y + 10.0);
    let body = edge(width - dx, 0.3) * (0.15 - 0.05 * disc);
    let pedicle_x = (dx - 1.15) / 0.32;
    let pedicle_y = (phase - 0.3) / 0.16;
    let pedicle = 0.07 * (1.0 - pedicle_x * pedicle_x - pedicle_y * pedicle_y).max(0.0);
    let process =
        0.07 * (1.0 - (dx / 0.3).powi(2)).max(0.0) * edge(0.22 - (phase - 0.75).abs(), 0.08);
    let bore = (1.0 - (dx / 0.92).powi(2)).max(0.0).sqrt();
    let trachea = 0.30 * bore * edge(anatomy.carina - y, 0.5);
    (body + pedicle + process) * anatomy.bone - trachea
}

/// Pulmonary vessels: trees that branch from both hila; `engorged` widens them.
pub(crate) fn vessels(anatomy: &Anatomy, engorged: f32) -> Vec<Stroke> {
    let rng = &mut ChaCha8Rng::seed_from_u64(u64::from(anatomy.seed));
    let mut strokes = Vec::new();
    for side in 0..2 {
        let (x, y) = anatomy.hilum(side);
        strokes.push(hilum(x, y, side, engorged));
        let s = f64::from(sign(side));
        for i in 0..9 {
            let heading = -1.35 + 2.75 * f64::from(i) / 8.0 + rng.random_range(-0.12..0.12);
            let start = (x + rng.random_range(-0.3..0.3), y + 0.35 * (i as f32 - 3.0));
            let radius = rng.random_range(0.20..0.30) * engorged;
            grow(
                anatomy,
                side,
                start,
                (s, heading),
                radius,
                0,
                &mut strokes,
                rng,
            );
        }
    }
    strokes
}

fn hilum(x: f32, y: f32, side: usize, engorged: f32) -> Stroke {
    let s = sign(side);
    let nodes = [
        (-0.3, -2.0, 0.5),
        (0.2, -0.5, 0.95),
        (0.4, 1.0, 0.9),
        (0.7, 2.8, 0.65),
        (0.9, 4.4, 0.4),
    ]
    .map(|(dx, dy, half)| Node::new(x + s * dx, y + dy, half * engorged, 0.34));
    Stroke {
        nodes: nodes.to_vec(),
        profile: Profile::Round,
    }
}

/// One vessel, and the two that it splits into, until they are too fine to be seen.
#[expect(clippy::too_many_arguments, reason = "the state of one recursion")]
fn grow(
    anatomy: &Anatomy,
    side: usize,
    start: (f32, f32),
    (s, heading): (f64, f64),
    radius: f32,
    depth: u32,
    strokes: &mut Vec<Stroke>,
    rng: &mut ChaCha8Rng,
) {
    if depth > 4 || radius < 0.035 {
        return;
    }
    let length = rng.random_range(1.5f32..2.9) * (1.0 - 0.08 * depth as f32);
    let steps = 4;
    let mut heading = heading;
    let (mut x, mut y) = start;
    let mut nodes = Vec::with_capacity(steps + 1);
    for step in 0..=steps {
        let part = step as f32 / steps as f32;
        let half = radius * (1.0 - 0.28 * part);
        nodes.push(Node::new(x, y, half, 0.46 * half.sqrt()));
        x += length / steps as f32 * (s * heading.cos()) as f32;
        y += length / steps as f32 * heading.sin() as f32;
        heading += rng.random_range(-0.22..0.22);
    }
    strokes.push(Stroke {
        nodes,
        profile: Profile::Round,
    });
    let t = (y - anatomy.apex) / anatomy.lung_height(side);
    if !(0.02..1.1).contains(&t) {
        return;
    }
    let spread = rng.random_range(0.25..0.55);
    grow(
        anatomy,
        side,
        (x, y),
        (s, heading - spread),
        radius * 0.68,
        depth + 1,
        strokes,
        rng,
    );
    let shrink = rng.random_range(0.6..0.8);
    grow(
        anatomy,
        side,
        (x, y),
        (s, heading + spread * 0.8),
        radius * shrink,
        depth + 1,
        strokes,
        rng,
    );
}
