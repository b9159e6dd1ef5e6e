//! What is to be seen on a film: the kinds of findings, where and how severe they are.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::Serialize;

use super::cohort::{Projection, Study};

/// The places of "No Finding" and "Pneumonia" in [`LABELS`](mflag_datasets::readers::mimic::LABELS).
pub(crate) const NO_FINDING: usize = 8;
pub(crate) const PNEUMONIA: usize = 11;
/// The most findings on one film.
const MOST: usize = 3;

/// The kinds of findings that the phantom draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Hazy, ill-defined opacity of the lung.
    Opacity,
    /// Dense, patchy airspace opacity.
    Consolidation,
    /// Band-like opacity at a lung base.
    Atelectasis,
    /// Haze around both hila with thickened vessels.
    Edema,
    /// Fluid in the pleural space, with a meniscus.
    Effusion,
    /// Air in the pleural space: a rim without lung markings beyond a fine pleural line.
    Pneumothorax,
    /// A heart wider than half of the thorax.
    Cardiomegaly,
    /// A round opacity of 7 to 32 mm.
    Nodule,
    /// Endotracheal tube.
    EndotrachealTube,
    /// Central venous line from the neck or below the clavicle.
    CentralLine,
    /// Pacemaker with its leads.
    Pacemaker,
    /// Nasogastric tube.
    NasogastricTube,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Opacity,
        Self::Consolidation,
        Self::Atelectasis,
        Self::Edema,
        Self::Effusion,
        Self::Pneumothorax,
        Self::Cardiomegaly,
        Self::Nodule,
        Self::EndotrachealTube,
        Self::CentralLine,
        Self::Pacemaker,
        Self::NasogastricTube,
    ];

    /// The kind's place in [`LABELS`](mflag_datasets::readers::mimic::LABELS).
    #[must_use]
    pub fn label(self) -> usize {
        match self {
            Self::Atelectasis => 0,
            Self::Cardiomegaly => 1,
            Self::Consolidation => 2,
            Self::Edema => 3,
            Self::Nodule => 6,
            Self::Opacity => 7,
            Self::Effusion => 9,
            Self::Pneumothorax => 12,
            Self::EndotrachealTube
            | Self::CentralLine
            | Self::Pacemaker
            | Self::NasogastricTube => 13,
        }
    }

    /// Whether it is a device and no disease: a film with devices alone still counts as "No Finding".
    #[must_use]
    pub fn is_device(self) -> bool {
        self.label() == 13
    }

    /// Whether it darkens the lung itself.
    fn is_parenchymal(self) -> bool {
        matches!(
            self,
            Self::Opacity | Self::Consolidation | Self::Edema | Self::Nodule
        )
    }

    /// How often a study gets it, before conflicts.
    fn weight(self, projection: Projection) -> f64 {
        let bedside = if projection == Projection::Ap {
            1.0
        } else {
            0.0
        };
        match self {
            Self::Opacity => 18.0,
            Self::Consolidation => 13.0,
            Self::Atelectasis => 11.0,
            Self::Edema => 4.0 + 5.0 * bedside,
            Self::Effusion => 19.0,
            Self::Pneumothorax => 13.0,
            Self::Cardiomegaly => 7.0,
            Self::Nodule => 8.0,
            Self::EndotrachealTube => 7.0 * bedside,
            Self::CentralLine => 3.0 + 6.0 * bedside,
            Self::Pacemaker => 1.0,
            Self::NasogastricTube => 6.0 * bedside,
        }
    }
}

/// The side of the patient (the patient's left is on the right of the film).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
    /// Both sides.
    Bilateral,
    /// Neither: the heart, and tubes that run in the midline.
    Midline,
}

impl Side {
    /// The word of a report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Left => "left",
            Self::Bilateral => "bilateral",
            Self::Midline => "midline",
        }
    }

    /// The other side; of both, and of neither, the same.
    fn other(self) -> Self {
        match self {
            Self::Right => Self::Left,
            Self::Left => Self::Right,
            same => same,
        }
    }

    /// Whether the finding touches side 0 (right) or 1 (left).
    pub(crate) fn holds(self, side: usize) -> bool {
        match self {
            Self::Right => side == 0,
            Self::Left => side == 1,
            Self::Bilateral => true,
            Self::Midline => false,
        }
    }
}

/// A third of the lung's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// The upper third, apex included.
    Upper,
    /// The middle third.
    Mid,
    /// The lower third, down to the diaphragm.
    Lower,
}

/// How much of it there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Small, mild.
    Mild,
    /// Moderate.
    Moderate,
    /// Large, severe.
    Severe,
}

impl Severity {
    /// The value of three that belongs to this severity.
    pub(crate) fn of<T>(self, values: [T; 3]) -> T {
        let [mild, moderate, severe] = values;
        match self {
            Self::Mild => mild,
            Self::Moderate => moderate,
            Self::Severe => severe,
        }
    }
}

/// One finding, as it will be drawn and described.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub side: Side,
    /// Height in the lung, for findings of the lung and the pleura.
    pub zone: Option<Zone>,
    /// How much of it there is.
    pub severity: Severity,
    /// How plain it is, in [0, 1]: near 0 it is hard to see.
    pub contrast: f32,
    /// Whether the patient has it in every study.
    pub chronic: bool,
    /// Seed of its shape.
    #[serde(skip)]
    pub(crate) shape: u64,
}

impl Finding {
    fn draw(kind: Kind, chronic: bool, rng: &mut impl Rng) -> Self {
        let severity = match rng.random_range(0..20) {
            0..9 => Severity::Mild,
            9..16 => Severity::Moderate,
            _ => Severity::Severe,
        };
        let zone = zone_of(kind, rng);
        let contrast = rng.random::<f32>();
        Self {
            kind,
            side: side_of(kind, rng),
            zone,
            severity,
            contrast,
            chronic,
            shape: rng.random(),
        }
    }
}

fn side_of(kind: Kind, rng: &mut impl Rng) -> Side {
    let left = rng.random_bool(0.5);
    let both = |p: f64, rng: &mut _| Rng::random_bool(rng, p);
    match kind {
        Kind::Edema => Side::Bilateral,
        Kind::Cardiomegaly | Kind::EndotrachealTube | Kind::NasogastricTube => Side::Midline,
        Kind::Opacity | Kind::Consolidation if both(0.15, rng) => Side::Bilateral,
        Kind::Effusion | Kind::Atelectasis if both(0.25, rng) => Side::Bilateral,
        Kind::CentralLine if rng.random_bool(0.4) => Side::Right,
        Kind::Pacemaker if rng.random_bool(0.8) => Side::Left,
        _ if left => Side::Left,
        _ => Side::Right,
    }
}

fn zone_of(kind: Kind, rng: &mut impl Rng) -> Option<Zone> {
    match kind {
        Kind::Opacity | Kind::Consolidation | Kind::Nodule => {
            [Zone::Upper, Zone::Mid, Zone::Lower, Zone::Lower]
                .choose(rng)
                .copied()
        }
        Kind::Atelectasis | Kind::Effusion => Some(Zone::Lower),
        Kind::Pneumothorax => Some(Zone::Upper),
        _ => None,
    }
}

/// The findings of a study, none to three: those that the patient always has, then those of the day.
pub(crate) fn draw(study: &Study, of_patient: &mut impl Rng, rng: &mut impl Rng) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (kind, probability) in [
        (Kind::Cardiomegaly, 0.09),
        (Kind::Pacemaker, 0.04),
        (Kind::Nodule, 0.03),
    ] {
        let chronic = Finding::draw(kind, true, of_patient);
        let has_it = of_patient.random_bool(probability);
        if has_it && findings.iter().all(|f| agree(f, &chronic)) {
            findings.push(chronic);
        }
    }
    let wanted = match rng.random_range(0..100) {
        0..41 => 0,
        41..71 => 1,
        71..90 => 2,
        _ => MOST,
    };
    for _ in 0..wanted {
        let Ok(&kind) = Kind::ALL.choose_weighted(rng, |k| k.weight(study.projection)) else {
            break;
        };
        let mut next = Finding::draw(kind, false, rng);
        make_room(&mut next, &findings);
        if findings.len() < MOST && findings.iter().all(|f| agree(f, &next)) {
            findings.push(next);
        }
    }
    findings
}

/// A second finding of this kind on the other side of the first, where the others leave room for it.
pub(crate) fn twin(findings: &[Finding], kind: Kind, rng: &mut impl Rng) -> Option<Finding> {
    let first = findings.iter().find(|f| f.kind == kind)?;
    let twin = Finding {
        side: first.side.other(),
        ..Finding::draw(kind, false, rng)
    };
    let mut others = findings.iter().filter(|f| f.kind != kind);
    others.all(|f| agree(f, &twin)).then_some(twin)
}

/// Moves a finding to the other side where a pneumothorax would share its lung.
fn make_room(next: &mut Finding, findings: &[Finding]) {
    let one_lung = |f: &Finding| matches!(f.side, Side::Left | Side::Right);
    let clash = |f: &&Finding| {
        (f.kind == Kind::Pneumothorax || next.kind == Kind::Pneumothorax)
            && !f.kind.is_device()
            && !next.kind.is_device()
            && f.side == next.side
            && one_lung(f)
    };
    if findings.iter().any(|f| clash(&f)) {
        next.side = next.side.other();
    }
}

/// Whether two findings can stand on one film and be told apart in its report.
fn agree(a: &Finding, b: &Finding) -> bool {
    let hazes = |k| matches!(k, Kind::Opacity | Kind::Consolidation | Kind::Edema);
    let pneumothorax = a.kind == Kind::Pneumothorax || b.kind == Kind::Pneumothorax;
    let parenchymal = a.kind.is_parenchymal() || b.kind.is_parenchymal();
    let shared = a.side == Side::Bilateral || b.side == Side::Bilateral || a.side == b.side;
    a.kind != b.kind
        && !(hazes(a.kind) && hazes(b.kind))
        && !(pneumothorax && parenchymal && shared)
        && !(pneumothorax && shared && (a.kind == Kind::Effusion || b.kind == Kind::Effusion))
        && !hides(a, b)
        && !hides(b, a)
}

/// Whether the first finding would cover the second: a huge heart or much fluid, one at a lung's base.
fn hides(cover: &Finding, other: &Finding) -> bool {
    let sided = cover.side == Side::Bilateral || cover.side == other.side;
    other.zone == Some(Zone::Lower)
        && match cover.kind {
            Kind::Cardiomegaly => cover.severity == Severity::Severe && other.side == Side::Left,
            Kind::Effusion => cover.severity > Severity::Mild && sided,
            _ => false,
        }
}
