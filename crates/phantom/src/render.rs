//! Draws a film: depths of tissue along each ray, bones and vessels as strokes, findings with their masks.

use std::ops::Range;

use mflag_core::seed;
use mflag_film::Film;
use rand::Rng;
use serde::Serialize;

use super::anatomy::Anatomy;
use super::canvas::{View, edge, noise};
use super::cohort::{Projection, Study, stream};
use super::device;
use super::exposure::Exposure;
use super::finding::{Finding, Kind};
use super::lesion::{Lesion, Stroke};
use super::object::{self, Object};
use super::recipe::Plan;
use super::skeleton;

/// Attenuation of soft tissue a centimetre, and the part of it that aerated lung saves.
const TISSUE: f32 = 0.165;
const AIR: f32 = 0.115;
/// The detector's pitch in centimetres, which ties pixels to the body's size.
const PITCH: f32 = 0.0139;

/// A box in pixels of the film: left, top, width, height.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// Left column.
    pub x: u32,
    /// Top row.
    pub y: u32,
    /// Columns.
    pub w: u32,
    /// Rows.
    pub h: u32,
}

impl Bounds {
    /// The smallest box around what is set in these columns of a mask; `None` where nothing is.
    pub(crate) fn of(mask: &[u8], width: usize, columns: Range<usize>) -> Option<Self> {
        let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
        for (row, line) in mask.chunks_exact(width).enumerate() {
            let set = |&column: &usize| line[column] == 1;
            let Some(first) = columns.clone().find(set) else {
                continue;
            };
            let last = columns.clone().rfind(set).unwrap_or(first);
            left = left.min(first as u32);
            right = right.max(last as u32);
            top = top.min(row as u32);
            bottom = row as u32;
        }
        (left <= right).then(|| Self {
            x: left,
            y: top,
            w: right - left + 1,
            h: bottom - top + 1,
        })
    }
}

/// A finding, or a foreign object, as it stands on the film.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Located<T = Finding> {
    /// What it is.
    #[serde(flatten)]
    pub finding: T,
    /// 1 where the finding is, else 0: row-major, as large as the film.
    #[serde(skip)]
    pub mask: Vec<u8>,
    /// The smallest box that holds the mask.
    #[serde(rename = "box")]
    pub bounds: Bounds,
    /// Pixels of the mask.
    pub area: u64,
}

/// A film with all that is on it.
pub(crate) struct Drawn {
    pub(crate) film: Film,
    pub(crate) findings: Vec<Located>,
    /// Those that lie on the film.
    pub(crate) objects: Vec<Located<Object>>,
}

/// A study's frontal film, ready to be drawn at any size.
#[derive(Debug, Clone)]
pub(crate) struct Scene<'a> {
    seed: u64,
    study: &'a Study,
    anatomy: Anatomy,
    lesions: Vec<Lesion>,
    outside: Vec<Stroke>,
    objects: Vec<(Object, Stroke)>,
    exposure: Exposure,
    turn: f64,
    zoom: f32,
    centre: (f32, f32),
}

impl<'a> Scene<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let Plan {
            study,
            findings,
            seed,
            ..
        } = plan;
        let seed = *seed;
        let of_patient = &mut seed::rng(seed, stream::ANATOMY, study.patient);
        let rng = &mut seed::rng(seed, stream::FILM, study.index);
        let anatomy = Anatomy::draw(study, findings, of_patient, rng);
        let lesions = findings
            .iter()
            .map(|&f| Lesion::new(f, &anatomy, study))
            .collect();
        let bedside = study.projection == Projection::Ap;
        let loose = if bedside { 1.6 } else { 1.0 };
        let electrodes = match (plan.electrodes, bedside) {
            (false, _) => 0.0,
            (true, true) => 0.65,
            (true, false) => 0.08,
        };
        let outside = device::unreported(&anatomy, electrodes, rng);
        let objects = if plan.objects {
            let rng = &mut seed::rng(seed, stream::OBJECTS, study.index);
            object::draw(&anatomy, rng)
        } else {
            Vec::new()
        };
        let middle = 0.5 * (anatomy.apex + anatomy.angle[0]);
        Self {
            seed,
            study,
            lesions,
            outside,
            objects,
            exposure: Exposure::draw(study.projection, rng),
            turn: rng.random_range(-0.035..0.035) * loose,
            zoom: fit(study, &anatomy) * rng.random_range(1.0f32..1.09),
            centre: (
                rng.random_range(-0.6..0.6) * loose as f32,
                middle + rng.random_range(-0.8f32..0.8),
            ),
            anatomy,
        }
    }

    /// Draws the film with its longest side of `side` pixels.
    pub(crate) fn draw(&self, side: u32) -> Drawn {
        let (columns, rows) = self.study.detector;
        let (width, height) = scaled(self.study.detector, side);
        let scale = side as f32 / (columns.max(rows) as f32 * PITCH) * self.zoom;
        let view = View::new(width, height, scale, self.turn, self.centre);
        let blank = || vec![0u8; width * height];

        let mut bones = vec![0.0f32; width * height];
        let bedside = self.study.projection == Projection::Ap;
        for stroke in skeleton::bones(&self.anatomy, bedside)
            .iter()
            .chain(&self.outside)
        {
            view.stroke(&stroke.nodes, stroke.profile, |i, v| bones[i] += v);
        }
        let mut vessels = vec![0.0f32; width * height];
        for stroke in skeleton::vessels(&self.anatomy, self.engorged()) {
            view.stroke(&stroke.nodes, stroke.profile, |i, v| {
                vessels[i] = vessels[i].max(v);
            });
        }
        let mut of_objects = Vec::with_capacity(self.objects.len());
        for (_, stroke) in &self.objects {
            let mut mask = blank();
            view.stroke(&stroke.nodes, stroke.profile, |i, v| {
                bones[i] += v;
                mask[i] = 1;
            });
            of_objects.push(mask);
        }
        let mut masks = vec![blank(); self.lesions.len()];
        for (lesion, mask) in self.lesions.iter().zip(&mut masks) {
            self.draw_strokes(view, lesion, mask, &mut bones);
        }
        for (index, value) in bones.iter_mut().enumerate() {
            *value += self.tissue(view, index, vessels[index], &mut masks);
        }
        drop(vessels);
        let rng = &mut seed::rng(self.seed, stream::NOISE, self.study.index);
        let film = self.exposure.develop(view, bones, rng);
        let findings = self.lesions.iter().zip(masks);
        let objects = self.objects.iter().zip(of_objects);
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

    /// How much wider than usual the vessels are.
    fn engorged(&self) -> f32 {
        let edema = self.lesions.iter().find(|l| l.finding.kind == Kind::Edema);
        edema.map_or(1.0, |l| l.finding.severity.of([1.12, 1.25, 1.4]))
    }

    /// Adds a finding's lines to the film and to its mask.
    fn draw_strokes(&self, view: View, lesion: &Lesion, mask: &mut [u8], film: &mut [f32]) {
        let device = lesion.finding.kind.is_device();
        for stroke in lesion.strokes() {
            view.stroke(&stroke.nodes, stroke.profile, |i, value| {
                let (x, y) = view.to_body(i % view.width, i / view.width);
                let inside = if device {
                    1.0
                } else {
                    self.anatomy.site(x, y, 0.12).inside
                };
                film[i] += value * inside;
                if inside > 0.5 {
                    mask[i] = 1;
                }
            });
        }
    }

    /// Attenuation of all that is no stroke at one pixel; marks the masks on its way.
    fn tissue(&self, view: View, index: usize, vessel: f32, masks: &mut [Vec<u8>]) -> f32 {
        let anatomy = &self.anatomy;
        let (x, y) = view.to_body(index % view.width, index / view.width);
        let body = TISSUE * anatomy.body(x, y);
        if body <= 0.0 {
            return 0.0;
        }
        let site = anatomy.site(x, y, 0.10 + 0.5 * view.pixel());
        let (mut free, mut marked, mut added) = (1.0f32, 1.0f32, 0.0f32);
        for (lesion, mask) in self.lesions.iter().zip(masks) {
            let effect = lesion.at(anatomy, &site, x, y, view.pixel());
            free *= 1.0 - effect.filled;
            marked *= 1.0 - effect.displaced;
            added += effect.added;
            mask[index] |= u8::from(effect.marked);
        }
        let lung = (site.cavity - site.organs).max(0.0) * site.inside;
        let thin = (lung * 0.25).min(1.0);
        let markings = if thin > 0.0 {
            let texture = 0.030 * noise(x * 2.3, y * 2.3, anatomy.seed)
                + 0.022 * noise(x * 5.1, y * 5.1, !anatomy.seed);
            (vessel + texture) * marked * free * thin
        } else {
            0.0
        };
        let haze = 0.06 * noise(x * 0.35, y * 0.35, anatomy.seed);
        body + skeleton::midline(anatomy, x, y) - AIR * lung * free + markings + added + haze
            - self.bubble(x, y)
    }

    /// Gas in the stomach, in some patients.
    fn bubble(&self, x: f32, y: f32) -> f32 {
        if self.anatomy.seed % 5 < 2 {
            return 0.0;
        }
        let size = 1.0 + (self.anatomy.seed % 97) as f32 / 60.0;
        let (dx, dy) = (
            (x - 5.6) / (1.6 * size),
            (y - self.anatomy.dome[1] - 1.0 - size) / size,
        );
        0.35 * edge(1.0 - dx * dx - dy * dy, 0.5) * edge(y - self.anatomy.dome[1] - 0.6, 0.3)
    }

    /// Cuts the mask to the beam and measures it.
    fn locate<T>(&self, view: View, finding: T, mut mask: Vec<u8>) -> Located<T> {
        for (row, line) in mask.chunks_exact_mut(view.width).enumerate() {
            for (column, cell) in line.iter_mut().enumerate() {
                *cell &= u8::from(*cell == 1 && self.exposure.lit(view, column, row));
            }
        }
        Located {
            finding,
            bounds: Bounds::of(&mask, view.width, 0..view.width).unwrap_or_default(),
            area: mask.iter().map(|&cell| u64::from(cell)).sum(),
            mask,
        }
    }
}

/// The zoom at which the chest fills the film.
fn fit(study: &Study, anatomy: &Anatomy) -> f32 {
    let (columns, rows) = study.detector;
    let (width, height) = (columns as f32 * PITCH, rows as f32 * PITCH);
    let chest = 2.0 * (anatomy.half_width + anatomy.wall) + 0.6;
    let lungs = anatomy.angle[0].max(anatomy.angle[1]) - anatomy.apex + 7.0;
    (width / chest).min(height / lungs)
}

/// A size whose longest side is `side`, the other rounded.
pub(crate) fn scaled((columns, rows): (u32, u32), side: u32) -> (usize, usize) {
    let longest = u64::from(columns.max(rows));
    let part = |v: u32| ((u64::from(v) * u64::from(side) + longest / 2) / longest).max(1) as usize;
    (part(columns), part(rows))
}
