//! The patients and studies of a phantom. The seed and a film's index determine its study.
//!
//! Films come in blocks of [`BLOCK`]. Random numbers of the block divide it into patients of one to
//! four studies. So the patient of a film can be computed without the films of earlier blocks.

use mflag_core::seed;
use rand::Rng;
use serde::Serialize;

/// Frontal films per block. No patient has films in two blocks.
pub(crate) const BLOCK: u64 = 8;
/// How many subject and study identifiers there are: subjects 1xxxxxxx, studies 5xxxxxxx, as in
/// MIMIC-CXR.
const IDS: u64 = 10_000_000;

/// Streams of random numbers, the second argument of [`seed::rng`]. Each use has its own stream, so
/// that a change in one leaves the others as they are.
pub(crate) mod stream {
    /// Patients of a block.
    pub(crate) const BLOCK: u64 = 0x5001;
    /// Sex, age and the like of a patient.
    pub(crate) const PATIENT: u64 = 0x5002;
    /// Projection, date and the like of a study.
    pub(crate) const STUDY: u64 = 0x5003;
    /// Findings of a study.
    pub(crate) const FINDINGS: u64 = 0x5004;
    /// Words of a report.
    pub(crate) const REPORT: u64 = 0x5005;
    /// Position, exposure and skin of a film.
    pub(crate) const FILM: u64 = 0x5006;
    /// Anatomy of a patient.
    pub(crate) const ANATOMY: u64 = 0x5008;
    /// Findings that a patient has in every study.
    pub(crate) const CHRONIC: u64 = 0x5009;
    /// Noise of a film.
    pub(crate) const NOISE: u64 = 0x500a;
    /// Which films are positive, where a layout fixes their share.
    pub(crate) const CHOSEN: u64 = 0x500b;
    /// Foreign objects of a film.
    pub(crate) const OBJECTS: u64 = 0x500c;
}

/// Sex of a patient.
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
    /// Postero-anterior: upright, in the radiology department.
    #[serde(rename = "PA")]
    Pa,
    /// Antero-posterior: portable, at the bedside.
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

/// One study of one patient, without its findings and its film.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// Index of the frontal film in the phantom.
    pub index: u64,
    /// Number of the patient, unique in the phantom.
    pub patient: u64,
    /// Subject identifier: eight digits, beginning with 1.
    pub subject_id: u32,
    /// Study identifier: eight digits, beginning with 5.
    pub study_id: u32,
    /// Number of this study among the patient's studies, from 0.
    pub number: u32,
    /// Sex of the patient.
    pub sex: Sex,
    /// Age in years.
    pub age: u32,
    /// Projection of the frontal film.
    pub projection: Projection,
    /// Whether the study has a lateral film, too.
    pub lateral: bool,
    /// Columns and rows of the detector, in pixels at full resolution.
    pub detector: (u32, u32),
    /// Date as `YYYYMMDD`, in the far future as in MIMIC-CXR.
    pub date: u32,
    /// Time of day as `HHMMSS.mmm`.
    pub time: String,
    /// The patient's position in [0, 1), which decides the split. Patients are evenly spread.
    pub place: f64,
}

impl Study {
    /// The study of film `index` in the phantom of this seed.
    #[must_use]
    pub fn new(seed: u64, index: u64) -> Self {
        let (block, offset) = (index / BLOCK, index % BLOCK);
        let (first, ordinal) = patient_at(seed, block, offset);
        let patient = Patient::new(seed, block * BLOCK + first);

        let number = (offset - first) as u32;
        let mut rng = seed::rng(seed, stream::STUDY, index);
        let projection = if rng.random_bool(patient.frailty) {
            Projection::Ap
        } else {
            Projection::Pa
        };
        let detector = draw_detector(projection, &mut rng);
        let months = patient.month + number * rng.random_range(1..4);
        Self {
            index,
            patient: patient.number,
            // The offsets keep the first identifiers from being round numbers.
            subject_id: (IDS + scatter(patient.number + 32)) as u32,
            study_id: (5 * IDS + scatter(index + 267)) as u32,
            number,
            sex: patient.sex,
            age: patient.age + months / 12,
            projection,
            lateral: projection == Projection::Pa && rng.random_bool(0.5),
            detector,
            date: date(patient.year, months, rng.random_range(1..29)),
            time: draw_time(&mut rng),
            place: spread(seed, block, u64::from(ordinal)),
        }
    }

    /// The name of the examination in tables and reports.
    #[must_use]
    pub fn procedure(&self) -> &'static str {
        match (self.projection, self.lateral) {
            (Projection::Ap, _) => "CHEST (PORTABLE AP)",
            (Projection::Pa, true) => "CHEST (PA AND LAT)",
            (Projection::Pa, false) => "CHEST (SINGLE VIEW)",
        }
    }

    /// Whether the patient has an earlier study.
    #[must_use]
    pub fn has_prior(&self) -> bool {
        self.number > 0
    }
}

/// What the studies of one patient have in common.
struct Patient {
    number: u64,
    sex: Sex,
    /// Age in years during `year`.
    age: u32,
    /// Probability that a study is done at the bedside.
    frailty: f64,
    /// Year and month (0 to 11) of the first study.
    year: u32,
    month: u32,
}

impl Patient {
    fn new(seed: u64, number: u64) -> Self {
        let mut rng = seed::rng(seed, stream::PATIENT, number);
        let sex = if rng.random_bool(0.5) {
            Sex::Female
        } else {
            Sex::Male
        };
        Self {
            number,
            sex,
            age: rng.random_range(19..90),
            frailty: rng.random_range(0.1..0.75),
            year: rng.random_range(2110..2200),
            month: rng.random_range(0..12),
        }
    }
}

/// The patient who has the film at `offset` of a block: the offset of the patient's first film, and
/// the patient's number in the block, from 0.
fn patient_at(seed: u64, block: u64, offset: u64) -> (u64, u32) {
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

/// Columns and rows of a detector, in pixels: sizes that are common in MIMIC-CXR-JPG.
fn draw_detector(projection: Projection, rng: &mut impl Rng) -> (u32, u32) {
    match rng.random_range(0..10) {
        0..4 => (2544, 3056),
        4..6 => (2022, 2022),
        6 => (2500, 2048),
        _ if projection == Projection::Ap => (3056, 2544),
        _ => (2544, 3056),
    }
}

/// The date `YYYYMMDD` of day `day` in the month that is `months` months after January of `year`.
fn date(year: u32, months: u32, day: u32) -> u32 {
    (year + months / 12) * 10_000 + (months % 12 + 1) * 100 + day
}

/// `HHMMSS.mmm`.
fn draw_time(rng: &mut impl Rng) -> String {
    format!(
        "{:02}{:02}{:02}.{:03}",
        rng.random_range(0..24),
        rng.random_range(0..60),
        rng.random_range(0..60),
        rng.random_range(0..1000)
    )
}

/// Permutes the numbers below [`IDS`], so that the identifiers of neighbouring numbers are far
/// apart.
fn scatter(number: u64) -> u64 {
    (number % IDS) * 6_180_339 % IDS
}

/// An evenly spread position in [0, 1): the golden ratio's fractional part as the step from block
/// to block, and another irrational step from patient to patient within a block.
fn spread(seed: u64, block: u64, ordinal: u64) -> f64 {
    let start: f64 = seed::rng(seed, stream::BLOCK, u64::MAX).random();
    (start + block as f64 * 0.618_033_988_749_895 + ordinal as f64 * 0.381_966_011_250_105 * 0.75)
        .fract()
}
