//! The YOLOv3 decoder (Redmon & Farhadi, 2018) on a ResNet, as in MGCA. Variables have the names of
//! MGCA's code, so its weights can be loaded.

use mflag_encoder::init::{batch_norm, uniform};
use mflag_encoder::{Arch, Features};
use mflag_head::{Error, Result};
use tch::{Tensor, nn, nn::Module, nn::ModuleT};

use crate::anchors::{LEVELS, PER_GRID};

/// Outputs of a cell and anchor before those of the classes: centre x and y, width, height,
/// objectness.
pub const BEFORE_CLASSES: i64 = 5;
/// Stride of each grid in pixels of the view.
pub const STRIDES: [i64; LEVELS] = [32, 16, 8];

/// Channels of the narrow layers of each grid; the wide layers have twice as many.
const CHANNELS: [i64; LEVELS] = [512, 256, 128];
/// Slope of the leaky ReLU below 0.
const SLOPE: f64 = 0.1;

/// The decoder: predicts boxes from the features C5, C4 and C3 on three grids, the coarsest first.
#[derive(Debug)]
pub struct Yolo {
    levels: Vec<Level>,
}

impl Yolo {
    /// Creates a decoder with random weights, as PyTorch draws them, under `embedding0.`,
    /// `embedding1_cbl.` … of `p`.
    pub fn new(p: &nn::Path<'_>, arch: Arch, classes: usize) -> Yolo {
        let [_, c3, c4, c5] = arch.channels();
        let outputs = PER_GRID as i64 * (BEFORE_CLASSES + classes as i64);
        let mut levels: Vec<Level> = Vec::new();
        for (level, (input, channels)) in [c5, c4, c3].into_iter().zip(CHANNELS).enumerate() {
            let above = level.checked_sub(1).map(|above| CHANNELS[above]);
            levels.push(Level::new(p, level, above, input, channels, outputs));
        }
        Yolo { levels }
    }

    /// The features that [`Yolo::forward`] reads.
    pub fn inputs(features: Features) -> Vec<Tensor> {
        let [_, c3, c4, c5] = features.stages;
        vec![c5, c4, c3]
    }

    /// Computes an output per grid, `[B, 3 · (5 + classes), H/s, W/s]`, where s is the grid's
    /// [stride](STRIDES), for films of H × W, both multiples of 32.
    ///
    /// # Errors
    /// If the inputs are not those of [`Yolo::inputs`].
    pub fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Vec<Tensor>> {
        if inputs.len() != LEVELS {
            return Err(Error::Data("YOLOv3 reads three features".into()));
        }
        let mut above: Option<Tensor> = None;
        let mut outputs = Vec::with_capacity(LEVELS);
        for (level, input) in self.levels.iter().zip(inputs) {
            let (output, branch) = level.forward(input, above.as_ref(), train)?;
            above = Some(branch);
            outputs.push(output);
        }
        Ok(outputs)
    }
}

/// The layers of one grid.
#[derive(Debug)]
struct Level {
    /// Reduces the channels of the coarser grid's branch, before this grid's features are appended.
    join: Option<Layer>,
    /// The first layers. The finer grid reads their result, too.
    branch: Vec<Layer>,
    last: Layer,
    output: nn::Conv2D,
}

impl Level {
    fn new(
        p: &nn::Path<'_>,
        level: usize,
        above: Option<i64>,
        input: i64,
        channels: i64,
        outputs: i64,
    ) -> Level {
        let join = above.map(|above| {
            let p = p / format!("embedding{level}_cbl");
            Layer::new(&p, above, above / 2, 1)
        });
        let p = &(p / format!("embedding{level}"));
        let wide = 2 * channels;
        let input = input + above.map_or(0, |above| above / 2);
        let mut branch = vec![Layer::new(&(p / 0), input, channels, 1)];
        for index in [1, 3] {
            branch.push(Layer::new(&(p / index), channels, wide, 3));
            branch.push(Layer::new(&(p / (index + 1)), wide, channels, 1));
        }
        Level {
            join,
            branch,
            last: Layer::new(&(p / 5), channels, wide, 3),
            output: convolution(&(p / "conv_out"), wide, outputs, 1, true),
        }
    }

    /// Returns the output and the branch for the finer grid.
    fn forward(
        &self,
        input: &Tensor,
        above: Option<&Tensor>,
        train: bool,
    ) -> Result<(Tensor, Tensor)> {
        let mut branch = match self.join.as_ref().zip(above) {
            None => input.shallow_clone(),
            Some((join, above)) => {
                let [.., height, width] = input.size()[..] else {
                    return Err(Error::Data("features have four dimensions".into()));
                };
                let above = join.forward(above, train)?;
                let above = above.f_upsample_nearest2d([height, width], None, None)?;
                Tensor::f_cat(&[&above, input], 1)?
            }
        };
        for layer in &self.branch {
            branch = layer.forward(&branch, train)?;
        }
        let output = self.output.forward(&self.last.forward(&branch, train)?);
        Ok((output, branch))
    }
}

/// Convolution, BatchNorm and a leaky ReLU.
#[derive(Debug)]
struct Layer {
    conv: nn::Conv2D,
    norm: nn::BatchNorm,
}

impl Layer {
    fn new(p: &nn::Path<'_>, input: i64, output: i64, kernel: i64) -> Layer {
        Layer {
            conv: convolution(&(p / "conv"), input, output, kernel, false),
            norm: nn::batch_norm2d(p / "bn", output, batch_norm()),
        }
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.norm.forward_t(&self.conv.forward(x), train);
        mflag_train::shim::leaky_relu(&x, SLOPE)?;
        Ok(x)
    }
}

/// A convolution with random weights, as PyTorch draws them: kernel and bias uniform within ±
/// 1/√(fan in).
fn convolution(p: &nn::Path<'_>, input: i64, output: i64, kernel: i64, bias: bool) -> nn::Conv2D {
    let start = uniform(1.0 / ((input * kernel * kernel) as f64).sqrt());
    let config = nn::ConvConfig {
        padding: kernel / 2,
        bias,
        ws_init: start,
        bs_init: start,
        ..Default::default()
    };
    nn::conv2d(p, input, output, kernel, config)
}
