//! The U-Net decoder of segmentation_models_pytorch on a ResNet. Variables have the names of that
//! package, so its weights can be loaded.

use mflag_encoder::init::{batch_norm, uniform};
use mflag_encoder::{Arch, Features};
use mflag_head::{Error, Result};
use tch::{Tensor, nn, nn::Module, nn::ModuleT};

/// Channels after each block.
const CHANNELS: [i64; 5] = [256, 128, 64, 32, 16];

/// The decoder. It enlarges the deepest features (C5) step by step to the size of the film. Each
/// step also reads the encoder's features of that size.
#[derive(Debug)]
pub struct Unet {
    blocks: Vec<Block>,
    head: nn::Conv2D,
}

impl Unet {
    /// Creates a decoder for one class with random weights under `decoder.` and
    /// `segmentation_head.` of `p`. Kernels are initialised by He's uniform rule for ReLU, the last
    /// kernel by Glorot's uniform rule.
    pub fn new(p: &nn::Path<'_>, arch: Arch) -> Unet {
        let [c2, c3, c4, c5] = arch.channels();
        let skips = [c4, c3, c2, 64, 0];
        let mut input = c5;
        let mut blocks = Vec::new();
        for (i, (skip, output)) in skips.into_iter().zip(CHANNELS).enumerate() {
            let p = p / "decoder" / "blocks" / i;
            blocks.push(Block::new(&p, input + skip, output));
            input = output;
        }
        let bound = (6.0 / ((input + 1) * 9) as f64).sqrt();
        let config = nn::ConvConfig {
            padding: 1,
            ws_init: uniform(bound),
            bs_init: nn::Init::Const(0.0),
            ..Default::default()
        };
        let head = nn::conv2d(p / "segmentation_head" / 0, input, 1, 3, config);
        Unet { blocks, head }
    }

    /// The features that [`Unet::forward`] reads, deepest first.
    pub fn inputs(features: Features) -> Vec<Tensor> {
        let [c2, c3, c4, c5] = features.stages;
        vec![c5, c4, c3, c2, features.stem]
    }

    /// Computes logits `[B, 1, H, W]` for films of H × W, both multiples of 32.
    ///
    /// # Errors
    /// If the inputs are not those of [`Unet::inputs`].
    pub fn forward(&self, inputs: &[Tensor], train: bool) -> Result<Tensor> {
        let [deepest, skips @ ..] = inputs else {
            return Err(Error::Data("a U-Net reads five features".into()));
        };
        let mut x = deepest.shallow_clone();
        let skips = skips.iter().map(Some).chain(std::iter::once(None));
        for (block, skip) in self.blocks.iter().zip(skips) {
            x = block.forward(&x, skip, train)?;
        }
        Ok(self.head.forward(&x))
    }
}

/// Doubles the size by repeating pixels, appends the encoder's features, and applies two
/// convolutions.
#[derive(Debug)]
struct Block {
    layers: [(nn::Conv2D, nn::BatchNorm); 2],
}

impl Block {
    fn new(p: &nn::Path<'_>, input: i64, output: i64) -> Block {
        let layer = |name: &str, input: i64| {
            let config = nn::ConvConfig {
                padding: 1,
                bias: false,
                ws_init: uniform((6.0 / (input * 9) as f64).sqrt()),
                ..Default::default()
            };
            let p = p / name;
            (
                nn::conv2d(&p / 0, input, output, 3, config),
                nn::batch_norm2d(&p / 1, output, batch_norm()),
            )
        };
        Block {
            layers: [layer("conv1", input), layer("conv2", output)],
        }
    }

    fn forward(&self, x: &Tensor, skip: Option<&Tensor>, train: bool) -> Result<Tensor> {
        let [.., height, width] = x.size()[..] else {
            return Err(Error::Data("features have four dimensions".into()));
        };
        let mut x = x.f_upsample_nearest2d([2 * height, 2 * width], None, None)?;
        if let Some(skip) = skip {
            x = Tensor::f_cat(&[&x, skip], 1)?;
        }
        for (conv, norm) in &self.layers {
            x = norm.forward_t(&conv.forward(&x), train).f_relu_()?;
        }
        Ok(x)
    }
}
