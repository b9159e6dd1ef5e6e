//! Nodule: a lumpy ball.

use rand::Rng;

use super::{Blob, Effect, draw_height, sides};
use crate::body::anatomy::{Anatomy, Site};
use crate::body::functions::noise;
use crate::finding::Finding;

#[derive(Debug, Clone)]
pub(super) struct Nodule {
    blob: Blob,
    /// Attenuation at its centre.
    amp: f32,
    /// Seed of the lumps.
    grain: u32,
}

impl Nodule {
    pub(super) fn new(
        finding: &Finding,
        anatomy: &Anatomy,
        visibility: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let radii = [(0.38, 0.6), (0.65, 1.0), (1.1, 1.6)];
        let (low, high) = finding.severity.select(radii);
        let side = sides(finding).next().unwrap_or(0);
        let height = draw_height(finding.zone, rng);
        let (x, y) = anatomy.lung_point(side, height, rng.random_range(0.5..0.8));
        let blob = Blob {
            x,
            y,
            radius: rng.random_range(low..high),
            flat: rng.random_range(0.85..1.15),
        };
        Self {
            amp: 0.30 * visibility * (1.0 + blob.radius),
            blob,
            grain: rng.random(),
        }
    }

    pub(super) fn effect(&self, site: &Site, x: f32, y: f32) -> Effect {
        let Blob {
            x: centre, radius, ..
        } = self.blob;
        let lumps = 1.0 + 0.22 * noise((x - centre) / radius, y / radius, self.grain);
        let distance2 = self.blob.distance2(x, y) * lumps;
        let depth = (1.0 - distance2).max(0.0).sqrt();
        Effect {
            added: self.amp * depth * site.inside,
            marked: distance2 < 0.9 && site.inside > 0.5,
            ..Effect::default()
        }
    }
}
