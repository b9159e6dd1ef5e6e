//! Random views of a film's resized square: crop, rotation, shift, scale, mirror and perspective in
//! one resampling, then changes of grey values, and blur.

use mflag_core::config;
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod bilinear;
mod homography;
mod official;
mod tone;
mod view;

use homography::Homography;
use official::Steps;
use tone::Tone;
pub use view::View;

/// Random changes of the training films. By default there are none: a view is the centre of the
/// resized square.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Cut the view of `data.side` pixels from a random position of the square of `data.resize`
    /// pixels; otherwise from its centre. Needs a `data.resize` above `data.side`.
    pub crop: bool,
    /// Rotation in degrees, drawn uniformly from this range. Positive turns the film anticlockwise.
    pub rotation: Degrees,
    /// Largest shift in both directions, as a share of the side.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub shift: f64,
    /// The magnification is drawn uniformly from 1 - `scale` to 1 + `scale`.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub scale: f64,
    /// Probability of rotation, shift and scale, which are applied together.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
    /// Probability of swapping left and right. On chest films, the heart shows which side is left.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub flip: f64,
    /// Random perspective.
    pub perspective: Perspective,
    /// How crop, rotation and perspective are resampled.
    pub resampling: Resampling,
    /// Probability of stretching the grey values so that the darkest becomes black and the
    /// brightest white.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub autocontrast: f64,
    /// Random brightness and contrast.
    pub jitter: Jitter,
    /// Random blur.
    pub blur: Blur,
}

impl Default for Augment {
    fn default() -> Self {
        Augment {
            crop: false,
            rotation: Degrees::default(),
            shift: 0.0,
            scale: 0.0,
            probability: 1.0,
            flip: 0.0,
            perspective: Perspective::default(),
            resampling: Resampling::default(),
            autocontrast: 0.0,
            jitter: Jitter::default(),
            blur: Blur::default(),
        }
    }
}

/// How a view is resampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resampling {
    /// All changes of place in one bilinear resampling. What a rotation leaves free shows the
    /// stored square beyond the crop, as far as it reaches.
    #[default]
    Once,
    /// As M-FLAG's authors: the crop, then rotation by the nearest pixel, then perspective by
    /// bicubic resampling. Outside of the crop is black. Masks and boxes are mapped as with `once`.
    Official,
}

/// A range of angles in degrees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Degrees {
    /// Smallest angle in degrees.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub from: f64,
    /// Largest angle in degrees.
    #[schemars(range(min = -180.0, max = 180.0))]
    pub to: f64,
}

/// Random perspective: each corner moves inwards by up to the distortion times half the side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Perspective {
    /// Largest movement of a corner, as a share of half the side.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub distortion: f64,
    /// Probability.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
}

/// Random brightness and contrast as in torchvision's ColorJitter, in random order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jitter {
    /// Factor of the grey values, drawn uniformly from 1 - `brightness` to 1 + `brightness`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub brightness: f64,
    /// Factor of the grey values' distances to their mean, drawn uniformly from 1 - `contrast` to
    /// 1 + `contrast`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub contrast: f64,
    /// Probability of changing both.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
}

/// Random Gaussian blur.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Blur {
    /// Smallest standard deviation in pixels.
    #[schemars(range(min = 0.0, max = 20.0))]
    pub from: f64,
    /// Largest standard deviation in pixels.
    #[schemars(range(min = 0.0, max = 20.0))]
    pub to: f64,
    /// Probability.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: f64,
}

impl config::Config for Augment {
    fn check(&self) -> Vec<String> {
        let ranges = [
            ("rotation", self.rotation.from, self.rotation.to),
            ("blur", self.blur.from, self.blur.to),
        ];
        let wrong = ranges.iter().filter(|(_, from, to)| from > to);
        let mut problems: Vec<String> = wrong
            .map(|(key, from, to)| format!("augment.{key}: from ({from}) is above to ({to})"))
            .collect();
        let others = [
            ("shift", self.shift),
            ("scale", self.scale),
            ("flip", self.flip),
        ];
        if self.resampling == Resampling::Official {
            let others = others.iter().filter(|(_, value)| *value != 0.0);
            problems.extend(others.map(|(key, value)| {
                format!(
                    "augment.{key}: is {value}, but must be 0 with augment.resampling=official, \
                     which has crop, rotation and perspective alone"
                )
            }));
        }
        problems
    }
}

impl Augment {
    /// Whether every view is the unchanged centre of the resized square.
    pub fn is_none(&self) -> bool {
        let Degrees { from, to } = self.rotation;
        let moves =
            self.probability > 0.0 && (from, to, self.shift, self.scale) != (0.0, 0.0, 0.0, 0.0);
        let bends = self.perspective.probability > 0.0 && self.perspective.distortion > 0.0;
        let Jitter {
            brightness,
            contrast,
            probability,
        } = self.jitter;
        let toned = probability > 0.0 && brightness.max(contrast) > 0.0;
        let blurred = self.blur.probability > 0.0 && self.blur.to > 0.0;
        let greys = self.autocontrast > 0.0 || toned || blurred;
        !(self.crop || moves || bends || self.flip > 0.0 || greys)
    }

    /// Draws a random view of `to` pixels a side from a resized square of `from` pixels a side.
    /// `to` is at most `from`.
    pub fn draw(&self, from: u32, to: u32, rng: &mut impl Rng) -> View {
        let room = f64::from(from - to);
        let start = |random: f64| {
            if self.crop {
                (random * (room + 1.0)).floor()
            } else {
                (room / 2.0).floor()
            }
        };
        // All random numbers are drawn, even those of changes that are switched off. So a change
        // that is switched off does not alter the random numbers of the others.
        let (left, top) = (start(rng.random()), start(rng.random()));
        let uniform = |least: f64, most: f64, random: f64| least + (most - least) * random;
        let angle = uniform(self.rotation.from, self.rotation.to, rng.random());
        let bent = rng.random_bool(self.perspective.probability);
        let corners = random_corners(to, self.perspective.distortion, rng);
        let stretched = rng.random_bool(self.autocontrast);
        let reach = self.shift * f64::from(to);
        let across = uniform(-reach, reach, rng.random());
        let down = uniform(-reach, reach, rng.random());
        let scale = uniform(1.0 - self.scale, 1.0 + self.scale, rng.random());
        let moved = rng.random_bool(self.probability);
        let flipped = rng.random_bool(self.flip);
        let jittered = rng.random_bool(self.jitter.probability);
        let mut factor = |reach: f64| {
            let factor = uniform(1.0 - reach, 1.0 + reach, rng.random());
            if jittered { factor as f32 } else { 1.0 }
        };
        let brightness = factor(self.jitter.brightness);
        let contrast = factor(self.jitter.contrast);
        let contrast_first = rng.random();
        let blurred = rng.random_bool(self.blur.probability);
        let sigma = uniform(self.blur.from, self.blur.to, rng.random());

        let mut map = Homography::shift(left, top);
        if moved {
            map = map
                .after(&Homography::rotation(angle, to))
                .after(&Homography::scale(scale, to))
                .after(&Homography::shift(across, down));
        }
        if bent {
            map = map.after(&Homography::perspective(to, &corners));
        }
        if flipped {
            map = map.after(&Homography::mirror(to));
        }
        View {
            map,
            official: (self.resampling == Resampling::Official).then(|| Steps {
                crop: [left as u32, top as u32],
                degrees: if moved { angle } else { 0.0 },
                perspective: bent.then(|| Homography::perspective(to, &corners)),
            }),
            from,
            to,
            tone: Tone {
                stretched,
                brightness,
                contrast,
                contrast_first,
                sigma: if blurred { sigma as f32 } else { 0.0 },
            },
        }
    }
}

/// New positions of a view's corners: top left, top right, bottom right, bottom left.
fn random_corners(side: u32, distortion: f64, rng: &mut impl Rng) -> [(f64, f64); 4] {
    let reach = (distortion * f64::from(side / 2)).floor();
    let end = f64::from(side - 1);
    let mut inwards = || (rng.random::<f64>() * (reach + 1.0)).floor();
    [
        (inwards(), inwards()),
        (end - inwards(), inwards()),
        (end - inwards(), end - inwards()),
        (inwards(), end - inwards()),
    ]
}

#[cfg(test)]
mod tests;
