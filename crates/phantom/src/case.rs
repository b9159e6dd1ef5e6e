//! One study, drawn in memory.

use mflag_film::Film;

use crate::body::{Drawn, Object, Scene};
use crate::cohort::Study;
use crate::layouts::Layout;
use crate::located::Located;
use crate::recipe::Plan;
use crate::text::Report;

/// One study: its frontal film, what the film shows, and its report.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Patient, identifiers and projection.
    pub study: Study,
    /// The frontal film.
    pub film: Film,
    /// The findings (none to four), each with its mask and box on the film.
    pub findings: Vec<Located>,
    /// The foreign objects (none to eight), each with its mask and box on the film. Only layouts
    /// whose [`Recipe::objects`](crate::Recipe::objects) is set have any.
    pub objects: Vec<Located<Object>>,
    /// The report about the findings.
    pub report: Report,
}

impl Case {
    /// Draws case `index` of a layout and a seed. The film's longest side has `side` pixels.
    #[must_use]
    pub fn new(layout: &dyn Layout, seed: u64, index: u64, side: u32) -> Self {
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
    use crate::finding::Kind;
    use crate::layouts::{Mimic, ObjectCxr};

    /// The mean absolute difference of two films in grey levels, over the set pixels of a mask.
    fn mean_difference(a: &Film, b: &Film, mask: &[u8]) -> f64 {
        let pixels = a.pixels.iter().zip(&b.pixels).zip(mask);
        let marked = pixels.filter(|&(_, &m)| m == 1);
        let (sum, count) = marked.fold((0.0, 0.0), |(sum, count), ((&x, &y), _)| {
            (sum + f64::from(x.abs_diff(y)), count + 1.0)
        });
        sum / count
    }

    #[test]
    fn findings_are_visible_inside_their_masks() {
        for index in 0..300 {
            let plan = Plan::new(&Mimic, 2, index);
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
                let difference = mean_difference(&drawn.film, &plain, &located.mask);
                assert!(
                    difference > 4.0,
                    "film {index}: {finding:?} changes it by {difference:.1}"
                );
            }
        }
    }

    #[test]
    fn foreign_objects_are_visible_inside_their_masks() {
        let mut differences = Vec::new();
        for index in 0..100 {
            let plan = Plan::new(&ObjectCxr, 2, index);
            let drawn = Scene::new(&plan).draw(256);
            assert_eq!(drawn.objects.is_empty(), !plan.objects);
            let without = Plan {
                objects: false,
                ..plan
            };
            let plain = Scene::new(&without).draw(256).film;
            for located in &drawn.objects {
                let difference = mean_difference(&drawn.film, &plain, &located.mask);
                let form = located.finding.form;
                // The film is nearly white in front of the heart or the spine.
                assert!(
                    difference > 1.0,
                    "film {index}: {form:?} changes it by {difference:.1}"
                );
                differences.push(difference);
            }
        }
        differences.sort_by(f64::total_cmp);
        let tenth = differences[differences.len() / 10];
        let median = differences[differences.len() / 2];
        assert!(tenth > 8.0 && median > 20.0, "{tenth:.1}, {median:.1}");
    }
}
