//! Tubes, lines and pacemakers as strokes, and the devices outside the body that no report mentions.

use rand::Rng;

use super::anatomy::{Anatomy, sign};
use super::canvas::{Node, Profile};
use super::finding::{Finding, Kind, Side};
use super::lesion::Stroke;

pub(crate) fn line(points: &[(f32, f32)], half: f32, amp: f32, profile: Profile) -> Stroke {
    let nodes = smooth(points)
        .into_iter()
        .map(|(x, y)| Node::new(x, y, half, amp))
        .collect();
    Stroke { nodes, profile }
}

/// Points along a Catmull-Rom spline through the given ones.
pub(crate) fn smooth(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    const STEPS: usize = 6;
    let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
    let mut out = Vec::with_capacity(points.len() * STEPS);
    for i in 0..points.len().saturating_sub(1) as isize {
        let [p, q, r, s] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            let blend = |a: f32, b: f32, c: f32, d: f32| {
                b + 0.5
                    * t
                    * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
            };
            out.push((blend(p.0, q.0, r.0, s.0), blend(p.1, q.1, r.1, s.1)));
        }
    }
    out.extend(points.last());
    out
}

/// The strokes of a device; none for other kinds.
pub(crate) fn strokes(finding: &Finding, anatomy: &Anatomy, rng: &mut impl Rng) -> Vec<Stroke> {
    let amp = 0.35 + 0.55 * finding.contrast;
    let side = usize::from(finding.side == Side::Left);
    match finding.kind {
        Kind::EndotrachealTube => tube(anatomy, amp, rng),
        Kind::CentralLine => vec![central_line(anatomy, side, amp, rng)],
        Kind::Pacemaker => pacemaker(anatomy, side, rng),
        Kind::NasogastricTube => vec![stomach_tube(anatomy, amp, rng)],
        _ => Vec::new(),
    }
}

/// Two walls and the opaque stripe of a tube that ends above the carina.
fn tube(anatomy: &Anatomy, amp: f32, rng: &mut impl Rng) -> Vec<Stroke> {
    let tip = anatomy.carina - rng.random_range(2.0..6.0);
    let lean = rng.random_range(-0.35..0.35);
    let course = |offset: f32| -> Vec<(f32, f32)> {
        [-24.0, -19.0, -15.0, tip]
            .map(|y: f32| (anatomy.axis(y) + lean * (y - tip) / -12.0 + offset, y))
            .to_vec()
    };
    vec![
        line(&course(-0.36), 0.07, amp * 0.7, Profile::Flat),
        line(&course(0.36), 0.07, amp * 0.7, Profile::Flat),
        line(&course(0.2), 0.09, amp * 1.2, Profile::Flat),
    ]
}

fn central_line(anatomy: &Anatomy, side: usize, amp: f32, rng: &mut impl Rng) -> Stroke {
    let s = sign(side);
    let tip = anatomy.carina + rng.random_range(1.0..5.5);
    let vena_cava = -2.4 + rng.random_range(-0.3..0.3);
    let from_neck = rng.random_bool(0.5);
    let start = if from_neck {
        [(s * 4.6, -23.0), (s * 3.8, -16.5), (s * 2.9, -12.5)]
    } else {
        [(s * 12.5, -10.0), (s * 8.0, -12.4), (s * 4.0, -11.6)]
    };
    let crossing = if side == 1 {
        Some((0.2, anatomy.carina - 3.4))
    } else {
        None
    };
    let mut points = start.to_vec();
    points.extend(crossing);
    points.extend([(vena_cava, anatomy.carina - 2.0), (vena_cava - 0.1, tip)]);
    line(&points, 0.11, amp, Profile::Flat)
}

/// A flat box below the clavicle, and two leads to the heart.
fn pacemaker(anatomy: &Anatomy, side: usize, rng: &mut impl Rng) -> Vec<Stroke> {
    let s = sign(side);
    let (x, y) = (
        s * rng.random_range(9.5..11.0),
        rng.random_range(-9.0..-7.0),
    );
    let half = 1.7;
    let mut strokes = vec![line(
        &[(x, y - 0.9), (x, y + 1.1)],
        half,
        1.5,
        Profile::Flat,
    )];
    strokes.push(line(
        &[(x - 0.6, y - 1.9), (x + 0.6, y - 1.9)],
        0.8,
        0.9,
        Profile::Flat,
    ));
    let heart = anatomy.heart.centre;
    for tip in [(-3.0, heart.1 - 2.2), (heart.0 + 3.2, heart.1 + 3.0)] {
        let mut points = vec![(x, y - 2.2), (s * 7.0, -11.6), (s * 3.4, -10.8)];
        if side == 1 {
            points.push((0.0, anatomy.carina - 3.0));
        }
        points.extend([
            (-2.5, anatomy.carina - 1.0),
            (-2.8, heart.1 - 0.5 * (heart.1 - anatomy.carina)),
            tip,
        ]);
        strokes.push(line(&points, 0.09, 0.6, Profile::Flat));
    }
    strokes
}

fn stomach_tube(anatomy: &Anatomy, amp: f32, rng: &mut impl Rng) -> Stroke {
    let dome = anatomy.dome[1];
    let curl = rng.random_range(3.0..6.5);
    let points = [
        (0.1, -24.0),
        (0.4, -14.0),
        (0.7, anatomy.carina),
        (0.5, dome - 4.0),
        (1.6, dome + 1.2),
        (curl, dome + 3.4),
        (curl + 1.2, dome + rng.random_range(4.5..7.0)),
    ];
    line(&points, 0.13, amp, Profile::Flat)
}

/// What lies on the skin: electrodes with their wires (as probable as `electrodes`), a skin fold, clips, nipple shadows.
/// Never reported.
pub(crate) fn unreported(anatomy: &Anatomy, electrodes: f64, rng: &mut impl Rng) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    if rng.random_bool(electrodes) {
        for _ in 0..rng.random_range(2..5) {
            let (x, y) = (rng.random_range(-12.0..12.0), rng.random_range(-11.0..8.0));
            let away = if x < 0.0 { -19.0 } else { 19.0 };
            let low = y + rng.random_range(4.0..16.0);
            let wire = [
                (x, y),
                (
                    (x + away) * 0.5,
                    (y + low) * 0.5 + rng.random_range(-3.0..3.0),
                ),
                (away, low),
            ];
            strokes.push(line(&wire, 0.07, 0.35, Profile::Flat));
            strokes.push(line(&[(x, y), (x + 0.05, y)], 0.55, 0.3, Profile::Cortical));
            strokes.push(line(&[(x, y), (x + 0.05, y)], 0.22, 0.7, Profile::Flat));
        }
    }
    if rng.random_bool(0.08) {
        let s = sign(rng.random_range(0..2));
        let x = s * anatomy.half_width * rng.random_range(0.6..0.85);
        let fold = [(x, -10.0), (x + s * 0.9, -3.0), (x + s * 0.4, 6.0)];
        strokes.push(line(&fold, 0.12, 0.14, Profile::Flat));
    }
    if rng.random_bool(0.06) {
        let (x, y) = (rng.random_range(-6.0..6.0), rng.random_range(-3.0..8.0));
        for _ in 0..rng.random_range(2..6) {
            let (x, y) = (
                x + rng.random_range(-2.0..2.0),
                y + rng.random_range(-2.0..2.0),
            );
            strokes.push(line(
                &[(x, y), (x + 0.4, y + 0.15)],
                0.07,
                1.0,
                Profile::Flat,
            ));
        }
    }
    if rng.random_bool(0.10) {
        for side in 0..2 {
            let (x, y) = (sign(side) * anatomy.half_width * 0.6, 5.5);
            strokes.push(line(&[(x, y), (x + 0.05, y)], 0.42, 0.16, Profile::Round));
        }
    }
    if rng.random_bool(0.06) {
        for i in 0..rng.random_range(3..6) {
            let y = -9.0 + 3.2 * i as f32;
            let loop_ = [(-0.5, y), (0.4, y - 0.4), (0.6, y + 0.3), (-0.5, y + 0.2)];
            strokes.push(line(&loop_, 0.07, 0.9, Profile::Flat));
        }
    }
    strokes
}
