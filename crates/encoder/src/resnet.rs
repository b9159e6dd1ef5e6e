//! ResNet-18/34/50/101 (He et al., CVPR 2016) as torchvision builds them: same parameter names, same start, stride in
//! the 3×3 convolution of a bottleneck ("v1.5").

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Tensor, nn};

use crate::{Error, Result};

/// Architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 11.2 million parameters, 512 features.
    ResNet18,
    /// 21.3 million parameters, 512 features.
    ResNet34,
    /// 23.5 million parameters, 2048 features: the paper's.
    ResNet50,
    /// 42.5 million parameters, 2048 features.
    ResNet101,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 4] = [
        Arch::ResNet18,
        Arch::ResNet34,
        Arch::ResNet50,
        Arch::ResNet101,
    ];

    /// The name as configurations write it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::ResNet18 => "resnet18",
            Arch::ResNet34 => "resnet34",
            Arch::ResNet50 => "resnet50",
            Arch::ResNet101 => "resnet101",
        }
    }

    /// Blocks in each of the four stages.
    fn depths(self) -> [usize; 4] {
        match self {
            Arch::ResNet18 => [2, 2, 2, 2],
            Arch::ResNet34 | Arch::ResNet50 => [3, 4, 6, 3],
            Arch::ResNet101 => [3, 4, 23, 3],
        }
    }

    fn has_bottlenecks(self) -> bool {
        matches!(self, Arch::ResNet50 | Arch::ResNet101)
    }

    /// Channels of the stage features C2 to C5.
    pub fn channels(self) -> [i64; 4] {
        [64, 128, 256, 512].map(|planes| {
            if self.has_bottlenecks() {
                planes * 4
            } else {
                planes
            }
        })
    }

    /// Width of the pooled output.
    pub fn width(self) -> i64 {
        self.channels()[3]
    }
}

/// What a batch of films `[B, C, H, W]` becomes.
#[derive(Debug)]
pub struct Features {
    /// Output of the first convolution after BatchNorm and ReLU, `[B, 64, H/2, W/2]`.
    pub stem: Tensor,
    /// Output of the four stages, C2 `[B, c, H/4, W/4]` to C5 `[B, c, H/32, W/32]`.
    pub stages: [Tensor; 4],
    /// Mean of C5 over the plane, `[B, width]`.
    pub pooled: Tensor,
}

/// The network without its classifier (`fc`).
#[derive(Debug)]
pub struct ResNet {
    arch: Arch,
    pub(crate) conv1: Conv,
    pub(crate) bn1: Norm,
    pub(crate) stages: Vec<Vec<Block>>,
}

impl ResNet {
    /// A network with torchvision's random start in `p`: kernels normal with variance 2 / fan out, norms 1 and 0.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(p: &nn::Path<'_>, arch: Arch) -> Result<ResNet> {
        let bottlenecks = arch.has_bottlenecks();
        let mut input = 64;
        let mut stages = Vec::new();
        for (stage, (depth, output)) in arch.depths().into_iter().zip(arch.channels()).enumerate() {
            let mut blocks = Vec::new();
            for block in 0..depth {
                let p = p / format!("layer{}", stage + 1) / block;
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(Block::new(&p, input, output, stride, bottlenecks)?);
                input = output;
            }
            stages.push(blocks);
        }
        Ok(ResNet {
            arch,
            conv1: Conv::new(&(p / "conv1"), 3, 64, 7, 2)?,
            bn1: Norm::new(&(p / "bn1"), 64)?,
            stages,
        })
    }

    /// The architecture.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Features of films `[B, 3, H, W]`, or grey ones `[B, 1, H, W]`: these give the same as if repeated three times, at
    /// less work. With `train`, BatchNorm uses and updates the statistics of the batch.
    ///
    /// # Errors
    /// If the shape is another, and libtorch's own.
    pub fn features(&self, films: &Tensor, train: bool) -> Result<Features> {
        let stem = self.stem(films, train)?;
        let x = stem.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        let mut stages = Vec::with_capacity(4);
        for blocks in &self.stages {
            let mut x = stages.last().unwrap_or(&x).shallow_clone();
            for block in blocks {
                x = block.forward(&x, train)?;
            }
            stages.push(x);
        }
        let stages: [Tensor; 4] = stages
            .try_into()
            .map_err(|_| Error::Input("a ResNet has four stages".into()))?;
        let pooled = stages[3].f_mean_dim([2i64, 3].as_slice(), false, None)?;
        Ok(Features {
            stem,
            stages,
            pooled,
        })
    }

    /// The pooled output alone, `[B, width]`.
    ///
    /// # Errors
    /// As [`ResNet::features`].
    pub fn forward(&self, films: &Tensor, train: bool) -> Result<Tensor> {
        Ok(self.features(films, train)?.pooled)
    }

    fn stem(&self, films: &Tensor, train: bool) -> Result<Tensor> {
        let x = match films.size()[..] {
            [_, 3, _, _] => self.conv1.forward(films)?,
            // Three equal channels times their kernels: one channel times the sum of the kernels.
            [_, 1, _, _] => {
                let films = in_layout_of(&self.conv1.weight, films)?;
                self.conv1.summed_over_input()?.forward(&films)?
            }
            ref other => {
                let problem = format!("films must be [B, 3, H, W] or [B, 1, H, W], not {other:?}");
                return Err(Error::Input(problem));
            }
        };
        Ok(self.bn1.forward(&x, train)?.f_relu_()?)
    }
}

/// Films of one channel, said to be channels-last where `weight` is: their bytes lie alike either way, and libtorch computes in the
/// order that the strides tell.
fn in_layout_of(weight: &Tensor, films: &Tensor) -> Result<Tensor> {
    let [batch, _, height, width] = films.size()[..] else {
        return Ok(films.shallow_clone());
    };
    if weight.stride()[1] != 1 {
        return Ok(films.shallow_clone());
    }
    let films = films.f_contiguous()?.f_view([batch, height, width, 1])?;
    Ok(films.f_permute([0, 3, 1, 2])?)
}

/// A residual block: two 3×3 convolutions, or 1×1, 3×3, 1×1 as a bottleneck.
#[derive(Debug)]
pub(crate) struct Block {
    /// `conv1` and `bn1`, `conv2` and `bn2`, …
    pub(crate) layers: Vec<(Conv, Norm)>,
    pub(crate) downsample: Option<(Conv, Norm)>,
}

impl Block {
    fn new(
        p: &nn::Path<'_>,
        input: i64,
        output: i64,
        stride: i64,
        bottleneck: bool,
    ) -> Result<Block> {
        let narrow = output / 4;
        let shapes = if bottleneck {
            vec![
                (input, narrow, 1, 1),
                (narrow, narrow, 3, stride),
                (narrow, output, 1, 1),
            ]
        } else {
            vec![(input, output, 3, stride), (output, output, 3, 1)]
        };
        let mut layers = Vec::new();
        for (i, (from, to, kernel, stride)) in shapes.into_iter().enumerate() {
            let conv = Conv::new(&(p / format!("conv{}", i + 1)), from, to, kernel, stride)?;
            layers.push((conv, Norm::new(&(p / format!("bn{}", i + 1)), to)?));
        }
        let downsample = if stride != 1 || input != output {
            let p = p / "downsample";
            Some((
                Conv::new(&(&p / 0), input, output, 1, stride)?,
                Norm::new(&(&p / 1), output)?,
            ))
        } else {
            None
        };
        Ok(Block { layers, downsample })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let identity = match &self.downsample {
            Some((conv, norm)) => norm.forward(&conv.forward(x)?, train)?,
            None => x.shallow_clone(),
        };
        let mut y = x.shallow_clone();
        for (i, (conv, norm)) in self.layers.iter().enumerate() {
            y = norm.forward(&conv.forward(&y)?, train)?;
            if i + 1 < self.layers.len() {
                y = y.f_relu_()?;
            }
        }
        Ok(y.f_add_(&identity)?.f_relu_()?)
    }
}

/// A convolution without bias.
#[derive(Debug)]
pub(crate) struct Conv {
    pub(crate) weight: Tensor,
    pub(crate) stride: i64,
}

impl Conv {
    fn new(p: &nn::Path<'_>, input: i64, output: i64, kernel: i64, stride: i64) -> Result<Conv> {
        let stdev = (2.0 / (output * kernel * kernel) as f64).sqrt();
        let start = nn::Init::Randn { mean: 0.0, stdev };
        let weight = p.f_var("weight", &[output, input, kernel, kernel], start)?;
        Ok(Conv { weight, stride })
    }

    /// This convolution for one channel that stands for all.
    pub(crate) fn summed_over_input(&self) -> Result<Conv> {
        let weight = self
            .weight
            .f_sum_dim_intlist([1i64].as_slice(), true, None)?;
        Ok(Conv {
            weight,
            stride: self.stride,
        })
    }

    /// Side of the kernel.
    pub(crate) fn kernel(&self) -> i64 {
        self.weight.size()[2]
    }

    /// Zeros around the plane: half of the kernel.
    pub(crate) fn padding(&self) -> i64 {
        self.kernel() / 2
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let padding = self.padding();
        let (stride, padding) = ([self.stride; 2], [padding; 2]);
        Ok(x.f_conv2d(&self.weight, None::<Tensor>, stride, padding, [1, 1], 1)?)
    }
}

/// BatchNorm over the plane.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    pub(crate) running_mean: Tensor,
    pub(crate) running_var: Tensor,
}

/// Added to the variance before the root.
pub(crate) const EPSILON: f64 = 1e-5;

impl Norm {
    fn new(p: &nn::Path<'_>, channels: i64) -> Result<Norm> {
        Ok(Norm {
            weight: p.f_var("weight", &[channels], nn::Init::Const(1.0))?,
            bias: p.f_var("bias", &[channels], nn::Init::Const(0.0))?,
            running_mean: p.f_zeros_no_train("running_mean", &[channels])?,
            running_var: p.f_ones_no_train("running_var", &[channels])?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        Ok(x.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            0.1,
            EPSILON,
            false,
        )?)
    }
}
