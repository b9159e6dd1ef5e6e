//! What the films of a data set show: whose they are, which findings they have and how often.

use std::f64::consts::SQRT_2;

use mflag_core::{digest, seed};
use rand::Rng;

use super::cohort::{BLOCK, Study, stream};
use super::finding::{self, Finding, Kind};
use super::layout::Layout;

/// A detector for films that are square on disk.
const SQUARE: (u32, u32) = (2022, 2022);
/// Part of the films with a pneumothorax that get one on the other side if there is room, which leaves a fifth to a
/// quarter of them; of SIIM-ACR's 2,669, 624 have several outlines.
const TWINS: f64 = 0.36;

/// What RSNA's contest calls lung opacities.
pub(super) const OPACITIES: &[Kind] = &[Kind::Opacity, Kind::Consolidation];

/// How the films of a data set come about.
#[derive(Debug, Clone, Copy)]
struct Recipe {
    /// Whether every film has a patient of its own; otherwise patients have one to four studies.
    alone: bool,
    /// Whether a study may have a lateral film as well.
    laterals: bool,
    /// Whether films are square.
    square: bool,
    /// The kinds that make a film positive, and the part of the films that are; `None`: as often as they are drawn.
    sought: Option<(&'static [Kind], f64)>,
    /// Whether a pneumothorax may have a twin on the other side.
    twins: bool,
    /// Part of the films with foreign objects. Where it is given, no electrodes lie on the skin, which might pass for such.
    objects: Option<f64>,
}

/// An archive as it is.
const ARCHIVE: Recipe = Recipe {
    alone: false,
    laterals: false,
    square: false,
    sought: None,
    twins: false,
    objects: None,
};

impl Recipe {
    fn of(layout: Layout) -> Self {
        match layout {
            Layout::Mimic | Layout::Chexpert => Self {
                laterals: true,
                ..ARCHIVE
            },
            Layout::Nih => Self {
                square: true,
                ..ARCHIVE
            },
            Layout::Manifest => Self {
                sought: Some((OPACITIES, 0.5)),
                ..ARCHIVE
            },
            Layout::Rsna => Self {
                alone: true,
                square: true,
                sought: Some((OPACITIES, 6_012.0 / 26_684.0)),
                ..ARCHIVE
            },
            Layout::Siim => Self {
                alone: true,
                square: true,
                sought: Some((&[Kind::Pneumothorax], 2_669.0 / 12_047.0)),
                twins: true,
                ..ARCHIVE
            },
            Layout::ObjectCxr => Self {
                alone: true,
                objects: Some(0.5),
                ..ARCHIVE
            },
        }
    }

    fn study(&self, seed: u64, index: u64) -> Study {
        // A block's first study is the first of its patient.
        let study = Study::new(seed, if self.alone { index * BLOCK } else { index });
        Study {
            index,
            lateral: study.lateral && self.laterals,
            detector: if self.square { SQUARE } else { study.detector },
            ..study
        }
    }

    fn findings(&self, seed: u64, study: &Study) -> Vec<Finding> {
        let of_patient = &mut seed::rng(seed, stream::CHRONIC, study.patient);
        let of_study = &mut seed::rng(seed, stream::FINDINGS, study.index);
        let mut findings = finding::draw(study, of_patient, of_study);
        if let Some((kinds, part)) = self.sought {
            let wanted = chosen(seed, study.index, part);
            while findings.iter().any(|f| kinds.contains(&f.kind)) != wanted {
                findings = finding::draw(study, of_patient, of_study);
            }
        }
        if self.twins && of_study.random_bool(TWINS) {
            let twin = finding::twin(&findings, Kind::Pneumothorax, of_study);
            findings.extend(twin);
        }
        findings
    }
}

/// A film before anything is drawn.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The seed of all that is drawn.
    pub(crate) seed: u64,
    pub(crate) study: Study,
    pub(crate) findings: Vec<Finding>,
    /// Whether foreign objects are to be drawn.
    pub(crate) objects: bool,
    /// Whether electrodes may lie on the skin.
    pub(crate) electrodes: bool,
}

impl Plan {
    pub(crate) fn new(layout: Layout, seed: u64, index: u64) -> Self {
        let recipe = Recipe::of(layout);
        let seed = own_seed(layout, seed);
        let study = recipe.study(seed, index);
        Self {
            seed,
            findings: recipe.findings(seed, &study),
            study,
            objects: recipe.objects.is_some_and(|part| chosen(seed, index, part)),
            electrodes: recipe.objects.is_none(),
        }
    }
}

/// The seed of one data set: no two have the same patients, so that nobody trains in one and is tested in another.
fn own_seed(layout: Layout, seed: u64) -> u64 {
    if layout == Layout::Mimic {
        return seed;
    }
    let hex = digest::bytes(format!("{layout}/{seed}").as_bytes());
    let own = hex
        .get(..16)
        .and_then(|hex| u64::from_str_radix(hex, 16).ok());
    own.unwrap_or(seed)
}

/// Whether film `index` is among a part of all films that is evenly spread over them, and over the splits.
fn chosen(seed: u64, index: u64, part: f64) -> bool {
    let start: f64 = seed::rng(seed, stream::CHOSEN, u64::MAX).random();
    (start + index as f64 * (SQRT_2 - 1.0)).fract() < part
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::ValueEnum;

    use super::*;

    /// Of `films`, how many plans fit.
    fn count(layout: Layout, films: u64, fits: impl Fn(&Plan) -> bool) -> u64 {
        (0..films)
            .filter(|&index| fits(&Plan::new(layout, 3, index)))
            .count() as u64
    }

    fn has(plan: &Plan, kinds: &[Kind]) -> bool {
        plan.findings.iter().any(|f| kinds.contains(&f.kind))
    }

    #[test]
    fn positives_are_as_many_as_in_the_data_set() {
        for films in [40, 400, 4000] {
            let about = |part: f64, found: u64| (found as f64 - part * films as f64).abs() < 3.0;
            assert!(about(
                0.2253,
                count(Layout::Rsna, films, |p| has(p, OPACITIES))
            ));
            let pneumothorax = |p: &Plan| has(p, &[Kind::Pneumothorax]);
            assert!(about(0.2215, count(Layout::Siim, films, pneumothorax)));
            assert!(about(0.5, count(Layout::ObjectCxr, films, |p| p.objects)));
            assert!(about(
                0.5,
                count(Layout::Manifest, films, |p| has(p, OPACITIES))
            ));
        }
        for layout in [
            Layout::Mimic,
            Layout::Chexpert,
            Layout::Nih,
            Layout::Rsna,
            Layout::Siim,
            Layout::Manifest,
        ] {
            assert_eq!(count(layout, 200, |p| p.objects), 0);
        }
    }

    #[test]
    fn some_pneumothoraces_have_a_twin_on_the_other_side() {
        let of = |plan: &Plan| -> Vec<Finding> {
            let findings = plan.findings.iter().copied();
            findings.filter(|f| f.kind == Kind::Pneumothorax).collect()
        };
        let twins = count(Layout::Siim, 4000, |plan| match of(plan)[..] {
            [a, b] => {
                assert!(a.side != b.side && a.shape != b.shape);
                true
            }
            _ => false,
        });
        assert!((170..240).contains(&twins), "{twins} of about 886");
        assert_eq!(count(Layout::Mimic, 2000, |plan| of(plan).len() > 1), 0);
    }

    #[test]
    fn no_two_data_sets_have_the_same_patients() {
        let layouts = Layout::value_variants();
        let seeds = layouts.iter().map(|&layout| Plan::new(layout, 3, 0).seed);
        let distinct: HashSet<u64> = seeds.collect();
        assert_eq!(distinct.len(), layouts.len());
        assert_eq!(Plan::new(Layout::Mimic, 3, 0).seed, 3);
    }

    #[test]
    fn films_alone_have_a_patient_each() {
        let patients = |layout| {
            let studies = (0..500).map(|index| Plan::new(layout, 3, index).study);
            let studies: Vec<Study> = studies.collect();
            assert!(studies.iter().zip(0..).all(|(s, index)| s.index == index));
            let distinct: HashSet<u64> = studies.iter().map(|s| s.patient).collect();
            distinct.len()
        };
        assert_eq!(patients(Layout::Rsna), 500);
        assert!((200..400).contains(&patients(Layout::Nih)));
    }
}
