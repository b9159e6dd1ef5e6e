//! Phantoms: synthetic chest films with findings of known place, and reports that tell of them.
//!
//! Everything about film `index` is a pure function of (seed, index), so films can be made in any order and on any
//! number of threads. The anatomy is coarse and serves tests, demonstrations and benchmarks; no number measured on
//! phantoms says anything about patients.

mod anatomy;
mod canvas;
mod cohort;
mod device;
mod exposure;
mod finding;
mod lesion;
mod mimic;
mod phrase;
mod render;
mod report;
mod skeleton;
mod tables;

use mflag_core::seed;
use mflag_film::Film;

use cohort::stream;

pub use cohort::{Projection, Sex, Study};
pub use finding::{Finding, Kind, Severity, Side, Zone};
pub use mimic::{Options, Summary, write_mimic};
pub use render::{Bounds, Located};
pub use report::{Mention, Report};

/// One study: the frontal film, what it shows and what is written of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Patient, identifiers, projection.
    pub study: Study,
    /// The film.
    pub film: Film,
    /// The findings (none to three), each with its mask and box on the film.
    pub findings: Vec<Located>,
    /// The report of these findings.
    pub report: Report,
}

impl Case {
    /// Case `index` of the phantom `seed`; the film's longest side has `side` pixels.
    #[must_use]
    pub fn new(seed: u64, index: u64, side: u32) -> Self {
        let (study, findings) = plan(seed, index);
        let report = Report::new(seed, &study, &findings);
        let (film, findings) = render::Scene::new(seed, &study, &findings).draw(side);
        Self {
            study,
            film,
            findings,
            report,
        }
    }
}

/// The study and its findings, before anything is drawn.
fn plan(seed: u64, index: u64) -> (Study, Vec<Finding>) {
    let study = Study::new(seed, index);
    let of_patient = &mut seed::rng(seed, stream::CHRONIC, study.patient);
    let of_study = &mut seed::rng(seed, stream::FINDINGS, index);
    let findings = finding::draw(&study, of_patient, of_study);
    (study, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean difference of two films in grey levels, where `mask` is set.
    fn difference(a: &Film, b: &Film, mask: &[u8]) -> f64 {
        let pixels = a.pixels.iter().zip(&b.pixels).zip(mask);
        let marked = pixels.filter(|&(_, &m)| m == 1);
        let (sum, count) = marked.fold((0.0, 0.0), |(sum, count), ((&x, &y), _)| {
            (sum + f64::from(x.abs_diff(y)), count + 1.0)
        });
        sum / count
    }

    #[test]
    fn findings_are_to_be_seen_where_they_are_marked() {
        for index in 0..300 {
            let (study, findings) = plan(2, index);
            for &finding in findings.iter().filter(|f| f.kind != Kind::Cardiomegaly) {
                let without: Vec<_> = findings.iter().copied().filter(|&f| f != finding).collect();
                let (film, located) = render::Scene::new(2, &study, &findings).draw(256);
                let (plain, _) = render::Scene::new(2, &study, &without).draw(256);
                let Some(located) = located.iter().find(|l| l.finding == finding) else {
                    panic!()
                };
                let seen = difference(&film, &plain, &located.mask);
                assert!(
                    seen > 4.0,
                    "film {index}: {finding:?} changes it by {seen:.1}"
                );
            }
        }
    }
}
