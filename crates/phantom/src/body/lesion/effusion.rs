//! Pleural effusion: fluid at the base whose upper border, the meniscus, climbs to the chest wall.

use rand::Rng;

use super::{Effect, sides};
use crate::body::anatomy::{Anatomy, Site};
use crate::body::functions::edge;
use crate::cohort::{Projection, Study};
use crate::finding::Finding;

#[derive(Debug, Clone)]
pub(super) struct Effusion {
    /// The fluid of each side.
    fluids: [Option<Fluid>; 2],
    /// Fraction of the air that is filled below the meniscus.
    density: f32,
    /// Half of the width of the meniscus's soft edge.
    soft: f32,
}

#[derive(Debug, Clone, Copy)]
struct Fluid {
    /// Height (y) of the meniscus at the chest wall.
    at_wall: f32,
    /// How much lower the meniscus is at the mediastinum.
    rise: f32,
}

impl Fluid {
    fn meniscus(&self, site: &Site) -> f32 {
        let width = site.lateral - site.medial;
        let u = ((site.from_spine - site.medial) / width).clamp(0.0, 1.0);
        self.at_wall + self.rise * (1.0 - u * u * u)
    }
}

impl Effusion {
    pub(super) fn new(
        finding: &Finding,
        anatomy: &Anatomy,
        study: &Study,
        rng: &mut impl Rng,
    ) -> Self {
        let mut fluids = [None; 2];
        for side in sides(finding) {
            let ranges = [(1.8, 3.2), (4.2, 7.0), (8.5, 13.5)];
            let (low, high) = finding.severity.select(ranges);
            let height = rng.random_range(low..high);
            let rise = (0.35 * height + rng.random_range(0.6f32..1.6)).min(5.0);
            fluids[side] = Some(Fluid {
                at_wall: anatomy.angle[side] - height,
                rise,
            });
        }
        // In a patient who lies, the fluid spreads along the back, and its border is blurred.
        let layering = if study.projection == Projection::Ap {
            0.9
        } else {
            0.0
        };
        Self {
            fluids,
            density: 0.6 + 0.4 * finding.contrast,
            soft: 0.25 + (1.0 - finding.contrast) * 0.7 + layering * rng.random::<f32>(),
        }
    }

    pub(super) fn effect(&self, site: &Site, y: f32) -> Effect {
        let Some(fluid) = self.fluids[site.side] else {
            return Effect::default();
        };
        let cover = edge(y - fluid.meniscus(site), self.soft);
        Effect::fill(cover * self.density, cover > 0.5, site)
    }
}
