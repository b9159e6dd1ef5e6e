//! One patient's chest on one day: about thirty lengths, and the depth of tissue at any point that
//! follows from them.

use rand::Rng;

use super::functions::{Curve, edge, ellipsoid, flank};
use crate::cohort::{Projection, Sex, Study};
use crate::finding::{Finding, Kind};

/// The lung's lateral border: height in the lung (0 at the apex, 1 at the costophrenic angle), and
/// distance from the spine as a fraction of the thorax's half width.
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
/// The lung's medial border, in the same terms.
const MEDIAL: [(f32, f32); 6] = [
    (0.0, 0.36),
    (0.03, 0.24),
    (0.10, 0.17),
    (0.25, 0.145),
    (0.6, 0.13),
    (1.0, 0.13),
];
/// The spine's curve is given from 22 cm above the origin to 22 cm below it.
const SPINE_END: f32 = 22.0;
/// Half of the neck's width.
const NECK: f32 = 5.6;
/// How much higher the diaphragm is on bedside films, whose patients breathe in less.
const SHALLOW_BREATH: f32 = 1.6;

/// The heart: a tilted ellipse in the frontal projection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heart {
    pub(crate) centre: (f32, f32),
    /// Half of its length and of its width.
    axes: (f32, f32),
    /// Cosine and sine of the long axis's angle.
    tilt: (f32, f32),
}

impl Heart {
    /// Draws a heart. Its width is the cardiothoracic ratio times the inner width of the thorax.
    fn draw(
        study: &Study,
        findings: &[Finding],
        half_width: f32,
        left_dome: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let healthy = rng.random_range(0.40f32..0.48);
        let part = rng.random::<f32>();
        let ratio = findings
            .iter()
            .find(|f| f.kind == Kind::Cardiomegaly)
            .map_or(healthy, |f| {
                let ranges = [(0.525, 0.56), (0.56, 0.61), (0.61, 0.68)];
                let (low, high) = f.severity.select(ranges);
                low + part * (high - low)
            });
        // An AP film magnifies the heart.
        let magnified = if study.projection == Projection::Ap {
            0.012
        } else {
            0.0
        };
        let extent = (ratio + magnified) * half_width;
        // Fraction of the heart's width on the patient's left of the midline.
        let left = rng.random_range(0.64..0.70);
        let tilt: f64 = rng.random_range(0.50..0.72);
        let (cos, sin) = (tilt.cos() as f32, tilt.sin() as f32);
        // Ratio of the short axis to the long one.
        let slim = rng.random_range(0.68..0.76);
        // The long half axis of an ellipse whose half width on the film is `extent`, and the half
        // height of that ellipse, which ends 16 mm below the left dome.
        let long = extent / (cos * cos + slim * slim * sin * sin).sqrt();
        let tall = long * (sin * sin + slim * slim * cos * cos).sqrt();
        Self {
            centre: (extent * (2.0 * left - 1.0), left_dome + 1.6 - tall),
            axes: (long, long * slim),
            tilt: (cos, sin),
        }
    }

    /// The depth of the heart at a point, with depth 1 at its centre; 0 outside.
    pub(crate) fn depth(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.centre.0, y - self.centre.1);
        let (along, across) = (
            dx * self.tilt.0 + dy * self.tilt.1,
            dy * self.tilt.0 - dx * self.tilt.1,
        );
        ellipsoid(along, across, (0.0, 0.0), self.axes)
    }
}

/// A breast: half an ellipsoid over the lower chest.
#[derive(Debug, Clone, Copy)]
struct Breast {
    centre: (f32, f32),
    axes: (f32, f32),
    /// Depth at the centre.
    depth: f32,
}

impl Breast {
    /// Both breasts, or, in 4 % of the patients, the one that is left after a mastectomy. `habitus`
    /// runs from thin (0) to obese (1).
    fn draw_both(habitus: f32, half_width: f32, rng: &mut impl Rng) -> Vec<Self> {
        let (size, low) = (
            rng.random_range(4.2..6.6) + habitus,
            rng.random_range(1.0..5.0),
        );
        let depth = rng.random_range(1.2..3.4) + habitus;
        let removed = rng.random_bool(0.04).then(|| rng.random_range(0..2));
        (0..2)
            .filter(|&side| Some(side) != removed)
            .map(|side| {
                let skew = rng.random_range(0.95..1.06);
                Self {
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

    fn depth(&self, x: f32, y: f32) -> f32 {
        let below_top = y - self.centre.1 + 0.55 * self.axes.1;
        let fade = edge(below_top, 0.6 * self.axes.1);
        self.depth * ellipsoid(x, y, self.centre, self.axes) * fade
    }
}

/// The day's position of the diaphragm. Heights are values of y, which points down.
struct Diaphragm {
    /// How far the diaphragm is below its mean position.
    breath: f32,
    /// Height of the dome and of the costophrenic angle, by side.
    dome: [f32; 2],
    angle: [f32; 2],
}

impl Diaphragm {
    /// `size` is a factor of the patient's lengths: 1 is average.
    fn draw(
        projection: Projection,
        size: f32,
        patient_rng: &mut impl Rng,
        film_rng: &mut impl Rng,
    ) -> Self {
        let higher = if projection == Projection::Ap {
            SHALLOW_BREATH
        } else {
            0.0
        };
        let breath = film_rng.random_range(-1.0..1.2) - higher;
        let right = 7.6 * size + breath + patient_rng.random_range(-0.8..0.8);
        let left = right + patient_rng.random_range(0.5..1.8);
        let drop = patient_rng.random_range(3.2..4.8);
        Self {
            breath,
            dome: [right, left],
            angle: [
                right + drop,
                left + drop * patient_rng.random_range(0.8..1.0),
            ],
        }
    }
}

/// One patient's chest on one day. Heights are values of y, which points down.
#[derive(Debug, Clone)]
pub(crate) struct Anatomy {
    /// Half of the inner width of the thorax.
    pub(crate) half_width: f32,
    /// Height of the lungs' apex.
    pub(crate) apex: f32,
    /// Height of the carina, where the trachea divides.
    pub(crate) carina: f32,
    /// Height of the costophrenic angle, by side.
    pub(crate) angle: [f32; 2],
    /// Height of the diaphragm's dome, by side.
    pub(crate) dome: [f32; 2],
    pub(crate) heart: Heart,
    breasts: Vec<Breast>,
    /// Height of the first rib at the spine.
    pub(crate) first_rib: f32,
    /// Distance from rib to rib.
    pub(crate) rib_pitch: f32,
    /// How much lower a rib is at the chest wall than at the spine.
    pub(crate) rib_drop: f32,
    /// How much higher the clavicle is at the shoulder than at the sternum.
    pub(crate) clavicle_lift: f32,
    /// Density of bone: 1 is average.
    pub(crate) bone: f32,
    /// Thickness of the chest wall.
    pub(crate) wall: f32,
    /// Half of the thorax's depth, from front to back.
    depth: f32,
    /// Radius of the aortic knob.
    knob: f32,
    /// Distance of the spine from the midline, along its height.
    spine: Curve,
    /// Distance of the lung's borders from the spine, along the height in the lung.
    lateral: Curve,
    medial: Curve,
    /// Seed of vessels and texture. It is the patient's, so that studies resemble each other.
    pub(crate) seed: u32,
}

/// What lies along the ray through one point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// 0 right, 1 left.
    pub(crate) side: usize,
    /// Distance from the spine's axis.
    pub(crate) from_spine: f32,
    /// Height in the lung: 0 at the apex, 1 at the costophrenic angle.
    pub(crate) t: f32,
    /// Distance of the lung's lateral border from the spine at this height.
    pub(crate) lateral: f32,
    /// Distance of the lung's medial border from the spine at this height.
    pub(crate) medial: f32,
    /// Whether the point lies in the air-filled part of the chest: 0 outside, 1 inside, in between
    /// at the soft edge.
    pub(crate) inside: f32,
    /// Depth of the chest's cavity (lung and organs).
    pub(crate) cavity: f32,
    /// Depth of the organs in the cavity; 0 outside of the cavity.
    pub(crate) organs: f32,
}

impl Anatomy {
    /// Draws the patient from `patient_rng`, and the day's breath from `film_rng`.
    pub(crate) fn draw(
        study: &Study,
        findings: &[Finding],
        patient_rng: &mut impl Rng,
        film_rng: &mut impl Rng,
    ) -> Self {
        let female = study.sex == Sex::Female;
        let size = patient_rng.random_range(0.92..1.06) * if female { 0.95 } else { 1.02 };
        let half_width = 13.9 * size * patient_rng.random_range(0.95..1.05);
        let apex = -13.6 * size;
        // From thin (0) to obese (1).
        let habitus = patient_rng.random_range(0.0f32..1.0);
        let Diaphragm {
            breath,
            dome,
            angle,
        } = Diaphragm::draw(study.projection, size, patient_rng, film_rng);
        let lateral = draw_border(&LATERAL, half_width, patient_rng);
        let medial = draw_border(&MEDIAL, half_width, patient_rng);
        let spine = draw_spine(patient_rng);
        let breasts = if female {
            Breast::draw_both(habitus, half_width, patient_rng)
        } else {
            Vec::new()
        };
        let heart = Heart::draw(study, findings, half_width, dome[1], patient_rng);
        Self {
            half_width,
            apex,
            carina: -4.8 * size + 0.2 * breath,
            angle,
            dome,
            heart,
            breasts,
            first_rib: apex + patient_rng.random_range(-0.9..0.2),
            rib_pitch: 2.25 * size * patient_rng.random_range(0.95..1.06),
            rib_drop: patient_rng.random_range(6.0..9.0),
            clavicle_lift: patient_rng.random_range(0.2..3.0),
            bone: patient_rng.random_range(0.65..1.25),
            wall: 1.7 + 1.9 * habitus,
            depth: 8.3 * size * patient_rng.random_range(0.93..1.12),
            knob: patient_rng.random_range(1.7..2.7),
            spine,
            lateral,
            medial,
            seed: patient_rng.random(),
        }
    }

    /// The spine's distance from the midline at height `y`.
    pub(crate) fn axis(&self, y: f32) -> f32 {
        self.spine.at((y + SPINE_END) / (2.0 * SPINE_END))
    }

    /// Height of a side's lung, from apex to costophrenic angle.
    pub(crate) fn lung_height(&self, side: usize) -> f32 {
        self.angle[side] - self.apex
    }

    /// Distances of the lateral and the medial border from the spine, at height `t` in the lung.
    pub(crate) fn borders(&self, t: f32) -> (f32, f32) {
        (self.lateral.at(t), self.medial.at(t))
    }

    /// The point at height `t` in a lung (0 apex, 1 costophrenic angle) and at the fraction `u` of
    /// the way from its medial to its lateral border.
    pub(crate) fn lung_point(&self, side: usize, t: f32, u: f32) -> (f32, f32) {
        let (lateral, medial) = self.borders(t);
        let y = self.apex + t * self.lung_height(side);
        (
            self.axis(y) + sign(side) * (medial + u * (lateral - medial)),
            y,
        )
    }

    /// The hilum of a side, where its vessels begin.
    pub(crate) fn hilum(&self, side: usize) -> (f32, f32) {
        let y = self.carina + if side == 0 { 2.6 } else { 1.6 };
        (self.axis(y) + sign(side) * 0.30 * self.half_width, y)
    }

    /// Height of the diaphragm at a distance from the spine.
    pub(crate) fn diaphragm(&self, side: usize, from_spine: f32) -> f32 {
        let peak = 0.47 * self.half_width;
        let drop = self.angle[side] - self.dome[side];
        if from_spine > peak {
            let u = (from_spine - peak) / (self.half_width - peak);
            self.dome[side] + drop * u * u * (0.45 + 0.55 * u)
        } else {
            let v = 1.0 - from_spine / peak;
            self.dome[side] + 1.8 * v * v
        }
    }

    /// What lies along the ray through a point. `soft` is half of the width of soft edges.
    pub(crate) fn site(&self, x: f32, y: f32, soft: f32) -> Site {
        let dx = x - self.axis(y);
        let side = usize::from(dx > 0.0);
        let from_spine = dx.abs();
        let height = self.lung_height(side);
        let t = (y - self.apex) / height;
        let (lateral, medial) = self.borders(t);
        // The distance from the lateral border is measured at a right angle to it.
        let slope = (self.lateral.at(t + 0.01) - self.lateral.at(t - 0.01)) / (0.02 * height);
        let right_angle = 1.0 / (1.0 + slope * slope).sqrt();
        let diaphragm = self.diaphragm(side, from_spine);
        let above_diaphragm = edge(diaphragm - y, soft * 1.5);
        // Lung behind the diaphragm's dome, which shows through faintly.
        let below = (y - diaphragm).max(0.0);
        let recess = 0.22 / (1.0 + below * below) * edge(self.angle[side] + 0.5 - y, 0.8);
        let inside = edge((lateral - from_spine) * right_angle, soft)
            * edge(from_spine - medial, 0.8)
            * edge((y - self.apex) * 0.5, soft)
            * above_diaphragm.max(recess);
        let narrowing = (lateral / self.half_width).min(1.0);
        let cavity = 2.0 * self.depth * flank(from_spine / (lateral + 0.4)) * narrowing;
        Site {
            side,
            from_spine,
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
        let heart_centre = self.heart.centre.1;
        let heart = 15.0 * self.heart.depth(x, y).sqrt();
        let aortic_knob = 12.0
            * ellipsoid(
                x,
                y,
                (1.5, self.carina - 1.4),
                (self.knob + 0.5, self.knob + 0.6),
            );
        let pulmonary_artery = 11.0 * ellipsoid(x, y, (1.2, self.carina + 2.8), (3.0, 4.2));
        let mediastinum = 14.0 * flank((x + 0.1) / 3.5) * edge(heart_centre - 1.0 - y, 5.0);
        let right_atrium = 13.0 * ellipsoid(x, y, (-1.2, heart_centre - 1.0), (3.6, 7.0));
        heart
            .max(aortic_knob)
            .max(pulmonary_artery)
            .max(mediastinum)
            .max(right_atrium)
    }

    /// The depth of the whole body at a point; 0 outside of the body.
    pub(crate) fn body(&self, x: f32, y: f32) -> f32 {
        let chest = self.half_width + self.wall;
        let shoulders = edge(y - (self.apex + 0.5), 4.0);
        let armpit = 5.5 * (1.0 - edge(y + 5.0, 5.0));
        let torso_width = NECK + (chest + armpit - NECK) * shoulders;
        let torso = 2.0 * (self.depth + 2.6) * flank(x / torso_width);
        let torso = torso * (0.55 + 0.45 * edge(y - self.apex, 5.0));
        let arm_x = chest + 3.4 + 0.13 * (y - self.apex);
        let arm = 8.0 * flank((x.abs() - arm_x) / 4.2) * edge(y - self.apex - 4.0, 1.5);
        let breasts: f32 = self.breasts.iter().map(|b| b.depth(x, y)).sum();
        torso.max(arm) + if torso > 0.5 { breasts } else { 0.0 }
    }
}

/// -1 for the patient's right, 1 for the patient's left.
pub(crate) fn sign(side: usize) -> f32 {
    if side == 0 { -1.0 } else { 1.0 }
}

/// A border of the lung, each of its points moved by up to 3 %.
fn draw_border(points: &[(f32, f32)], half_width: f32, rng: &mut impl Rng) -> Curve {
    let points: Vec<_> = points
        .iter()
        .map(|&(t, v)| (t, v * half_width * (1.0 + rng.random_range(-0.03..0.03))))
        .collect();
    Curve::through(&points)
}

/// A spine that bends by up to 5 mm.
fn draw_spine(rng: &mut impl Rng) -> Curve {
    let bend = rng.random_range(-0.5..0.5);
    Curve::through(&[
        (0.0, -0.4 * bend),
        (0.3, bend),
        (0.6, -0.3 * bend),
        (1.0, 0.2 * bend),
    ])
}
