//! Pneumothorax: air between the lung and the chest wall, beyond a fine pleural line.

use rand::Rng;

use super::{Effect, sides};
use crate::body::anatomy::{Anatomy, Site};
use crate::body::functions::{Curve, edge};
use crate::finding::{Finding, Severity};

/// Half of the pleural line's width.
const PLEURA: f32 = 0.07;
/// Nodes of the tabulated pleural line.
const STEPS: usize = 128;

#[derive(Debug, Clone)]
pub(super) struct Pneumothorax {
    side: usize,
    /// Distance of the pleural line from the spine, along the height in the lung.
    line: Curve,
    /// The derivative of `line`.
    slope: Curve,
    visibility: f32,
}

impl Pneumothorax {
    pub(super) fn new(finding: &Finding, anatomy: &Anatomy, rng: &mut impl Rng) -> Self {
        let side = sides(finding).next().unwrap_or(0);
        let collapse = Collapse::draw(finding.severity, rng);
        let line = |t| collapse.pleural_line(anatomy, t);
        Self {
            side,
            line: Curve::sampled(STEPS, line),
            slope: Curve::sampled(STEPS, |t| (line(t + 0.01) - line(t - 0.01)) / 0.02),
            visibility: 0.3 + 0.7 * finding.contrast,
        }
    }

    /// `pixel` is a pixel's size in centimetres: the pleural line is drawn at least a pixel wide,
    /// and fainter where this widens it.
    pub(super) fn effect(&self, anatomy: &Anatomy, site: &Site, pixel: f32) -> Effect {
        if self.side != site.side {
            return Effect::default();
        }
        let tilt = self.slope.at(site.t) / anatomy.lung_height(site.side);
        // Distance from the pleural line at a right angle to it, positive in the air.
        let beyond = (site.from_spine - self.line.at(site.t)) / (1.0 + tilt * tilt).sqrt();
        let half = PLEURA + 0.5 * pixel;
        let pleura = (1.0 - (beyond / half).powi(2)).max(0.0);
        let fainter = PLEURA / half;
        let in_air = edge(beyond, 0.04 + 0.5 * pixel);
        Effect {
            filled: self.visibility * (0.14 - 0.32 * in_air),
            displaced: in_air,
            added: self.visibility * pleura * fainter * (site.inside - 0.5).max(0.0),
            marked: beyond > 0.0 && site.inside > 0.5,
        }
    }
}

/// How far the lung has collapsed.
struct Collapse {
    /// How far the lung's apex has sunk, as a fraction of the lung's height.
    drop: f32,
    /// Distance of the pleural line from the chest wall near the apex.
    gap: f32,
    /// Height in the lung at which the lung touches the chest wall again. If it is above 1, the
    /// lung does not touch the wall.
    end: f32,
}

impl Collapse {
    fn draw(severity: Severity, rng: &mut impl Rng) -> Self {
        let (drop, gap, end) = match severity {
            Severity::Mild => (0.035..0.085, 0.5..1.3, 0.35..0.7),
            Severity::Moderate => (0.09..0.16, 1.6..3.0, 0.75..1.0),
            Severity::Severe => (0.17..0.30, 3.8..6.0, 1.1..1.5),
        };
        Self {
            drop: rng.random_range(drop),
            gap: rng.random_range(gap),
            end: rng.random_range(end),
        }
    }

    /// Distance of the pleural line from the spine at height `t` in the lung.
    fn pleural_line(&self, anatomy: &Anatomy, t: f32) -> f32 {
        let Self { drop, gap, end } = *self;
        let fade = (1.0 - t / end).max(0.0);
        let fade = fade * (2.0 - fade);
        let (lateral, medial) = anatomy.borders((t - drop * fade) / (1.0 - drop * fade));
        if t < drop {
            // Above the sunk apex there is only air.
            medial - gap
        } else {
            lateral - gap * fade
        }
    }
}
