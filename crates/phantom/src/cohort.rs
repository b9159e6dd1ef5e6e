//! Who is on the film: patients, studies and identifiers, as a pure function of the seed and the film's index.
//!
//! Films come in blocks of [`BLOCK`]; the block's random numbers cut it into patients of one to four studies, so that
//! any film finds its patient without a look at the films before it.

use mflag_core::seed;
use rand::Rng;
use serde::Serialize;

/// Frontal films in a block; no patient straddles two blocks.
pub(crate) const BLOCK: u64 = 8;
/// Range of the identifiers: subjects 1xxxxxxx, studies 5xxxxxxx, as in MIMIC-CXR.
const IDS: u64 = 10_000_000;

/// The streams of random numbers, by the second argument of [`seed::rng`].
pub(crate) mod stream {
    pub(crate) const BLOCK: u64 = 0x5001;
    pub(crate) const PATIENT: u64 = 0x5002;
    pub(crate) const STUDY: u64 = 0x5003;
    pub(crate) const FINDINGS: u64 = 0x5004;
    pub(crate) const REPORT: u64 = 0x5005;
    pub(crate) const FILM: u64 = 0x5006;
    pub(crate) const ANATOMY: u64 = 0x5008;
    pub(crate) const CHRONIC: u64 = 0x5009;
    pub(crate) const NOISE: u64 = 0x500a;
    pub(crate) const CHOSEN: u64 = 0x500b;
    pub(crate) const OBJECTS: u64 = 0x500c;
}

/// Sex as the tables write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Sex {
    /// Female.
    #[serde(rename = "F")]
    Female,
    /// Male.
    #[serde(rename = "M")]
    Male,
}

impl Sex {
    /// F or M.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Self::Female => "F",
            Self::Male => "M",
        }
    }
}

/// The projection of a frontal film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Projection {
    /// Upright, in the radiology department.
    #[serde(rename = "PA")]
    Pa,
    /// Portable, at the bedside.
    #[serde(rename = "AP")]
    Ap,
}

impl Projection {
    /// The value of `ViewPosition`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pa => "PA",
            Self::Ap => "AP",
        }
    }

    /// The value of `ViewCodeSequence_CodeMeaning`.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Pa => "postero-anterior",
            Self::Ap => "antero-posterior",
        }
    }
}

/// One study of one patient: all that is known before the film is drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// The film's index in the phantom.
    pub index: u64,
    /// Number of the patient in the phantom; unique.
    pub patient: u64,
    /// Subject identifier of eight digits, beginning with 1.
    pub subject_id: u32,
    /// Study identifier of eight digits, beginning with 5.
    pub study_id: u32,
    /// Which study of its patient this is, from 0.
    pub number: u32,
    /// Sex of the patient.
    pub sex: Sex,
    /// Age in years.
    pub age: u32,
    /// How the frontal film was taken.
    pub projection: Projection,
    /// Whether a lateral film belongs to the study.
    pub lateral: bool,
    /// Columns and rows of the detector at full size.
    pub detector: (u32, u32),
    /// Date as `YYYYMMDD`, in a far future as in MIMIC-CXR.
    pub date: u32,
    /// Time of day as `HHMMSS.mmm`.
    pub time: String,
    /// The patient's place in [0, 1), which the split's fractions cut; evenly spread over patients.
    pub place: f64,
}

impl Study {
    /// The study that film `index` of the phantom `seed` belongs to.
    #[must_use]
    pub fn new(seed: u64, index: u64) -> Self {
        let (block, offset) = (index / BLOCK, index % BLOCK);
        let (first, ordinal) = patient_of(seed, block, offset);
        let patient = block * BLOCK + first;
        let mut of_patient = seed::rng(seed, stream::PATIENT, patient);
        let sex = if of_patient.random_bool(0.5) {
            Sex::Female
        } else {
            Sex::Male
        };
        let age = of_patient.random_range(19..90);
        let frail = of_patient.random_range(0.1..0.75);
        let (year, month) = (
            of_patient.random_range(2110..2200),
            of_patient.random_range(0..12),
        );

        let number = (offset - first) as u32;
        let mut rng = seed::rng(seed, stream::STUDY, index);
        let projection = if rng.random_bool(frail) {
            Projection::Ap
        } else {
            Projection::Pa
        };
        let detector = match rng.random_range(0..10) {
            0..4 => (2544, 3056),
            4..6 => (2022, 2022),
            6 => (2500, 2048),
            _ if projection == Projection::Ap => (3056, 2544),
            _ => (2544, 3056),
        };
        let months = month + number * rng.random_range(1..4);
        Self {
            index,
            patient,
            subject_id: (IDS + scatter(patient + 32)) as u32,
            study_id: (5 * IDS + scatter(index + 267)) as u32,
            number,
            sex,
            age: age + months / 12,
            projection,
            lateral: projection == Projection::Pa && rng.random_bool(0.5),
            detector,
            date: (year + months / 12) * 10_000 + (months % 12 + 1) * 100 + rng.random_range(1..29),
            time: format!(
                "{:02}{:02}{:02}.{:03}",
                rng.random_range(0..24),
                rng.random_range(0..60),
                rng.random_range(0..60),
                rng.random_range(0..1000)
            ),
            place: spread(seed, block, u64::from(ordinal)),
        }
    }

    /// The examination as tables and reports name it.
    #[must_use]
    pub fn procedure(&self) -> &'static str {
        match (self.projection, self.lateral) {
            (Projection::Ap, _) => "CHEST (PORTABLE AP)",
            (Projection::Pa, true) => "CHEST (PA AND LAT)",
            (Projection::Pa, false) => "CHEST (SINGLE VIEW)",
        }
    }

    /// Whether an earlier study of this patient exists.
    #[must_use]
    pub fn has_prior(&self) -> bool {
        self.number > 0
    }
}

/// The offset of the first film of the patient at `offset`, and which patient of the block it is.
fn patient_of(seed: u64, block: u64, offset: u64) -> (u64, u32) {
    let mut rng = seed::rng(seed, stream::BLOCK, block);
    let (mut first, mut ordinal) = (0, 0);
    loop {
        let studies = [1, 1, 1, 2, 2, 3, 4][rng.random_range(0..7)];
        if offset < first + studies {
            return (first, ordinal);
        }
        first += studies;
        ordinal += 1;
    }
}

/// A permutation of the identifiers, so that neighbours do not look like neighbours.
fn scatter(number: u64) -> u64 {
    (number % IDS) * 6_180_339 % IDS
}

/// An evenly spread place in [0, 1): two irrational strides, one over blocks and one within them.
fn spread(seed: u64, block: u64, ordinal: u64) -> f64 {
    let start: f64 = seed::rng(seed, stream::BLOCK, u64::MAX).random();
    (start + block as f64 * 0.618_033_988_749_895 + ordinal as f64 * 0.381_966_011_250_105 * 0.75)
        .fract()
}
