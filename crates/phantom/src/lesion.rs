//! The shapes of findings: what each does to the tissue along a ray, and which points belong to its mask.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::anatomy::{Anatomy, Site, sign};
use super::canvas::{Curve, Node, Profile, edge, noise};
use super::cohort::{Projection, Study};
use super::device;
use super::finding::{Finding, Kind, Severity, Zone};

/// A line of the film: a tube, a wire, a band.
#[derive(Debug, Clone)]
pub(crate) struct Stroke {
    pub(crate) nodes: Vec<Node>,
    pub(crate) profile: Profile,
}

/// What a finding does at one point.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Effect {
    /// Part of the air that is replaced by fluid or tissue, at most 1; negative where free air replaces lung.
    pub(crate) filled: f32,
    /// Part of the ray's lung that pleural air has displaced, in [0, 1].
    pub(crate) displaced: f32,
    /// Attenuation that comes on top.
    pub(crate) added: f32,
    /// Whether the point belongs to the mask.
    pub(crate) marked: bool,
}

/// A finding with its geometry.
#[derive(Debug, Clone)]
pub(crate) struct Lesion {
    pub(crate) finding: Finding,
    shape: Shape,
}

#[derive(Debug, Clone)]
enum Shape {
    Patches {
        blobs: Vec<Blob>,
        density: f32,
        grain: u32,
    },
    Edema {
        hila: [(f32, f32); 2],
        reach: f32,
        density: f32,
        grain: u32,
    },
    Effusion {
        sheets: [Option<Sheet>; 2],
        density: f32,
        soft: f32,
    },
    Pneumothorax {
        side: usize,
        line: Curve,
        slope: Curve,
        plain: f32,
    },
    Nodule {
        blob: Blob,
        strength: f32,
        grain: u32,
    },
    Heart,
    Strokes(Vec<Stroke>),
}

#[derive(Debug, Clone, Copy)]
struct Blob {
    x: f32,
    y: f32,
    radius: f32,
    flat: f32,
}

impl Blob {
    /// Squared distance on the blob's scale: 1 at its border.
    fn q2(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (
            (x - self.x) / self.radius,
            (y - self.y) / (self.radius * self.flat),
        );
        dx * dx + dy * dy
    }
}

/// The upper border of an effusion: it climbs from the mediastinum to the chest wall.
#[derive(Debug, Clone, Copy)]
struct Sheet {
    wall: f32,
    rise: f32,
}

impl Sheet {
    fn top(&self, site: &Site) -> f32 {
        let u = ((site.ax - site.medial) / (site.lateral - site.medial)).clamp(0.0, 1.0);
        self.wall + self.rise * (1.0 - u * u * u)
    }
}

/// The part of a blob's coverage above which a point belongs to the mask.
const MASKED: f32 = 0.3;

impl Lesion {
    /// Places a finding in a chest.
    pub(crate) fn new(finding: Finding, anatomy: &Anatomy, study: &Study) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(finding.shape);
        let plain = 0.4 + 0.6 * finding.contrast;
        let shape = match finding.kind {
            Kind::Opacity => patches(&finding, anatomy, 0.5 * plain, rng),
            Kind::Consolidation => patches(&finding, anatomy, 0.25 + 0.6 * plain, rng),
            Kind::Edema => Shape::Edema {
                hila: [anatomy.hilum(0), anatomy.hilum(1)],
                reach: finding.severity.of([6.5, 8.0, 10.0]) * rng.random_range(0.9..1.1),
                density: plain * finding.severity.of([0.3, 0.45, 0.62]),
                grain: rng.random(),
            },
            Kind::Effusion => effusion(&finding, anatomy, study, rng),
            Kind::Pneumothorax => pneumothorax(&finding, anatomy, rng),
            Kind::Nodule => nodule(&finding, anatomy, plain, rng),
            Kind::Cardiomegaly => Shape::Heart,
            Kind::Atelectasis => Shape::Strokes(bands(&finding, anatomy, plain, rng)),
            Kind::EndotrachealTube
            | Kind::CentralLine
            | Kind::Pacemaker
            | Kind::NasogastricTube => Shape::Strokes(device::strokes(&finding, anatomy, rng)),
        };
        Self { finding, shape }
    }

    /// The lines of a finding that is drawn by lines, else none.
    pub(crate) fn strokes(&self) -> &[Stroke] {
        match &self.shape {
            Shape::Strokes(strokes) => strokes,
            _ => &[],
        }
    }

    /// What the finding does at a point; `pixel` is the pixel's size.
    pub(crate) fn at(&self, anatomy: &Anatomy, site: &Site, x: f32, y: f32, pixel: f32) -> Effect {
        match &self.shape {
            Shape::Patches {
                blobs,
                density,
                grain,
            } => {
                let clear: f32 = blobs
                    .iter()
                    .map(|b| 1.0 - (1.0 - b.q2(x, y)).max(0.0))
                    .product();
                if clear >= 1.0 {
                    return Effect::default();
                }
                let rough = 1.0
                    + 0.45 * noise(x * 1.1, y * 1.1, *grain)
                    + 0.25 * noise(x * 2.7, y * 2.7, *grain);
                let cover = ((1.0 - clear) * rough).clamp(0.0, 1.0);
                fill(cover, *density, 1.0 - clear > MASKED, site)
            }
            Shape::Edema {
                hila,
                reach,
                density,
                grain,
            } => {
                let (hx, hy) = hila[site.side];
                let d2 = ((x - hx) / reach).powi(2) + ((y - hy) / (reach * 1.15)).powi(2);
                let core = (1.0 - d2).max(0.0);
                let rough = 0.75 + 0.5 * noise(x * 0.9, y * 0.9, *grain);
                fill((core * rough).min(1.0), *density, core > MASKED, site)
            }
            Shape::Effusion {
                sheets,
                density,
                soft,
            } => sheets[site.side].map_or_else(Effect::default, |sheet| {
                let cover = edge(y - sheet.top(site), *soft);
                fill(cover, *density, cover > 0.5, site)
            }),
            Shape::Pneumothorax {
                side,
                line,
                slope,
                plain,
            } if *side == site.side => {
                let height = anatomy.lung_height(site.side);
                let tilt = slope.at(site.t) / height;
                let beyond = (site.ax - line.at(site.t)) / (1.0 + tilt * tilt).sqrt();
                let soft = 0.04 + 0.5 * pixel;
                let pleura = (1.0 - (beyond / (0.07 + 0.5 * pixel)).powi(2)).max(0.0);
                let thin = 0.07 / (0.07 + 0.5 * pixel);
                Effect {
                    filled: plain * (0.14 - 0.32 * edge(beyond, soft)),
                    displaced: edge(beyond, soft),
                    added: plain * pleura * thin * (site.inside - 0.5).max(0.0),
                    marked: beyond > 0.0 && site.inside > 0.5,
                }
            }
            Shape::Pneumothorax { .. } => Effect::default(),
            Shape::Nodule {
                blob,
                strength,
                grain,
            } => {
                let lumps = 1.0 + 0.22 * noise((x - blob.x) / blob.radius, y / blob.radius, *grain);
                let q2 = blob.q2(x, y) * lumps;
                let depth = (1.0 - q2).max(0.0).sqrt();
                Effect {
                    added: strength * depth * site.inside,
                    marked: q2 < 0.9 && site.inside > 0.5,
                    ..Effect::default()
                }
            }
            Shape::Heart => Effect {
                marked: anatomy.heart.unit(x, y) > 0.0,
                ..Effect::default()
            },
            Shape::Strokes(_) => Effect::default(),
        }
    }
}

fn fill(cover: f32, density: f32, core: bool, site: &Site) -> Effect {
    Effect {
        filled: cover * density,
        marked: core && site.inside > 0.4,
        ..Effect::default()
    }
}

fn sides(finding: &Finding) -> impl Iterator<Item = usize> {
    let side = finding.side;
    (0..2).filter(move |&s| side.holds(s))
}

/// The height in the lung (0 apex, 1 angle) of a zone.
fn height(zone: Option<Zone>, rng: &mut impl Rng) -> f32 {
    match zone {
        Some(Zone::Upper) => rng.random_range(0.16..0.28),
        Some(Zone::Mid) => rng.random_range(0.40..0.52),
        _ => rng.random_range(0.64..0.76),
    }
}

fn patches(finding: &Finding, anatomy: &Anatomy, density: f32, rng: &mut impl Rng) -> Shape {
    let mut blobs = Vec::new();
    for side in sides(finding) {
        let reach = finding.severity.of([1.7, 2.7, 4.0]) * rng.random_range(0.85..1.2);
        let (x, y) = anatomy.lung_point(
            side,
            height(finding.zone, rng),
            if finding.zone == Some(Zone::Lower) && side == 1 {
                rng.random_range(0.55..0.8)
            } else {
                rng.random_range(0.3..0.75)
            },
        );
        for _ in 0..rng.random_range(4..8) {
            blobs.push(Blob {
                x: x + reach * rng.random_range(-0.6..0.6),
                y: y + reach * rng.random_range(-0.5..0.5),
                radius: reach * rng.random_range(0.45..0.85),
                flat: rng.random_range(0.7..1.2),
            });
        }
    }
    Shape::Patches {
        blobs,
        density: density.min(0.9),
        grain: rng.random(),
    }
}

fn effusion(finding: &Finding, anatomy: &Anatomy, study: &Study, rng: &mut impl Rng) -> Shape {
    let mut sheets = [None; 2];
    for side in sides(finding) {
        let (low, high) = finding.severity.of([(1.8, 3.2), (4.2, 7.0), (8.5, 13.5)]);
        let tall = rng.random_range(low..high);
        let rise = (0.35 * tall + rng.random_range(0.6f32..1.6)).min(5.0);
        sheets[side] = Some(Sheet {
            wall: anatomy.angle[side] - tall,
            rise,
        });
    }
    let layering = if study.projection == Projection::Ap {
        0.9
    } else {
        0.0
    };
    Shape::Effusion {
        sheets,
        density: 0.6 + 0.4 * finding.contrast,
        soft: 0.25 + (1.0 - finding.contrast) * 0.7 + layering * rng.random::<f32>(),
    }
}

fn pneumothorax(finding: &Finding, anatomy: &Anatomy, rng: &mut impl Rng) -> Shape {
    let side = sides(finding).next().unwrap_or(0);
    let (drop, gap, end) = match finding.severity {
        Severity::Mild => (0.035..0.085, 0.5..1.3, 0.35..0.7),
        Severity::Moderate => (0.09..0.16, 1.6..3.0, 0.75..1.0),
        Severity::Severe => (0.17..0.30, 3.8..6.0, 1.1..1.5),
    };
    let (drop, gap, end) = (
        rng.random_range(drop),
        rng.random_range(gap),
        rng.random_range::<f32, _>(end),
    );
    let at = |t: f32| {
        let fade = (1.0 - t / end).max(0.0);
        let fade = fade * (2.0 - fade);
        let (lateral, medial) = anatomy.borders((t - drop * fade) / (1.0 - drop * fade));
        if t < drop {
            medial - gap
        } else {
            lateral - gap * fade
        }
    };
    let table = |f: &dyn Fn(f32) -> f32| {
        let points: Vec<_> = (0..=128)
            .map(|i| (i as f32 / 128.0, f(i as f32 / 128.0)))
            .collect();
        Curve::through(&points)
    };
    Shape::Pneumothorax {
        side,
        line: table(&at),
        slope: table(&|t| (at(t + 0.01) - at(t - 0.01)) / 0.02),
        plain: 0.3 + 0.7 * finding.contrast,
    }
}

fn nodule(finding: &Finding, anatomy: &Anatomy, plain: f32, rng: &mut impl Rng) -> Shape {
    let (low, high) = finding.severity.of([(0.38, 0.6), (0.65, 1.0), (1.1, 1.6)]);
    let side = sides(finding).next().unwrap_or(0);
    let (x, y) = anatomy.lung_point(side, height(finding.zone, rng), rng.random_range(0.5..0.8));
    let blob = Blob {
        x,
        y,
        radius: rng.random_range(low..high),
        flat: rng.random_range(0.85..1.15),
    };
    Shape::Nodule {
        strength: 0.30 * plain * (1.0 + blob.radius),
        blob,
        grain: rng.random(),
    }
}

/// Plate-like atelectasis: a few bands above the diaphragm.
fn bands(finding: &Finding, anatomy: &Anatomy, plain: f32, rng: &mut impl Rng) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    for side in sides(finding) {
        for _ in 0..finding.severity.of([1, 2, 3]) {
            let length = finding.severity.of([2.6, 3.6, 4.6]) * rng.random_range(0.8..1.3);
            let u = if side == 1 {
                rng.random_range(0.58..0.72)
            } else {
                rng.random_range(0.35..0.65)
            };
            let (x, _) = anatomy.lung_point(side, 0.8, u);
            let floor = anatomy.diaphragm(side, (x - anatomy.axis(anatomy.dome[side])).abs());
            let y = floor - rng.random_range(1.0..3.4);
            let tilt = rng.random_range(-0.12..0.32) * sign(side);
            let half = rng.random_range(0.14..0.36);
            let bow = rng.random_range(-0.3..0.3);
            let node = |part: f32| {
                let along = part * length;
                let y = y + tilt * along + bow * part * part * 4.0;
                Node::new(x + along, y, half * (1.0 - part * part), 0.5 * plain)
            };
            let nodes = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5].map(node).to_vec();
            strokes.push(Stroke {
                nodes,
                profile: Profile::Round,
            });
        }
    }
    strokes
}
