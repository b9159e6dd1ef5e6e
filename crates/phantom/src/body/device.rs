//! Devices in the body (tubes, lines, pacemakers), and what no report mentions (electrodes, skin
//! folds, clips, wires).

use rand::Rng;

use super::anatomy::{Anatomy, sign};
use super::stroke::{Profile, Stroke};
use crate::finding::{Finding, Kind, Side};

/// The strokes of a device; none for other kinds of findings.
pub(crate) fn strokes(finding: &Finding, anatomy: &Anatomy, rng: &mut impl Rng) -> Vec<Stroke> {
    let amp = 0.35 + 0.55 * finding.contrast;
    let side = usize::from(finding.side == Side::Left);
    match finding.kind {
        Kind::EndotrachealTube => endotracheal_tube(anatomy, amp, rng),
        Kind::CentralLine => vec![central_line(anatomy, side, amp, rng)],
        Kind::Pacemaker => pacemaker(anatomy, side, rng),
        Kind::NasogastricTube => vec![nasogastric_tube(anatomy, amp, rng)],
        _ => Vec::new(),
    }
}

/// Two walls and the opaque stripe of a tube, which ends 2 to 6 cm above the carina.
fn endotracheal_tube(anatomy: &Anatomy, amp: f32, rng: &mut impl Rng) -> Vec<Stroke> {
    let tip = anatomy.carina - rng.random_range(2.0..6.0);
    let lean = rng.random_range(-0.35..0.35);
    let course = |offset: f32| {
        [-24.0, -19.0, -15.0, tip]
            .map(|y: f32| (anatomy.axis(y) + lean * (y - tip) / -12.0 + offset, y))
    };
    vec![
        Stroke::line(&course(-0.36), 0.07, amp * 0.7, Profile::Flat),
        Stroke::line(&course(0.36), 0.07, amp * 0.7, Profile::Flat),
        Stroke::line(&course(0.2), 0.09, amp * 1.2, Profile::Flat),
    ]
}

/// A catheter from the neck (jugular vein) or from below the clavicle (subclavian vein) to the
/// superior vena cava; from the left it crosses the midline.
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
    let crossing = (side == 1).then_some((0.2, anatomy.carina - 3.4));
    let mut points = start.to_vec();
    points.extend(crossing);
    points.extend([(vena_cava, anatomy.carina - 2.0), (vena_cava - 0.1, tip)]);
    Stroke::line(&points, 0.11, amp, Profile::Flat)
}

/// A flat case below the clavicle, and two leads to the right atrium and the right ventricle.
fn pacemaker(anatomy: &Anatomy, side: usize, rng: &mut impl Rng) -> Vec<Stroke> {
    let s = sign(side);
    let (x, y) = (
        s * rng.random_range(9.5..11.0),
        rng.random_range(-9.0..-7.0),
    );
    let case = Stroke::line(&[(x, y - 0.9), (x, y + 1.1)], 1.7, 1.5, Profile::Flat);
    let header = [(x - 0.6, y - 1.9), (x + 0.6, y - 1.9)];
    let mut strokes = vec![case, Stroke::line(&header, 0.8, 0.9, Profile::Flat)];
    let heart = anatomy.heart.centre;
    let (atrium, ventricle) = ((-3.0, heart.1 - 2.2), (heart.0 + 3.2, heart.1 + 3.0));
    for tip in [atrium, ventricle] {
        let mut points = vec![(x, y - 2.2), (s * 7.0, -11.6), (s * 3.4, -10.8)];
        if side == 1 {
            points.push((0.0, anatomy.carina - 3.0));
        }
        points.extend([
            (-2.5, anatomy.carina - 1.0),
            (-2.8, heart.1 - 0.5 * (heart.1 - anatomy.carina)),
            tip,
        ]);
        strokes.push(Stroke::line(&points, 0.09, 0.6, Profile::Flat));
    }
    strokes
}

/// A tube down the oesophagus, which curls in the stomach.
fn nasogastric_tube(anatomy: &Anatomy, amp: f32, rng: &mut impl Rng) -> Stroke {
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
    Stroke::line(&points, 0.13, amp, Profile::Flat)
}

/// What reports do not mention: ECG electrodes with the given probability, a skin fold, surgical
/// clips, nipples, sternal wires.
pub(crate) fn unreported(anatomy: &Anatomy, electrodes: f64, rng: &mut impl Rng) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    if rng.random_bool(electrodes) {
        for _ in 0..rng.random_range(2..5) {
            strokes.extend(electrode(rng));
        }
    }
    if rng.random_bool(0.08) {
        strokes.push(skin_fold(anatomy, rng));
    }
    if rng.random_bool(0.06) {
        strokes.extend(surgical_clips(rng));
    }
    if rng.random_bool(0.10) {
        strokes.extend([0, 1].map(|side| nipple(anatomy, side)));
    }
    if rng.random_bool(0.06) {
        let wires = rng.random_range(3..6);
        strokes.extend((0..wires).map(sternal_wire));
    }
    strokes
}

/// A ring with a contact in its middle, and a wire that leaves the film on its side.
fn electrode(rng: &mut impl Rng) -> [Stroke; 3] {
    let (x, y) = (rng.random_range(-12.0..12.0), rng.random_range(-11.0..8.0));
    let away = if x < 0.0 { -19.0 } else { 19.0 };
    let low = y + rng.random_range(4.0..16.0);
    let sag = rng.random_range(-3.0..3.0);
    let wire = [
        (x, y),
        ((x + away) * 0.5, (y + low) * 0.5 + sag),
        (away, low),
    ];
    [
        Stroke::line(&wire, 0.07, 0.35, Profile::Flat),
        Stroke::disc((x, y), 0.05, 0.55, 0.3, Profile::Cortical),
        Stroke::disc((x, y), 0.05, 0.22, 0.7, Profile::Flat),
    ]
}

fn skin_fold(anatomy: &Anatomy, rng: &mut impl Rng) -> Stroke {
    let s = sign(rng.random_range(0..2));
    let x = s * anatomy.half_width * rng.random_range(0.6..0.85);
    let fold = [(x, -10.0), (x + s * 0.9, -3.0), (x + s * 0.4, 6.0)];
    Stroke::line(&fold, 0.12, 0.14, Profile::Flat)
}

/// Two to five short clips near each other.
fn surgical_clips(rng: &mut impl Rng) -> Vec<Stroke> {
    let (x, y) = (rng.random_range(-6.0..6.0), rng.random_range(-3.0..8.0));
    let count = rng.random_range(2..6);
    let clip = |_| {
        let (x, y) = (
            x + rng.random_range(-2.0..2.0),
            y + rng.random_range(-2.0..2.0),
        );
        Stroke::line(&[(x, y), (x + 0.4, y + 0.15)], 0.07, 1.0, Profile::Flat)
    };
    (0..count).map(clip).collect()
}

fn nipple(anatomy: &Anatomy, side: usize) -> Stroke {
    let centre = (sign(side) * anatomy.half_width * 0.6, 5.5);
    Stroke::disc(centre, 0.05, 0.42, 0.16, Profile::Round)
}

/// A loop around the sternum, as after heart surgery; number 0 is the highest.
fn sternal_wire(number: i32) -> Stroke {
    let y = -9.0 + 3.2 * number as f32;
    let wire = [(-0.5, y), (0.4, y - 0.4), (0.6, y + 0.3), (-0.5, y + 0.2)];
    Stroke::line(&wire, 0.07, 0.9, Profile::Flat)
}
