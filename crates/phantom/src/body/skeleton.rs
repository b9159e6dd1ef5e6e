//! Bones and vessels of a frontal film as strokes, and the attenuation of spine and trachea at any
//! point.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::anatomy::{Anatomy, sign};
use super::functions::edge;
use super::stroke::{Node, Profile, Stroke, smooth};

const RIBS: usize = 12;
/// Ribs from this index on (ribs 11 and 12) are short: they have no anterior part.
const FLOATING: usize = 10;
/// Attenuation of bones and vessels at their axis.
const POSTERIOR_RIB: f32 = 0.24;
const ANTERIOR_RIB: f32 = 0.16;
const CLAVICLE: f32 = 0.36;
const SCAPULA: f32 = 0.15;
const HUMERUS: f32 = 0.42;
const HILUM: f32 = 0.34;
/// A vessel's attenuation, times the square root of its radius.
const VESSEL: f32 = 0.46;
/// Vessels thinner than this radius are not drawn.
const THINNEST_VESSEL: f32 = 0.035;
/// How often a vessel divides, at most.
const DIVISIONS: u32 = 4;

/// Ribs, clavicles, scapulae and upper arms.
pub(crate) fn bones(anatomy: &Anatomy, bedside: bool) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for side in 0..2 {
        strokes.extend((0..RIBS).flat_map(|number| rib(anatomy, side, number)));
        strokes.push(clavicle(anatomy, side));
        strokes.extend(shoulder(anatomy, side, bedside));
    }
    strokes
}

/// A rib: the posterior part runs from the spine to the chest wall; the anterior part comes back
/// lower and fainter.
fn rib(anatomy: &Anatomy, side: usize, number: usize) -> Vec<Stroke> {
    /// The number of steps of a whole half turn, from the spine to the sternum.
    const STEPS: f32 = 44.0;
    let course = RibCourse::new(anatomy, side, number);
    let half = 0.58 * anatomy.half_width / 14.0;
    let posterior = (0..=24)
        .map(|i| course.node(i as f32 / STEPS, half, POSTERIOR_RIB))
        .collect();
    let last = if number >= FLOATING { 22 } else { 36 };
    let anterior: Vec<Node> = (22..=last)
        .map(|i| {
            let fade = ((last - i) as f32 / 5.0).min(1.0);
            course.node(i as f32 / STEPS, half * 1.12, ANTERIOR_RIB * fade)
        })
        .collect();
    let mut strokes = vec![Stroke::new(posterior, Profile::Cortical)];
    if anterior.len() > 1 {
        strokes.push(Stroke::new(anterior, Profile::Cortical));
    }
    strokes
}

/// The course of one rib.
struct RibCourse<'a> {
    anatomy: &'a Anatomy,
    side: usize,
    /// Height at the spine.
    top: f32,
    /// How far it descends.
    drop: f32,
    /// Its greatest distance from the spine.
    reach: f32,
}

impl<'a> RibCourse<'a> {
    fn new(anatomy: &'a Anatomy, side: usize, number: usize) -> Self {
        let rank = number as f32;
        let bow = 1.0 - (1.0 - (rank / 4.5).min(1.0)).powi(2);
        let reach = anatomy.half_width * (0.44 + 0.58 * bow);
        Self {
            anatomy,
            side,
            top: anatomy.first_rib + rank * anatomy.rib_pitch,
            drop: anatomy.rib_drop * (0.35 + 0.65 * (rank / 4.0).min(1.0)),
            reach: if number >= FLOATING {
                reach * (1.28 - 0.035 * rank)
            } else {
                reach
            },
        }
    }

    /// The node at a fraction of the way from the spine (0) over the chest wall (0.5) to the
    /// sternum (1).
    fn node(&self, part: f32, half: f32, amp: f32) -> Node {
        let (sin, cos) = (f64::from(part) * std::f64::consts::PI).sin_cos();
        let (sin, cos) = (sin as f32, cos as f32);
        let out = 1.7 + (self.reach - 1.7) * sin.max(0.0).sqrt() * (0.45 + 0.55 * sin);
        let y = self.top + 0.62 * self.drop * (1.0 - cos) - 0.5 * sin * (1.0 - part);
        // Ribs are faint below the diaphragm and in front of the mediastinum, where the film is
        // nearly white.
        let dome = self.anatomy.dome[self.side];
        let contrast = 0.25 + 0.75 * edge(dome + 1.5 - y, 1.5);
        let contrast = contrast * (0.45 + 0.55 * edge(out - 3.5, 2.5));
        Node::new(
            self.anatomy.axis(y) + sign(self.side) * out,
            y,
            half,
            amp * contrast * self.anatomy.bone,
        )
    }
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
            // The end at the sternum is thicker.
            let half = if i < 4 { 0.85 - 0.06 * i as f32 } else { 0.6 };
            Node::new(x, y, half, CLAVICLE * anatomy.bone)
        })
        .collect();
    Stroke::new(nodes, Profile::Cortical)
}

/// Scapula and humerus. On bedside films the scapula lies over the lung.
fn shoulder(anatomy: &Anatomy, side: usize, bedside: bool) -> Vec<Stroke> {
    let (s, w, top) = (sign(side), anatomy.half_width, anatomy.apex);
    // A node: distance from the midline in half widths of the thorax, distance below the apex, and
    // half of the stroke's width.
    let stroke = |course: &[(f32, f32, f32)], amp: f32, profile| {
        let node = |&(x, y, half): &(f32, f32, f32)| Node::new(s * x * w, top + y, half, amp);
        Stroke::new(course.iter().map(node).collect(), profile)
    };
    let inward = if bedside { 0.80 } else { 0.97 };
    let scapula = SCAPULA * anatomy.bone;
    let rim = [
        (inward, 4.0, 0.25),
        (inward + 0.06, 9.0, 0.22),
        (inward + 0.15, 13.5, 0.18),
        (inward + 0.24, 9.0, 0.35),
        (inward + 0.30, 4.2, 0.55),
    ];
    let blade = [
        (inward + 0.14, 4.5, 2.0),
        (inward + 0.15, 8.5, 1.4),
        (inward + 0.15, 12.5, 0.4),
    ];
    let humerus = [
        (1.27, 2.6, 2.1),
        (1.33, 5.0, 1.5),
        (1.38, 9.0, 1.2),
        (1.46, 20.0, 1.15),
    ];
    vec![
        stroke(&rim, scapula, Profile::Cortical),
        stroke(&blade, scapula * 0.8, Profile::Flat),
        stroke(&humerus, HUMERUS * anatomy.bone, Profile::Cortical),
    ]
}

/// Attenuation of the spine, minus that of the tissue which the air in the trachea replaces.
pub(crate) fn midline(anatomy: &Anatomy, x: f32, y: f32) -> f32 {
    let dx = (x - anatomy.axis(y)).abs();
    if dx > 3.2 {
        return 0.0;
    }
    // Position within a vertebra: 0 at its upper end, 1 at the upper end of the next vertebra. A
    // vertebra is as high as the distance from rib to rib.
    let phase = (y - anatomy.first_rib) / anatomy.rib_pitch;
    let phase = phase - phase.floor();
    let disc = edge((phase - 0.5).abs() - 0.36, 0.1);
    let width = 1.75 + 0.25 * disc + 0.02 * (y + 10.0);
    let body = edge(width - dx, 0.3) * (0.15 - 0.05 * disc);
    let pedicle_x = (dx - 1.15) / 0.32;
    let pedicle_y = (phase - 0.3) / 0.16;
    let pedicle = 0.07 * (1.0 - pedicle_x * pedicle_x - pedicle_y * pedicle_y).max(0.0);
    let spinous_process =
        0.07 * (1.0 - (dx / 0.3).powi(2)).max(0.0) * edge(0.22 - (phase - 0.75).abs(), 0.08);
    // The trachea has a radius of 0.92 cm and ends at the carina.
    let bore = (1.0 - (dx / 0.92).powi(2)).max(0.0).sqrt();
    let trachea = 0.30 * bore * edge(anatomy.carina - y, 0.5);
    (body + pedicle + spinous_process) * anatomy.bone - trachea
}

/// Pulmonary vessels: trees that branch from both hila. `engorged` is a factor of their width.
pub(crate) fn vessels(anatomy: &Anatomy, engorged: f32) -> Vec<Stroke> {
    let rng = ChaCha8Rng::seed_from_u64(u64::from(anatomy.seed));
    let mut tree = VesselTree {
        anatomy,
        rng,
        strokes: Vec::new(),
    };
    for side in 0..2 {
        let (x, y) = anatomy.hilum(side);
        tree.strokes.push(hilum(x, y, side, engorged));
        for i in 0..9 {
            // From steeply up (-1.35) to steeply down (1.4).
            let spread = -1.35 + 2.75 * f64::from(i) / 8.0;
            let heading = spread + tree.rng.random_range(-0.12..0.12);
            let start_x = x + tree.rng.random_range(-0.3..0.3);
            let vessel = Vessel {
                side,
                start: (start_x, y + 0.35 * (i as f32 - 3.0)),
                heading,
                radius: tree.rng.random_range(0.20..0.30) * engorged,
                divisions: 0,
            };
            tree.grow(&vessel);
        }
    }
    tree.strokes
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
    .map(|(dx, dy, half)| Node::new(x + s * dx, y + dy, half * engorged, HILUM));
    Stroke::new(nodes.to_vec(), Profile::Round)
}

struct VesselTree<'a> {
    anatomy: &'a Anatomy,
    rng: ChaCha8Rng,
    strokes: Vec<Stroke>,
}

/// The beginning of one vessel.
struct Vessel {
    side: usize,
    start: (f32, f32),
    /// Direction in radians: 0 away from the midline, positive down.
    heading: f64,
    radius: f32,
    /// How many divisions there were from the hilum to here.
    divisions: u32,
}

impl VesselTree<'_> {
    /// Draws a vessel and the two branches into which it divides, and so on, until the branches are
    /// too thin or leave the lung.
    fn grow(&mut self, vessel: &Vessel) {
        if vessel.divisions > DIVISIONS || vessel.radius < THINNEST_VESSEL {
            return;
        }
        let (end, heading) = self.draw(vessel);
        let anatomy = self.anatomy;
        let t = (end.1 - anatomy.apex) / anatomy.lung_height(vessel.side);
        if !(0.02..1.1).contains(&t) {
            return;
        }
        let spread = self.rng.random_range(0.25..0.55);
        let branch = |heading, radius| Vessel {
            side: vessel.side,
            start: end,
            heading,
            radius,
            divisions: vessel.divisions + 1,
        };
        self.grow(&branch(heading - spread, vessel.radius * 0.68));
        let shrink = self.rng.random_range(0.6..0.8);
        self.grow(&branch(heading + spread * 0.8, vessel.radius * shrink));
    }

    /// Draws one vessel up to its division; returns its end and its heading there.
    fn draw(&mut self, vessel: &Vessel) -> ((f32, f32), f64) {
        const STEPS: usize = 4;
        let shorter = 1.0 - 0.08 * vessel.divisions as f32;
        let length = self.rng.random_range(1.5f32..2.9) * shorter;
        let outward = f64::from(sign(vessel.side));
        let mut heading = vessel.heading;
        let (mut x, mut y) = vessel.start;
        let mut nodes = Vec::with_capacity(STEPS + 1);
        for step in 0..=STEPS {
            let part = step as f32 / STEPS as f32;
            let half = vessel.radius * (1.0 - 0.28 * part);
            nodes.push(Node::new(x, y, half, VESSEL * half.sqrt()));
            x += length / STEPS as f32 * (outward * heading.cos()) as f32;
            y += length / STEPS as f32 * heading.sin() as f32;
            heading += self.rng.random_range(-0.22..0.22);
        }
        self.strokes.push(Stroke::new(nodes, Profile::Round));
        ((x, y), heading)
    }
}
