//! Draws a film: adds up the tissue along each ray, bones, vessels and findings, and marks the
//! findings' masks.

use mflag_core::seed;
use mflag_film::Film;
use rand::Rng;

use super::anatomy::Anatomy;
use super::canvas::View;
use super::device;
use super::exposure::Exposure;
use super::functions::{edge, noise};
use super::lesion::Lesion;
use super::object::{self, Object};
use super::skeleton;
use super::stroke::Stroke;
use crate::cohort::{Projection, Study, stream};
use crate::finding::{Finding, Kind};
use crate::located::Located;
use crate::recipe::Plan;

/// Attenuation of a centimetre of soft tissue.
const TISSUE: f32 = 0.165;
/// How much less a centimetre of lung attenuates than a centimetre of soft tissue.
const AIR: f32 = 0.115;
/// The detector's pixel spacing in centimetres, at full resolution.
const PITCH: f32 = 0.0139;
/// Space that a film shows beside the chest, and above and below the lungs together, in
/// centimetres.
const BESIDE_CHEST: f32 = 0.6;
const BEYOND_LUNGS: f32 = 7.0;

/// A film with everything on it.
pub(crate) struct Drawn {
    pub(crate) film: Film,
    pub(crate) findings: Vec<Located>,
    /// The foreign objects that the film shows.
    pub(crate) objects: Vec<Located<Object>>,
}

/// A study's frontal film, ready to be drawn at any size.
#[derive(Debug, Clone)]
pub(crate) struct Scene<'a> {
    seed: u64,
    study: &'a Study,
    anatomy: Anatomy,
    lesions: Vec<Lesion>,
    /// What no report mentions: electrodes, skin folds and the like.
    unreported: Vec<Stroke>,
    objects: Vec<(Object, Stroke)>,
    exposure: Exposure,
    position: Position,
}

/// How the patient is placed before the detector.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// Rotation in radians.
    angle: f64,
    /// Size of the body on the detector; 1 is life size.
    zoom: f32,
    /// The body's point in the middle of the film.
    centre: (f32, f32),
}

impl<'a> Scene<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let (seed, study) = (plan.seed, &plan.study);
        let patient_rng = &mut seed::rng(seed, stream::ANATOMY, study.patient);
        let film_rng = &mut seed::rng(seed, stream::FILM, study.index);
        let anatomy = Anatomy::draw(study, &plan.findings, patient_rng, film_rng);
        let lesion = |&finding: &Finding| Lesion::new(finding, &anatomy, study);
        let lesions = plan.findings.iter().map(lesion).collect();
        let bedside = study.projection == Projection::Ap;
        let electrodes = match (plan.electrodes, bedside) {
            (false, _) => 0.0,
            (true, true) => 0.65,
            (true, false) => 0.08,
        };
        let unreported = device::unreported(&anatomy, electrodes, film_rng);
        let objects = if plan.objects {
            let rng = &mut seed::rng(seed, stream::OBJECTS, study.index);
            object::draw(&anatomy, rng)
        } else {
            Vec::new()
        };
        Self {
            seed,
            study,
            lesions,
            unreported,
            objects,
            exposure: Exposure::draw(study.projection, film_rng),
            position: Position::draw(study, &anatomy, film_rng),
            anatomy,
        }
    }

    /// Draws the film. Its longest side has `side` pixels.
    pub(crate) fn draw(&self, side: u32) -> Drawn {
        let view = self.view(side);
        let mut attenuation = vec![0.0f32; view.width * view.height];
        self.draw_bones(view, &mut attenuation);
        let vessels = self.draw_vessels(view);
        let object_masks = self.draw_objects(view, &mut attenuation);
        let mut masks = vec![blank_mask(view); self.lesions.len()];
        for (lesion, mask) in self.lesions.iter().zip(&mut masks) {
            self.draw_strokes(view, lesion, mask, &mut attenuation);
        }
        for (index, value) in attenuation.iter_mut().enumerate() {
            *value += self.tissue(view, index, vessels[index], &mut masks);
        }
        drop(vessels);
        let rng = &mut seed::rng(self.seed, stream::NOISE, self.study.index);
        let film = self.exposure.develop(view, attenuation, rng);
        let findings = self.lesions.iter().zip(masks);
        let objects = self.objects.iter().zip(object_masks);
        Drawn {
            film,
            findings: findings
                .map(|(lesion, mask)| self.locate(view, lesion.finding, mask))
                .collect(),
            objects: objects
                .map(|((object, _), mask)| self.locate(view, *object, mask))
                .filter(|object| object.area > 0)
                .collect(),
        }
    }

    fn view(&self, side: u32) -> View {
        let Position {
            angle,
            zoom,
            centre,
        } = self.position;
        let (columns, rows) = self.study.detector;
        let (width, height) = scaled(self.study.detector, side);
        let scale = side as f32 / (columns.max(rows) as f32 * PITCH) * zoom;
        View::new(width, height, scale, angle, centre)
    }

    /// Bones, and what no report mentions.
    fn draw_bones(&self, view: View, attenuation: &mut [f32]) {
        let bedside = self.study.projection == Projection::Ap;
        let bones = skeleton::bones(&self.anatomy, bedside);
        for stroke in bones.iter().chain(&self.unreported) {
            view.draw(stroke, |i, v| attenuation[i] += v);
        }
    }

    /// The attenuation of the vessels alone. Where vessels cross, the stronger one counts.
    fn draw_vessels(&self, view: View) -> Vec<f32> {
        let mut vessels = vec![0.0f32; view.width * view.height];
        for stroke in skeleton::vessels(&self.anatomy, self.engorged()) {
            view.draw(&stroke, |i, v| vessels[i] = vessels[i].max(v));
        }
        vessels
    }

    /// How much wider than usual the vessels are.
    fn engorged(&self) -> f32 {
        let edema = self.lesions.iter().find(|l| l.finding.kind == Kind::Edema);
        edema.map_or(1.0, |l| l.finding.severity.select([1.12, 1.25, 1.4]))
    }

    /// Draws the foreign objects; returns their masks.
    fn draw_objects(&self, view: View, attenuation: &mut [f32]) -> Vec<Vec<u8>> {
        let draw = |(_, stroke): &(Object, Stroke)| {
            let mut mask = blank_mask(view);
            view.draw(stroke, |i, v| {
                attenuation[i] += v;
                mask[i] = 1;
            });
            mask
        };
        self.objects.iter().map(draw).collect()
    }

    /// Draws the strokes of a finding, and marks them in its mask. Those of a disease are drawn
    /// only in the lung.
    fn draw_strokes(&self, view: View, lesion: &Lesion, mask: &mut [u8], attenuation: &mut [f32]) {
        let is_device = lesion.finding.kind.is_device();
        for stroke in lesion.strokes() {
            view.draw(stroke, |i, value| {
                let (x, y) = view.to_body(i);
                let inside = if is_device {
                    1.0
                } else {
                    self.anatomy.site(x, y, 0.12).inside
                };
                attenuation[i] += value * inside;
                if inside > 0.5 {
                    mask[i] = 1;
                }
            });
        }
    }

    /// The attenuation of everything that is not a stroke, at one pixel. Marks the findings' masks.
    fn tissue(&self, view: View, index: usize, vessel: f32, masks: &mut [Vec<u8>]) -> f32 {
        let anatomy = &self.anatomy;
        let (x, y) = view.to_body(index);
        let body = TISSUE * anatomy.body(x, y);
        if body <= 0.0 {
            return 0.0;
        }
        let site = anatomy.site(x, y, 0.10 + 0.5 * view.pixel());
        // Fractions of the lung's air and markings that the findings leave, and the attenuation
        // that they add.
        let (mut air, mut markings, mut added) = (1.0f32, 1.0f32, 0.0f32);
        for (lesion, mask) in self.lesions.iter().zip(masks) {
            let effect = lesion.effect(anatomy, &site, (x, y), view.pixel());
            air *= 1.0 - effect.filled;
            markings *= 1.0 - effect.displaced;
            added += effect.added;
            mask[index] |= u8::from(effect.marked);
        }
        let lung = (site.cavity - site.organs).max(0.0) * site.inside;
        // Lung thinner than 4 cm has fainter markings.
        let thick = (lung * 0.25).min(1.0);
        let markings = if thick > 0.0 {
            let texture = 0.030 * noise(x * 2.3, y * 2.3, anatomy.seed)
                + 0.022 * noise(x * 5.1, y * 5.1, !anatomy.seed);
            (vessel + texture) * markings * air * thick
        } else {
            0.0
        };
        let uneven = 0.06 * noise(x * 0.35, y * 0.35, anatomy.seed);
        body + skeleton::midline(anatomy, x, y) - AIR * lung * air + markings + added + uneven
            - self.gastric_bubble(x, y)
    }

    /// How much less the stomach attenuates because of its gas, which three patients in five have.
    fn gastric_bubble(&self, x: f32, y: f32) -> f32 {
        let seed = self.anatomy.seed;
        if seed % 5 < 2 {
            return 0.0;
        }
        let dome = self.anatomy.dome[1];
        let size = 1.0 + (seed % 97) as f32 / 60.0;
        let (dx, dy) = ((x - 5.6) / (1.6 * size), (y - dome - 1.0 - size) / size);
        0.35 * edge(1.0 - dx * dx - dy * dy, 0.5) * edge(y - dome - 0.6, 0.3)
    }

    /// Cuts a mask to the part of the film that the beam reaches, and measures it.
    fn locate<T>(&self, view: View, finding: T, mut mask: Vec<u8>) -> Located<T> {
        for (index, cell) in mask.iter_mut().enumerate() {
            if *cell == 1 && !self.exposure.is_exposed(view, index) {
                *cell = 0;
            }
        }
        Located::new(finding, mask, view.width)
    }
}

impl Position {
    /// The chest fills the film. At the bedside, patients lie less straight.
    fn draw(study: &Study, anatomy: &Anatomy, rng: &mut impl Rng) -> Self {
        let loose = if study.projection == Projection::Ap {
            1.6
        } else {
            1.0
        };
        let middle = 0.5 * (anatomy.apex + anatomy.angle[0]);
        Self {
            angle: rng.random_range(-0.035..0.035) * loose,
            zoom: fit(study, anatomy) * rng.random_range(1.0f32..1.09),
            centre: (
                rng.random_range(-0.6..0.6) * loose as f32,
                middle + rng.random_range(-0.8f32..0.8),
            ),
        }
    }
}

fn blank_mask(view: View) -> Vec<u8> {
    vec![0; view.width * view.height]
}

/// The zoom at which the chest fills the detector.
fn fit(study: &Study, anatomy: &Anatomy) -> f32 {
    let (columns, rows) = study.detector;
    let (width, height) = (columns as f32 * PITCH, rows as f32 * PITCH);
    let chest = 2.0 * (anatomy.half_width + anatomy.wall) + BESIDE_CHEST;
    let lungs = anatomy.angle[0].max(anatomy.angle[1]) - anatomy.apex + BEYOND_LUNGS;
    (width / chest).min(height / lungs)
}

/// Scales a size so that its longest side is `side`; the other side is rounded.
fn scaled((columns, rows): (u32, u32), side: u32) -> (usize, usize) {
    let longest = u64::from(columns.max(rows));
    let scale = |v: u32| ((u64::from(v) * u64::from(side) + longest / 2) / longest).max(1) as usize;
    (scale(columns), scale(rows))
}
