//! The shapes of findings: how each changes the tissue at a point, and which points belong to its
//! mask. One file per shape; devices and atelectasis are strokes.

mod atelectasis;
mod edema;
mod effusion;
mod nodule;
mod patches;
mod pneumothorax;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::anatomy::{Anatomy, Site};
use super::device;
use super::stroke::Stroke;
use crate::cohort::Study;
use crate::finding::{Finding, Kind, Zone};
use edema::Edema;
use effusion::Effusion;
use nodule::Nodule;
use patches::Patches;
use pneumothorax::Pneumothorax;

/// A point belongs to the mask of a haze if the haze has more than this part of its full density
/// there.
const MASKED: f32 = 0.3;

/// How a finding changes the tissue at one point.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effect {
    /// Fraction of the lung's air that fluid or tissue replaces, at most 1; negative where air
    /// replaces lung tissue.
    pub(crate) filled: f32,
    /// Fraction of the lung that air in the pleural space has displaced, in [0, 1].
    pub(crate) displaced: f32,
    /// Additional attenuation.
    pub(crate) added: f32,
    /// Whether the point belongs to the mask.
    pub(crate) marked: bool,
}

/// A finding with its shape.
#[derive(Debug, Clone)]
pub(crate) struct Lesion {
    pub(crate) finding: Finding,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    Patches(Patches),
    Edema(Edema),
    Effusion(Effusion),
    Pneumothorax(Pneumothorax),
    Nodule(Nodule),
    /// The enlarged heart is part of the anatomy; the lesion only marks it in the mask.
    Heart,
    Strokes(Vec<Stroke>),
}

impl Lesion {
    /// Draws the shape of a finding, from the finding's own seed.
    pub(crate) fn new(finding: Finding, anatomy: &Anatomy, study: &Study) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(finding.shape);
        let visibility = 0.4 + 0.6 * finding.contrast;
        let shape = match finding.kind {
            Kind::Opacity => Shape::Patches(Patches::new(&finding, anatomy, 0.5 * visibility, rng)),
            Kind::Consolidation => {
                let density = 0.25 + 0.6 * visibility;
                Shape::Patches(Patches::new(&finding, anatomy, density, rng))
            }
            Kind::Edema => Shape::Edema(Edema::new(&finding, anatomy, visibility, rng)),
            Kind::Effusion => Shape::Effusion(Effusion::new(&finding, anatomy, study, rng)),
            Kind::Pneumothorax => Shape::Pneumothorax(Pneumothorax::new(&finding, anatomy, rng)),
            Kind::Nodule => Shape::Nodule(Nodule::new(&finding, anatomy, visibility, rng)),
            Kind::Cardiomegaly => Shape::Heart,
            Kind::Atelectasis => {
                Shape::Strokes(atelectasis::bands(&finding, anatomy, visibility, rng))
            }
            Kind::EndotrachealTube
            | Kind::CentralLine
            | Kind::Pacemaker
            | Kind::NasogastricTube => Shape::Strokes(device::strokes(&finding, anatomy, rng)),
        };
        Self { finding, shape }
    }

    /// The strokes of atelectasis and of devices; none for other findings.
    pub(crate) fn strokes(&self) -> &[Stroke] {
        match &self.shape {
            Shape::Strokes(strokes) => strokes,
            _ => &[],
        }
    }

    /// How the finding changes the tissue at the point (x, y). `site` is what lies along the ray
    /// through the point; `pixel` is a pixel's size in centimetres.
    pub(crate) fn effect(
        &self,
        anatomy: &Anatomy,
        site: &Site,
        (x, y): (f32, f32),
        pixel: f32,
    ) -> Effect {
        match &self.shape {
            Shape::Patches(patches) => patches.effect(site, x, y),
            Shape::Edema(edema) => edema.effect(site, x, y),
            Shape::Effusion(effusion) => effusion.effect(site, y),
            Shape::Pneumothorax(pneumothorax) => pneumothorax.effect(anatomy, site, pixel),
            Shape::Nodule(nodule) => nodule.effect(site, x, y),
            Shape::Heart => Effect {
                marked: anatomy.heart.depth(x, y) > 0.0,
                ..Effect::default()
            },
            Shape::Strokes(_) => Effect::default(),
        }
    }
}

impl Effect {
    /// Fills a fraction of the lung's air. If `in_core` is true and the point lies in the lung, the
    /// point belongs to the mask.
    fn fill(filled: f32, in_core: bool, site: &Site) -> Self {
        Self {
            filled,
            marked: in_core && site.inside > 0.4,
            ..Self::default()
        }
    }
}

/// A round spot, of which patches and nodules are made.
#[derive(Debug, Clone, Copy)]
struct Blob {
    x: f32,
    y: f32,
    /// Half of its width.
    radius: f32,
    /// Ratio of its height to its width.
    flat: f32,
}

impl Blob {
    /// Squared distance from the centre, with 1 at the border.
    fn distance2(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (
            (x - self.x) / self.radius,
            (y - self.y) / (self.radius * self.flat),
        );
        dx * dx + dy * dy
    }
}

/// The sides that a finding is on.
fn sides(finding: &Finding) -> impl Iterator<Item = usize> {
    let side = finding.side;
    (0..2).filter(move |&index| side.includes(index))
}

/// Draws a height in the lung (0 at the apex, 1 at the costophrenic angle) within a zone.
fn draw_height(zone: Option<Zone>, rng: &mut impl Rng) -> f32 {
    match zone {
        Some(Zone::Upper) => rng.random_range(0.16..0.28),
        Some(Zone::Mid) => rng.random_range(0.40..0.52),
        _ => rng.random_range(0.64..0.76),
    }
}
