//! Phantoms: synthetic chest films with findings of known place, and reports that tell of them.
//!
//! Everything about film `index` is a pure function of (seed, index), so films can be made in any order and on any
//! number of threads. The anatomy is coarse and serves tests, demonstrations and benchmarks; no number measured on
//! phantoms says anything about patients.

mod anatomy;
mod canvas;
mod cohort;
mod device;
mod disk;
mod exposure;
mod finding;
mod layout;
mod lesion;
mod object;
mod phrase;
mod recipe;
mod render;
mod report;
mod skeleton;

use mflag_film::Film;

use recipe::Plan;
use render::{Drawn, Scene};

pub use cohort::{Projection, Sex, Study};
pub use disk::{Options, Summary, write};
pub use finding::{Finding, Kind, Severity, Side, Zone};
pub use layout::Layout;
pub use object::{Form, Object};
pub use render::{Bounds, Located};
pub use report::{Mention, Report};

/// One study: the frontal film, what it shows and what is written of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Patient, identifiers, projection.
    pub study: Study,
    /// The film.
    pub film: Film,
    /// The findings (none to four), each with its mask and box on the film.
    pub findings: Vec<Located>,
    /// The foreign objects (none to eight), each with its mask and box on the film; in Object-CXR's layout alone.
    pub objects: Vec<Located<Object>>,
    /// The report of the findings.
    pub report: Report,
}

impl Case {
    /// Case `index` of the phantom `seed` of a data set; the film's longest side has `side` pixels.
    #[must_use]
    pub fn new(layout: Layout, seed: u64, index: u64, side: u32) -> Self {
        let plan = Plan::new(layout, seed, index);
        let report = Report::new(plan.seed, &plan.study, &plan.findings);
        let Drawn {
            film,
            findings,
            objects,
        } = Scene::new(&plan).draw(side);
        Self {
            study: plan.study,
            film,
            findings,
            objects,
            report,
        }
    }
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
            let plan = Plan::new(Layout::Mimic, 2, index);
            let drawn = Scene::new(&plan).draw(256);
            for &finding in plan
                .findings
                .iter()
                .filter(|f| f.kind != Kind::Cardiomegaly)
            {
                let mut without = plan.clone();
                without.findings.retain(|f| *f != finding);
                let plain = Scene::new(&without).draw(256).film;
                let Some(located) = drawn.findings.iter().find(|l| l.finding == finding) else {
                    panic!()
                };
                let seen = difference(&drawn.film, &plain, &located.mask);
                assert!(
                    seen > 4.0,
                    "film {index}: {finding:?} changes it by {seen:.1}"
                );
            }
        }
    }

    #[test]
    fn foreign_objects_are_to_be_seen_where_they_are_marked() {
        let mut all = Vec::new();
        for index in 0..100 {
            let plan = Plan::new(Layout::ObjectCxr, 2, index);
            let drawn = Scene::new(&plan).draw(256);
            assert_eq!(drawn.objects.is_empty(), !plan.objects);
            let without = Plan {
                objects: false,
                ..plan
            };
            let plain = Scene::new(&without).draw(256).film;
            for located in &drawn.objects {
                let seen = difference(&drawn.film, &plain, &located.mask);
                let form = located.finding.form;
                // Before heart or spine, a film is nearly white already.
                assert!(seen > 1.0, "film {index}: {form:?} changes it by {seen:.1}");
                all.push(seen);
            }
        }
        all.sort_by(f64::total_cmp);
        let (tenth, median) = (all[all.len() / 10], all[all.len() / 2]);
        assert!(tenth > 8.0 && median > 20.0, "{tenth:.1}, {median:.1}");
    }
}
