//! One patient's chest on one day: a few dozen lengths, and the depth of tissue that they give at any point.
//!
//! Centimetres; the origin is in the midline at the middle of the thorax, x to the patient's left, y down. Side 0 is the
//! patient's right, side 1 the left.

use rand::Rng;

use super::canvas::{Curve, edge, ellipsoid, flank};
use super::cohort::{Projection, Sex, Study};
use super::finding::{Finding, Kind};

/// Lateral and medial borders of the lung, as fractions of the half width, from the apex (0) to the angle (1).
const LATERAL: [(f32, f32); 8] = [
    (0.0, 0.40),
    (0.03, 0.55),
    (0.10, 0.70),
    (0.22, 0.84),
    (0.40, 0.94),
    (0.65, 1.0),
    (0.9, 1.01),
    (1.0, 0.99),
];
const MEDIAL: [(f32, f32); 6] = [
    (0.0, 0.36),
    (0.03, 0.24),
    (0.10, 0.17),
    (0.25, 0.145),
    (0.6, 0.13),
    (1.0, 0.13),
];

/// The heart as a tilted ellipse of the frontal projection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heart {
    pub(crate) centre: (f32, f32),
    axes: (f32, f32),
    tilt: (f32, f32),
}

impl Heart {
    /// The depth of the heart's ellipsoid on the unit scale.
    pub(crate) fn unit(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let (along, across) = (
            dx * self.tilt.0 + dy * self.tilt.1,
            dy * self.tilt.0 - dx * self.tilt.1,
        );
        ellipsoid(along, across, (0.0, 0.0), self.axes)
    }
}

/// A breast: a half ellipsoid over the lower chest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Breast {
    pub(crate) centre: (f32, f32),
    pub(crate) axes: (f32, f32),
    depth: f32,
}

/// One patient's chest on one day.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    /// Half of the inner width of the thorax.
    pub(crate) half_width: f32,
    pub(crate) apex: f32,
    pub(crate) carina: f32,
    /// Height of the costophrenic angle and of the diaphragm's dome, by side.
    pub(crate) angle: [f32; 2],
    pub(crate) dome: [f32; 2],
    pub(crate) heart: Heart,
    pub(crate) breasts: Vec<Breast>,
    /// Height of the first rib at the spine, and the distance from rib to rib.
    pub(crate) first_rib: f32,
    pub(crate) rib_pitch: f32,
    pub(crate) rib_drop: f32,
    pub(crate) clavicle_lift: f32,
    /// Strength of bone, from brittle to dense.
    pub(crate) bone: f32,
    /// Thickness of the chest wall.
    pub(crate) wall: f32,
    depth: f32,
    knob: f32,
    spine: Curve,
    lateral: Curve,
    medial: Curve,
    /// Seed of vessels and texture: the patient's, so that studies resemble each other.
    pub(crate) seed: u32,
}

/// What lies along the ray through one point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// 0 right, 1 left.
    pub(crate) side: usize,
    /// Distance from the spine's axis.
    pub(crate) ax: f32,
    /// Height in the lung: 0 at the apex, 1 at the costophrenic angle.
    pub(crate) t: f32,
    /// Lateral and medial border at this height.
    pub(crate) lateral: f32,
    pub(crate) medial: f32,
    /// How far the point lies within the aerated cavity, softly from 0 to 1.
    pub(crate) inside: f32,
    /// Depth of the cavity (lung and organs), and of the organs in it (0 outside of the cavity), in centimetres.
    pub(crate) cavity: f32,
    pub(crate) organs: f32,
}

impl Anatomy {
    /// Draws the patient from `of_patient` and the day's breath from `rng`.
    pub(crate) fn draw(
        study: &Study,
        findings: &[Finding],
        of_patient: &mut impl Rng,
        rng: &mut impl Rng,
    ) -> Self {
        let female = study.sex == Sex::Female;
        let size = of_patient.random_range(0.92..1.06) * if female { 0.95 } else { 1.02 };
        let half_width = 13.9 * size * of_patient.random_range(0.95..1.05);
        let apex = -13.6 * size;
        let habitus = of_patient.random_range(0.0f32..1.0);
        let breath = rng.random_range(-1.0..1.2)
            - if study.projection == Projection::Ap {
                1.6
            } else {
                0.0
            };
        let right_dome = 7.6 * size + breath + of_patient.random_range(-0.8..0.8);
        let left_dome = right_dome + of_patient.random_range(0.5..1.8);
        let dome = [right_dome, left_dome];
        let drop = of_patient.random_range(3.2..4.8);
        let angle = [
            right_dome + drop,
            left_dome + drop * of_patient.random_range(0.8..1.0),
        ];
        let curve = |points: &[(f32, f32)], rng: &mut _| {
            let points: Vec<_> = points
                .iter()
                .map(|&(t, v)| {
                    (
                        t,
                        v * half_width * (1.0 + Rng::random_range(rng, -0.03..0.03)),
                    )
                })
                .collect();
            Curve::through(&points)
        };
        let lateral = curve(&LATERAL, of_patient);
        let medial = curve(&MEDIAL, of_patient);
        let bend = of_patient.random_range(-0.5..0.5);
        let spine = Curve::through(&[
            (0.0, -0.4 * bend),
            (0.3, bend),
            (0.6, -0.3 * bend),
            (1.0, 0.2 * bend),
        ]);
        let breasts = if female {
            breasts(habitus, half_width, of_patient)
        } else {
            Vec::new()
        };
        let heart = heart(study, findings, half_width, left_dome, of_patient);
        Self {
            half_width,
            apex,
            carina: -4.8 * size + 0.2 * breath,
            angle,
            dome,
            heart,
            breasts,
            first_rib: apex + of_patient.random_range(-0.9..0.2),
            rib_pitch: 2.25 * size * of_patient.random_range(0.95..1.06),
            rib_drop: of_patient.random_range(6.0..9.0),
            clavicle_lift: of_patient.random_range(0.2..3.0),
            bone: of_patient.random_range(0.65..1.25),
            wall: 1.7 + 1.9 * habitus,
            depth: 8.3 * size * of_patient.random_range(0.93..1.12),
            knob: of_patient.random_range(1.7..2.7),
            spine,
            lateral,
            medial,
            seed: of_patient.random(),
        }
    }
}

impl Anatomy {
    /// The spine's distance from the midline at height `y`.
    pub(crate) fn axis(&self, y: f32) -> f32 {
        self.spine.at((y + 22.0) / 44.0)
    }

    /// Height of the lung of a side, from apex to costophrenic angle.
    pub(crate) fn lung_height(&self, side: usize) -> f32 {
        self.angle[side] - self.apex
    }

    /// Lateral and medial border at height `t` of the lung.
    pub(crate) fn borders(&self, t: f32) -> (f32, f32) {
        (self.lateral.at(t), self.medial.at(t))
    }

    /// The body's point at height `t` of a lung and `u` of the way from its medial to its lateral border.
    pub(crate) fn lung_point(&self, side: usize, t: f32, u: f32) -> (f32, f32) {
        let (lateral, medial) = self.borders(t);
        let y = self.apex + t * self.lung_height(side);
        (
            self.axis(y) + sign(side) * (medial + u * (lateral - medial)),
            y,
        )
    }

    /// Where the vessels of a side come from.
    pub(crate) fn hilum(&self, side: usize) -> (f32, f32) {
        let y = self.carina + if side == 0 { 2.6 } else { 1.6 };
        (self.axis(y) + sign(side) * 0.30 * self.half_width, y)
    }

    /// Height of the diaphragm at distance `ax` from the axis.
    pub(crate) fn diaphragm(&self, side: usize, ax: f32) -> f32 {
        let peak = 0.47 * self.half_width;
        let drop = self.angle[side] - self.dome[side];
        if ax > peak {
            let u = (ax - peak) / (self.half_width - peak);
            self.dome[side] + drop * u * u * (0.45 + 0.55 * u)
        } else {
            let v = 1.0 - ax / peak;
            self.dome[side] + 1.8 * v * v
        }
    }

    /// What lies along the ray through a point; `soft` is the half width of edges.
    pub(crate) fn site(&self, x: f32, y: f32, soft: f32) -> Site {
        let dx = x - self.axis(y);
        let side = usize::from(dx > 0.0);
        let ax = dx.abs();
        let height = self.lung_height(side);
        let t = (y - self.apex) / height;
        let (lateral, medial) = self.borders(t);
        let slope = (self.lateral.at(t + 0.01) - self.lateral.at(t - 0.01)) / (0.02 * height);
        let flat = 1.0 / (1.0 + slope * slope).sqrt();
        let floor = edge(self.diaphragm(side, ax) - y, soft * 1.5);
        let below = (y - self.diaphragm(side, ax)).max(0.0);
        let recess = 0.22 / (1.0 + below * below) * edge(self.angle[side] + 0.5 - y, 0.8);
        let inside = edge((lateral - ax) * flat, soft)
            * edge(ax - medial, 0.8)
            * edge((y - self.apex) * 0.5, soft)
            * floor.max(recess);
        let cavity =
            2.0 * self.depth * flank(ax / (lateral + 0.4)) * (lateral / self.half_width).min(1.0);
        Site {
            side,
            ax,
            t,
            lateral,
            medial,
            inside,
            cavity,
            organs: if inside > 0.0 { self.organs(x, y) } else { 0.0 },
        }
    }

    /// The depth of heart, great vessels and mediastinum.
    fn organs(&self, x: f32, y: f32) -> f32 {
        let heart = 15.0 * self.heart.unit(x, y).sqrt();
        let base = self.heart.centre.1;
        let knob = 12.0
            * ellipsoid(
                x,
                y,
                (1.5, self.carina - 1.4),
                (self.knob + 0.5, self.knob + 0.6),
            );
        let artery = 11.0 * ellipsoid(x, y, (1.2, self.carina + 2.8), (3.0, 4.2));
        let band = 14.0 * flank((x + 0.1) / 3.5) * edge(base - 1.0 - y, 5.0);
        let right = 13.0 * ellipsoid(x, y, (-1.2, base - 1.0), (3.6, 7.0));
        heart.max(knob).max(artery).max(band).max(right)
    }

    /// The depth of the whole body at a point, air 0.
    pub(crate) fn body(&self, x: f32, y: f32) -> f32 {
        let chest = self.half_width + self.wall;
        let neck = 5.6;
        let shoulders = edge(y - (self.apex + 0.5), 4.0);
        let armpit = 5.5 * (1.0 - edge(y + 5.0, 5.0));
        let torso_width = neck + (chest + armpit - neck) * shoulders;
        let torso = 2.0 * (self.depth + 2.6) * flank(x / torso_width);
        let torso = torso * (0.55 + 0.45 * edge(y - self.apex, 5.0));
        let arm_x = chest + 3.4 + 0.13 * (y - self.apex);
        let arm = 8.0 * flank((x.abs() - arm_x) / 4.2) * edge(y - self.apex - 4.0, 1.5);
        let breasts: f32 = self.breasts.iter().map(|b| b.depth(x, y)).sum();
        torso.max(arm) + if torso > 0.5 { breasts } else { 0.0 }
    }
}

impl Breast {
    fn depth(&self, x: f32, y: f32) -> f32 {
        let fade = edge(y - self.centre.1 + 0.55 * self.axes.1, 0.6 * self.axes.1);
        self.depth * ellipsoid(x, y, self.centre, self.axes) * fade
    }
}

/// -1 for the patient's right, 1 for the left.
pub(crate) fn sign(side: usize) -> f32 {
    if side == 0 { -1.0 } else { 1.0 }
}

fn breasts(habitus: f32, half_width: f32, rng: &mut impl Rng) -> Vec<Breast> {
    let (size, low) = (
        rng.random_range(4.2..6.6) + habitus,
        rng.random_range(1.0..5.0),
    );
    let depth = rng.random_range(1.2..3.4) + habitus;
    let removed = if rng.random_bool(0.04) {
        rng.random_range(0..2)
    } else {
        2
    };
    (0..2)
        .filter(|&side| side != removed)
        .map(|side| {
            let skew = rng.random_range(0.95..1.06);
            Breast {
                centre: (
                    sign(side) * half_width * 0.58,
                    low + rng.random_range(-0.4..0.4),
                ),
                axes: (size * skew, size * 1.05),
                depth: depth * skew,
            }
        })
        .collect()
}

/// The heart: its width is the cardiothoracic ratio of the inner thorax.
fn heart(
    study: &Study,
    findings: &[Finding],
    half_width: f32,
    left_dome: f32,
    rng: &mut impl Rng,
) -> Heart {
    let healthy = rng.random_range(0.40f32..0.48);
    let part = rng.random::<f32>();
    let ratio = findings
        .iter()
        .find(|f| f.kind == Kind::Cardiomegaly)
        .map_or(healthy, |f| {
            let (low, high) = f.severity.of([(0.525, 0.56), (0.56, 0.61), (0.61, 0.68)]);
            low + part * (high - low)
        });
    let bedside = if study.projection == Projection::Ap {
        0.012
    } else {
        0.0
    };
    let extent = (ratio + bedside) * half_width;
    let left = rng.random_range(0.64..0.70);
    let tilt: f64 = rng.random_range(0.50..0.72);
    let (cos, sin) = (tilt.cos() as f32, tilt.sin() as f32);
    let slim = rng.random_range(0.68..0.76);
    let long = extent / (cos * cos + slim * slim * sin * sin).sqrt();
    let tall = long * (sin * sin + slim * slim * cos * cos).sqrt();
    Heart {
        centre: (extent * (2.0 * left - 1.0), left_dome + 1.6 - tall),
        axes: (long, long * slim),
        tilt: (cos, sin),
    }
}
