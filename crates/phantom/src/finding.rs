//! The findings of a film: their kinds, sides, zones and severities, and how they are drawn at
//! random.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

use crate::cohort::{Projection, Study};

/// Index of "No Finding" in [`LABELS`](mflag_datasets::readers::mimic::LABELS).
pub(crate) const NO_FINDING: usize = 8;
/// Index of "Pneumonia" in [`LABELS`](mflag_datasets::readers::mimic::LABELS).
pub(crate) const PNEUMONIA: usize = 11;
/// Index of "Support Devices" in [`LABELS`](mflag_datasets::readers::mimic::LABELS).
const SUPPORT_DEVICES: usize = 13;
/// The most findings on one film. A second pneumothorax does not count.
const MOST: usize = 3;
/// Findings that a patient has in every study, each with its probability.
const CHRONIC: [(Kind, f64); 3] = [
    (Kind::Cardiomegaly, 0.09),
    (Kind::Pacemaker, 0.04),
    (Kind::Nodule, 0.03),
];

/// The kinds of findings that the phantom draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Air in the pleural space: no lung markings beyond a fine pleural line.
    Pneumothorax,
    /// A heart wider than half of the thorax.
    Cardiomegaly,
    /// A round opacity of 7 to 32 mm.
    Nodule,
    /// Endotracheal tube.
    EndotrachealTube,
    /// Central venous line from the neck or from below the clavicle.
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

    /// Index of the kind's label in [`LABELS`](mflag_datasets::readers::mimic::LABELS).
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
            | Self::NasogastricTube => SUPPORT_DEVICES,
        }
    }

    /// The name, in words.
    #[must_use]
    pub fn name(self) -> String {
        let mut words = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.extend(letter.to_lowercase());
        }
        words
    }

    /// Whether it is a device and not a disease. A film with only devices counts as "No Finding".
    #[must_use]
    pub fn is_device(self) -> bool {
        self.label() == SUPPORT_DEVICES
    }

    /// Whether it makes the lung tissue itself denser.
    fn is_parenchymal(self) -> bool {
        matches!(
            self,
            Self::Opacity | Self::Consolidation | Self::Edema | Self::Nodule
        )
    }

    /// How often it is drawn, relative to the other kinds.
    fn weight(self, projection: Projection) -> f64 {
        let bedside = f64::from(u8::from(projection == Projection::Ap));
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

    fn draw_side(self, rng: &mut impl Rng) -> Side {
        let left = rng.random_bool(0.5);
        match self {
            Self::Edema => Side::Bilateral,
            Self::Cardiomegaly | Self::EndotrachealTube | Self::NasogastricTube => Side::Midline,
            Self::Opacity | Self::Consolidation if rng.random_bool(0.15) => Side::Bilateral,
            Self::Effusion | Self::Atelectasis if rng.random_bool(0.25) => Side::Bilateral,
            Self::CentralLine if rng.random_bool(0.4) => Side::Right,
            Self::Pacemaker if rng.random_bool(0.8) => Side::Left,
            _ if left => Side::Left,
            _ => Side::Right,
        }
    }

    fn draw_zone(self, rng: &mut impl Rng) -> Option<Zone> {
        match self {
            // The lower zone is twice as probable as each of the others.
            Self::Opacity | Self::Consolidation | Self::Nodule => {
                [Zone::Upper, Zone::Mid, Zone::Lower, Zone::Lower]
                    .choose(rng)
                    .copied()
            }
            Self::Atelectasis | Self::Effusion => Some(Zone::Lower),
            Self::Pneumothorax => Some(Zone::Upper),
            _ => None,
        }
    }
}

/// The side of the patient. The patient's left is on the right of the film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The patient's right.
    Right,
    /// The patient's left.
    Left,
    /// Both sides.
    Bilateral,
    /// Neither side: the heart, and tubes that run in the midline.
    Midline,
}

impl Side {
    /// The word for it in a report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Left => "left",
            Self::Bilateral => "bilateral",
            Self::Midline => "midline",
        }
    }

    /// The opposite side; bilateral and midline stay as they are.
    fn opposite(self) -> Self {
        match self {
            Self::Right => Self::Left,
            Self::Left => Self::Right,
            same => same,
        }
    }

    /// Whether the side includes the lung with this index: 0 right, 1 left.
    pub(crate) fn includes(self, lung: usize) -> bool {
        match self {
            Self::Right => lung == 0,
            Self::Left => lung == 1,
            Self::Bilateral => true,
            Self::Midline => false,
        }
    }
}

/// A third of the lung's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// The upper third, with the apex.
    Upper,
    /// The middle third.
    Mid,
    /// The lower third, down to the diaphragm.
    Lower,
}

/// How large or dense a finding is.
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
    /// Selects one of three values, given for mild, moderate and severe.
    pub(crate) fn select<T>(self, values: [T; 3]) -> T {
        let [mild, moderate, severe] = values;
        match self {
            Self::Mild => mild,
            Self::Moderate => moderate,
            Self::Severe => severe,
        }
    }

    /// 45 % mild, 35 % moderate, 20 % severe.
    fn draw(rng: &mut impl Rng) -> Self {
        match rng.random_range(0..20) {
            0..9 => Self::Mild,
            9..16 => Self::Moderate,
            _ => Self::Severe,
        }
    }
}

/// One finding, as the film shows it and the report describes it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Which side it is on.
    pub side: Side,
    /// The third of the lung, for findings of the lung and of the pleura.
    pub zone: Option<Zone>,
    /// How large or dense it is.
    pub severity: Severity,
    /// How clearly the film shows it, in [0, 1]: near 0 it is hard to see.
    pub contrast: f32,
    /// Whether the patient has it in every study.
    pub chronic: bool,
    /// Seed of its shape.
    #[serde(skip)]
    pub(crate) shape: u64,
}

impl Finding {
    fn draw(kind: Kind, chronic: bool, rng: &mut impl Rng) -> Self {
        let severity = Severity::draw(rng);
        let zone = kind.draw_zone(rng);
        let contrast = rng.random::<f32>();
        Self {
            kind,
            side: kind.draw_side(rng),
            zone,
            severity,
            contrast,
            chronic,
            shape: rng.random(),
        }
    }

    /// Moves the finding to the opposite side if it would share its lung with another disease, and
    /// one of the two is a pneumothorax.
    fn avoid_shared_lung(&mut self, others: &[Finding]) {
        let one_lung = matches!(self.side, Side::Left | Side::Right);
        let clashes = |other: &Finding| {
            (other.kind == Kind::Pneumothorax || self.kind == Kind::Pneumothorax)
                && !other.kind.is_device()
                && !self.kind.is_device()
                && other.side == self.side
                && one_lung
        };
        if others.iter().any(clashes) {
            self.side = self.side.opposite();
        }
    }

    /// Whether no film may have both findings: it could not show both, or its report could not tell
    /// them apart.
    fn excludes(&self, other: &Self) -> bool {
        let kinds = [self.kind, other.kind];
        let both_haze = kinds
            .iter()
            .all(|k| matches!(k, Kind::Opacity | Kind::Consolidation | Kind::Edema));
        let pneumothorax = kinds.contains(&Kind::Pneumothorax);
        let beside_it = kinds
            .iter()
            .any(|k| k.is_parenchymal() || *k == Kind::Effusion);
        let share_a_side = self.side == Side::Bilateral
            || other.side == Side::Bilateral
            || self.side == other.side;
        self.kind == other.kind
            || both_haze
            || (pneumothorax && beside_it && share_a_side)
            || self.covers(other)
            || other.covers(self)
    }

    /// Whether this finding, a very large heart or much fluid, covers another at the lung's base.
    fn covers(&self, other: &Self) -> bool {
        let same_side = self.side == Side::Bilateral || self.side == other.side;
        other.zone == Some(Zone::Lower)
            && match self.kind {
                Kind::Cardiomegaly => self.severity == Severity::Severe && other.side == Side::Left,
                Kind::Effusion => self.severity > Severity::Mild && same_side,
                _ => false,
            }
    }
}

/// Draws the findings of a study, none to three: first the patient's chronic ones from
/// `patient_rng`, then those of this study from `study_rng`.
pub(crate) fn draw(
    study: &Study,
    patient_rng: &mut impl Rng,
    study_rng: &mut impl Rng,
) -> Vec<Finding> {
    let mut findings = draw_chronic(patient_rng);
    // 41 % of the studies draw no finding, 30 % one, 19 % two, 10 % three. A finding that an
    // earlier one excludes is dropped.
    let count = match study_rng.random_range(0..100) {
        0..41 => 0,
        41..71 => 1,
        71..90 => 2,
        _ => MOST,
    };
    for _ in 0..count {
        let Ok(&kind) = Kind::ALL.choose_weighted(study_rng, |k| k.weight(study.projection)) else {
            break;
        };
        let mut next = Finding::draw(kind, false, study_rng);
        next.avoid_shared_lung(&findings);
        if findings.len() < MOST && !findings.iter().any(|f| f.excludes(&next)) {
            findings.push(next);
        }
    }
    findings
}

fn draw_chronic(rng: &mut impl Rng) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (kind, probability) in CHRONIC {
        let chronic = Finding::draw(kind, true, rng);
        let has_it = rng.random_bool(probability);
        if has_it && !findings.iter().any(|f| f.excludes(&chronic)) {
            findings.push(chronic);
        }
    }
    findings
}

/// Draws a second finding of a kind, on the opposite side of the first. `None` if there is no first
/// one, or if another finding excludes the second.
pub(crate) fn draw_second(findings: &[Finding], kind: Kind, rng: &mut impl Rng) -> Option<Finding> {
    let first = findings.iter().find(|f| f.kind == kind)?;
    let second = Finding {
        side: first.side.opposite(),
        ..Finding::draw(kind, false, rng)
    };
    let mut others = findings.iter().filter(|f| f.kind != kind);
    (!others.any(|f| f.excludes(&second))).then_some(second)
}
