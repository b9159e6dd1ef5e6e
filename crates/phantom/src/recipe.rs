//! What the films of a layout show: how many films a patient has, which findings occur, and how
//! often.

use std::f64::consts::SQRT_2;

use mflag_core::seed;
use rand::Rng;

use crate::cohort::{BLOCK, Study, stream};
use crate::finding::{self, Finding, Kind};
use crate::layouts::Layout;

/// Columns and rows of the detector in layouts whose films are square, in pixels.
const SQUARE: (u32, u32) = (2022, 2022);
/// Probability that a second pneumothorax is drawn on the other side of a film with one. Other
/// findings sometimes exclude it, so a fifth to a quarter of these films have two. In SIIM-ACR, 624
/// of 2,669 positive films have several outlines.
const SECOND_PNEUMOTHORAX: f64 = 0.36;

/// The kinds that the RSNA challenge labels as lung opacity.
pub(crate) const OPACITIES: &[Kind] = &[Kind::Opacity, Kind::Consolidation];

/// What the films of a layout show.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Whether each patient has exactly one film. Otherwise patients have one to four studies.
    pub one_film_per_patient: bool,
    /// Whether a study may have a lateral film, too.
    pub laterals: bool,
    /// Whether all films are square.
    pub square: bool,
    /// Fixes the share of positive films. `None`: the share is not fixed; it follows from how often
    /// each kind of finding is drawn.
    pub positives: Option<Positives>,
    /// Whether a film may have a pneumothorax on both sides.
    pub second_pneumothorax: bool,
    /// Fraction of the films that have foreign objects. `None`: no films have any. If it is set, no
    /// film has ECG electrodes, which look like foreign objects.
    pub objects: Option<f64>,
}

/// Which films are positive, and how many.
#[derive(Debug, Clone, Copy)]
pub struct Positives {
    /// A film with one of these kinds is positive.
    pub kinds: &'static [Kind],
    /// Fraction of the films that are positive.
    pub fraction: f64,
}

impl Recipe {
    /// A clinical archive: patients with several studies, and no fixed share of positive films.
    pub const ARCHIVE: Self = Self {
        one_film_per_patient: false,
        laterals: false,
        square: false,
        positives: None,
        second_pneumothorax: false,
        objects: None,
    };

    fn study(&self, seed: u64, index: u64) -> Study {
        // The first study of a block (see `cohort.rs`) is always the first of its patient.
        let first_of_block = index * BLOCK;
        let study = Study::new(
            seed,
            if self.one_film_per_patient {
                first_of_block
            } else {
                index
            },
        );
        Study {
            index,
            lateral: study.lateral && self.laterals,
            detector: if self.square { SQUARE } else { study.detector },
            ..study
        }
    }

    fn findings(&self, seed: u64, study: &Study) -> Vec<Finding> {
        let patient_rng = &mut seed::rng(seed, stream::CHRONIC, study.patient);
        let study_rng = &mut seed::rng(seed, stream::FINDINGS, study.index);
        let mut findings = finding::draw(study, patient_rng, study_rng);
        if let Some(Positives { kinds, fraction }) = self.positives {
            let positive = is_chosen(seed, study.index, fraction);
            while findings.iter().any(|f| kinds.contains(&f.kind)) != positive {
                findings = finding::draw(study, patient_rng, study_rng);
            }
        }
        if self.second_pneumothorax && study_rng.random_bool(SECOND_PNEUMOTHORAX) {
            let second = finding::draw_second(&findings, Kind::Pneumothorax, study_rng);
            findings.extend(second);
        }
        findings
    }
}

/// What a film will show, before anything is drawn.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The seed of all random numbers: [`Layout::seed`].
    pub(crate) seed: u64,
    pub(crate) study: Study,
    pub(crate) findings: Vec<Finding>,
    /// Whether the film has foreign objects.
    pub(crate) objects: bool,
    /// Whether the film may have ECG electrodes.
    pub(crate) electrodes: bool,
}

impl Plan {
    pub(crate) fn new(layout: &dyn Layout, seed: u64, index: u64) -> Self {
        let recipe = layout.recipe();
        let seed = layout.seed(seed);
        let study = recipe.study(seed, index);
        let objects = recipe.objects;
        Self {
            seed,
            findings: recipe.findings(seed, &study),
            study,
            objects: objects.is_some_and(|fraction| is_chosen(seed, index, fraction)),
            electrodes: objects.is_none(),
        }
    }
}

/// Whether film `index` belongs to the chosen `fraction` of all films. The chosen films are evenly
/// spread over the films and the splits.
fn is_chosen(seed: u64, index: u64, fraction: f64) -> bool {
    let start: f64 = seed::rng(seed, stream::CHOSEN, u64::MAX).random();
    (start + index as f64 * (SQRT_2 - 1.0)).fract() < fraction
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::layouts::{LAYOUTS, Manifest, Mimic, Nih, ObjectCxr, Rsna, Siim};

    /// How many of the first `films` plans of a layout pass a test.
    fn count(layout: &dyn Layout, films: u64, test: impl Fn(&Plan) -> bool) -> u64 {
        (0..films)
            .filter(|&index| test(&Plan::new(layout, 3, index)))
            .count() as u64
    }

    fn has(plan: &Plan, kinds: &[Kind]) -> bool {
        plan.findings.iter().any(|f| kinds.contains(&f.kind))
    }

    #[test]
    fn the_share_of_positive_films_is_that_of_the_data_set() {
        for films in [40, 400, 4000] {
            let is_share =
                |fraction: f64, count: u64| (count as f64 - fraction * films as f64).abs() < 3.0;
            let opacity = |p: &Plan| has(p, OPACITIES);
            let pneumothorax = |p: &Plan| has(p, &[Kind::Pneumothorax]);
            assert!(is_share(0.2253, count(&Rsna, films, opacity)));
            assert!(is_share(0.2215, count(&Siim, films, pneumothorax)));
            assert!(is_share(0.5, count(&ObjectCxr, films, |p| p.objects)));
            assert!(is_share(0.5, count(&Manifest, films, opacity)));
        }
        for &layout in LAYOUTS {
            if layout.name() != "object-cxr" {
                assert_eq!(count(layout, 200, |p| p.objects), 0, "{layout}");
            }
        }
    }

    #[test]
    fn some_films_have_a_pneumothorax_on_both_sides() {
        let pneumothoraces = |plan: &Plan| -> Vec<Finding> {
            let findings = plan.findings.iter().copied();
            findings.filter(|f| f.kind == Kind::Pneumothorax).collect()
        };
        let both = count(&Siim, 4000, |plan| match pneumothoraces(plan)[..] {
            [a, b] => {
                assert!(a.side != b.side && a.shape != b.shape);
                true
            }
            _ => false,
        });
        assert!((170..240).contains(&both), "{both} of about 886");
        assert_eq!(
            count(&Mimic, 2000, |plan| pneumothoraces(plan).len() > 1),
            0
        );
    }

    #[test]
    fn no_two_layouts_have_the_same_patients() {
        let seeds = LAYOUTS.iter().map(|&layout| Plan::new(layout, 3, 0).seed);
        let distinct: HashSet<u64> = seeds.collect();
        assert_eq!(distinct.len(), LAYOUTS.len());
        assert_eq!(Plan::new(&Mimic, 3, 0).seed, 3);
    }

    #[test]
    fn patients_have_one_film_where_the_recipe_says_so() {
        let patients = |layout| {
            let studies = (0..500).map(|index| Plan::new(layout, 3, index).study);
            let studies: Vec<Study> = studies.collect();
            assert!(studies.iter().zip(0..).all(|(s, index)| s.index == index));
            let distinct: HashSet<u64> = studies.iter().map(|s| s.patient).collect();
            distinct.len()
        };
        assert_eq!(patients(&Rsna), 500);
        assert!((200..400).contains(&patients(&Nih)));
    }
}
