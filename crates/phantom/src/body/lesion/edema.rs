//! Edema: haze around both hila.

use rand::Rng;

use super::{Effect, MASKED};
use crate::body::anatomy::{Anatomy, Site};
use crate::body::functions::noise;
use crate::finding::Finding;

#[derive(Debug, Clone)]
pub(super) struct Edema {
    hila: [(f32, f32); 2],
    /// How far the haze reaches from the hila to the sides.
    reach: f32,
    /// Fraction of the air that is filled at the hila.
    density: f32,
    /// Seed of the grain.
    grain: u32,
}

impl Edema {
    pub(super) fn new(
        finding: &Finding,
        anatomy: &Anatomy,
        visibility: f32,
        rng: &mut impl Rng,
    ) -> Self {
        Self {
            hila: [anatomy.hilum(0), anatomy.hilum(1)],
            reach: finding.severity.select([6.5, 8.0, 10.0]) * rng.random_range(0.9..1.1),
            density: visibility * finding.severity.select([0.3, 0.45, 0.62]),
            grain: rng.random(),
        }
    }

    pub(super) fn effect(&self, site: &Site, x: f32, y: f32) -> Effect {
        let (hilum_x, hilum_y) = self.hila[site.side];
        let reach = self.reach;
        let distance2 = ((x - hilum_x) / reach).powi(2) + ((y - hilum_y) / (reach * 1.15)).powi(2);
        let core = (1.0 - distance2).max(0.0);
        let rough = 0.75 + 0.5 * noise(x * 0.9, y * 0.9, self.grain);
        let cover = (core * rough).min(1.0);
        Effect::fill(cover * self.density, core > MASKED, site)
    }
}
