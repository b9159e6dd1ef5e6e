//! Opacity and consolidation: overlapping blobs of haze with a grain.

use rand::Rng;

use super::{Blob, Effect, MASKED, draw_height, sides};
use crate::body::anatomy::{Anatomy, Site};
use crate::body::functions::noise;
use crate::finding::{Finding, Zone};

#[derive(Debug, Clone)]
pub(super) struct Patches {
    blobs: Vec<Blob>,
    /// Fraction of the air that is filled at the blobs' centres.
    density: f32,
    /// Seed of the grain.
    grain: u32,
}

impl Patches {
    pub(super) fn new(
        finding: &Finding,
        anatomy: &Anatomy,
        density: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let mut blobs = Vec::new();
        for side in sides(finding) {
            let reach = finding.severity.select([1.7, 2.7, 4.0]) * rng.random_range(0.85..1.2);
            let height = draw_height(finding.zone, rng);
            // At the left base the heart takes the medial half.
            let beside_heart = finding.zone == Some(Zone::Lower) && side == 1;
            let from_medial = if beside_heart {
                rng.random_range(0.55..0.8)
            } else {
                rng.random_range(0.3..0.75)
            };
            let (x, y) = anatomy.lung_point(side, height, from_medial);
            for _ in 0..rng.random_range(4..8) {
                blobs.push(Blob {
                    x: x + reach * rng.random_range(-0.6..0.6),
                    y: y + reach * rng.random_range(-0.5..0.5),
                    radius: reach * rng.random_range(0.45..0.85),
                    flat: rng.random_range(0.7..1.2),
                });
            }
        }
        Self {
            blobs,
            density: density.min(0.9),
            grain: rng.random(),
        }
    }

    pub(super) fn effect(&self, site: &Site, x: f32, y: f32) -> Effect {
        let clear: f32 = self
            .blobs
            .iter()
            .map(|blob| 1.0 - (1.0 - blob.distance2(x, y)).max(0.0))
            .product();
        if clear >= 1.0 {
            return Effect::default();
        }
        let rough = 1.0
            + 0.45 * noise(x * 1.1, y * 1.1, self.grain)
            + 0.25 * noise(x * 2.7, y * 2.7, self.grain);
        let cover = ((1.0 - clear) * rough).clamp(0.0, 1.0);
        Effect::fill(cover * self.density, 1.0 - clear > MASKED, site)
    }
}
