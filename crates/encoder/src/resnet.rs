//! ResNet-18/34/50/101 (He et al., CVPR 2016) as torchvision builds them: the same parameter names
//! and initial values, and the stride in the 3×3 convolution of a bottleneck ("v1.5").

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, nn};

use crate::{BatchNorm, Error, Result};

/// Architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 11.2 million parameters, 512 features.
    ResNet18,
    /// 21.3 million parameters, 512 features.
    ResNet34,
    /// 23.5 million parameters, 2048 features: the architecture of the paper.
    ResNet50,
    /// 42.5 million parameters, 2048 features.
    ResNet101,
}

impl Arch {
    /// All architectures.
    pub const ALL: [Arch; 4] = [
        Arch::ResNet18,
        Arch::ResNet34,
        Arch::ResNet50,
        Arch::ResNet101,
    ];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Arch::ResNet18 => "resnet18",
            Arch::ResNet34 => "resnet34",
            Arch::ResNet50 => "resnet50",
            Arch::ResNet101 => "resnet101",
        }
    }

    /// The number of parameters.
    pub fn parameters(self) -> u64 {
        match self {
            Arch::ResNet18 => 11_176_512,
            Arch::ResNet34 => 21_284_672,
            Arch::ResNet50 => 23_508_032,
            Arch::ResNet101 => 42_500_160,
        }
    }

    /// The number of blocks in each of the four stages.
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

    /// The channels of the feature maps C2 to C5.
    pub fn channels(self) -> [i64; 4] {
        [64, 128, 256, 512].map(|planes| {
            if self.has_bottlenecks() {
                planes * 4
            } else {
                planes
            }
        })
    }

    /// The length of the pooled vector.
    pub fn width(self) -> i64 {
        self.channels()[3]
    }
}

/// The features of a batch of films `[B, C, H, W]`.
#[derive(Debug)]
pub struct Features {
    /// The output of the first convolution after BatchNorm and ReLU, `[B, 64, H/2, W/2]`.
    pub stem: Tensor,
    /// The outputs of the four stages, C2 `[B, c, H/4, W/4]` to C5 `[B, c, H/32, W/32]`, with the
    /// channels of [`Arch::channels`].
    pub stages: [Tensor; 4],
    /// The mean of C5 over height and width, `[B, width]`.
    pub pooled: Tensor,
}

/// A ResNet without its classifier (`fc`).
#[derive(Debug)]
pub struct ResNet {
    arch: Arch,
    pub(crate) conv1: Conv,
    pub(crate) bn1: Norm,
    pub(crate) stages: Vec<Vec<Block>>,
}

impl ResNet {
    /// Adds a network to `p` with torchvision's initial values: kernels normal with variance
    /// 2 / fan out, BatchNorm weights 1 and biases 0.
    ///
    /// # Errors
    /// [`Error::Torch`] if the memory of the device does not suffice.
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

    /// Lets `norm` compute each BatchNorm in training mode.
    pub fn set_batch_norm(&mut self, norm: &Arc<dyn BatchNorm>) {
        let blocks = self.stages.iter_mut().flatten();
        let layers = blocks.flat_map(|block| block.layers.iter_mut().chain(&mut block.downsample));
        let norms = layers.map(|(_, norm)| norm).chain([&mut self.bn1]);
        norms.for_each(|layer| layer.in_training = Some(norm.clone()));
    }

    /// The features of films `[B, 3, H, W]`, or of grey films `[B, 1, H, W]`, which give the same
    /// result as three equal channels with less work. With `train`, BatchNorm uses the statistics
    /// of the batch and updates its running statistics.
    ///
    /// # Errors
    /// [`Error::Input`] for another shape. [`Error::Torch`] for another kind or device than the
    /// network's, and if memory does not suffice.
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

    /// Only the pooled vectors, `[B, width]`.
    ///
    /// # Errors
    /// As [`ResNet::features`].
    pub fn forward(&self, films: &Tensor, train: bool) -> Result<Tensor> {
        Ok(self.features(films, train)?.pooled)
    }

    /// The variables by their names in torchvision, BatchNorm's statistics included. They share the
    /// network's memory.
    pub fn variables(&self) -> Vec<(String, Tensor)> {
        let mut variables = Vec::new();
        add_layer(&mut variables, "conv1", &self.conv1, "bn1", &self.bn1);
        for (stage, blocks) in (1..).zip(&self.stages) {
            for (n, block) in blocks.iter().enumerate() {
                block.add_variables(&mut variables, &format!("layer{stage}.{n}"));
            }
        }
        variables
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.conv1.weight.device()
    }

    /// The kind of the convolutions' weights, which films must have, too.
    pub fn kind(&self) -> Kind {
        self.conv1.weight.kind()
    }

    /// The same network, on the same memory, without gradients.
    pub(crate) fn detached(&self) -> Result<ResNet> {
        self.map(Tensor::f_detach, Tensor::f_detach)
    }

    /// A copy whose convolutions compute in bfloat16.
    pub(crate) fn with_bf16_kernels(&self) -> Result<ResNet> {
        self.map(|kernel| kernel.f_to_kind(Kind::BFloat16), Tensor::f_detach)
    }

    /// The same network with each kernel `k` replaced by `kernel(k)`, and each tensor `t` of a
    /// BatchNorm by `norm(t)`.
    fn map(&self, kernel: TensorMap, norm: TensorMap) -> Result<ResNet> {
        let stage = |blocks: &Vec<Block>| -> Result<Vec<Block>> {
            blocks.iter().map(|block| block.map(kernel, norm)).collect()
        };
        Ok(ResNet {
            arch: self.arch,
            conv1: self.conv1.map(kernel)?,
            bn1: self.bn1.map(norm)?,
            stages: self.stages.iter().map(stage).collect::<Result<_>>()?,
        })
    }

    fn stem(&self, films: &Tensor, train: bool) -> Result<Tensor> {
        let x = match films.size()[..] {
            [_, 3, _, _] => self.conv1.forward(films)?,
            // Three equal channels times their kernels are one channel times the sum of the
            // kernels.
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

/// Gives films of one channel the strides of channels-last if `weight` has them. Their bytes are
/// the same in both layouts, but libtorch chooses the computation by the strides.
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

/// A function from a tensor of a network to the tensor that replaces it.
type TensorMap = fn(&Tensor) -> std::result::Result<Tensor, tch::TchError>;

/// A residual block: two 3×3 convolutions, or a bottleneck of 1×1, 3×3 and 1×1.
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

    fn add_variables(&self, variables: &mut Vec<(String, Tensor)>, block: &str) {
        for (n, (conv, norm)) in (1..).zip(&self.layers) {
            let (conv_name, norm_name) = (format!("{block}.conv{n}"), format!("{block}.bn{n}"));
            add_layer(variables, &conv_name, conv, &norm_name, norm);
        }
        if let Some((conv, norm)) = &self.downsample {
            let name = format!("{block}.downsample");
            add_layer(
                variables,
                &format!("{name}.0"),
                conv,
                &format!("{name}.1"),
                norm,
            );
        }
    }

    fn map(&self, kernel: TensorMap, norm: TensorMap) -> Result<Block> {
        let layer = |(conv, bn): &(Conv, Norm)| Ok((conv.map(kernel)?, bn.map(norm)?));
        Ok(Block {
            layers: self.layers.iter().map(layer).collect::<Result<_>>()?,
            downsample: self.downsample.as_ref().map(layer).transpose()?,
        })
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

/// Adds the variables of a convolution and its BatchNorm by their names.
fn add_layer(
    variables: &mut Vec<(String, Tensor)>,
    conv_name: &str,
    conv: &Conv,
    norm_name: &str,
    norm: &Norm,
) {
    let tensors = [
        (conv_name, "weight", &conv.weight),
        (norm_name, "weight", &norm.weight),
        (norm_name, "bias", &norm.bias),
        (norm_name, "running_mean", &norm.running_mean),
        (norm_name, "running_var", &norm.running_var),
    ];
    for (layer, part, tensor) in tensors {
        variables.push((format!("{layer}.{part}"), tensor.shallow_clone()));
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
        let init = nn::Init::Randn { mean: 0.0, stdev };
        let weight = p.f_var("weight", &[output, input, kernel, kernel], init)?;
        Ok(Conv { weight, stride })
    }

    fn map(&self, kernel: TensorMap) -> Result<Conv> {
        Ok(Conv {
            weight: kernel(&self.weight)?,
            stride: self.stride,
        })
    }

    /// The convolution of one channel with the same result as this one on equal channels.
    pub(crate) fn summed_over_input(&self) -> Result<Conv> {
        let weight = self
            .weight
            .f_sum_dim_intlist([1i64].as_slice(), true, None)?;
        Ok(Conv {
            weight,
            stride: self.stride,
        })
    }

    /// The side of the kernel.
    pub(crate) fn kernel(&self) -> i64 {
        self.weight.size()[2]
    }

    /// The width of the zeros around the input: half of the kernel.
    pub(crate) fn padding(&self) -> i64 {
        self.kernel() / 2
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let padding = self.padding();
        let (stride, padding) = ([self.stride; 2], [padding; 2]);
        Ok(x.f_conv2d(&self.weight, None::<Tensor>, stride, padding, [1, 1], 1)?)
    }
}

/// BatchNorm over batch, height and width.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    pub(crate) running_mean: Tensor,
    pub(crate) running_var: Tensor,
    /// Computes the layer in training mode, in place of libtorch.
    in_training: Option<Arc<dyn BatchNorm>>,
}

/// The share by which running statistics move to those of a batch.
const MOMENTUM: f64 = 0.1;

/// Added to the variance before its square root is taken.
pub(crate) const EPSILON: f64 = 1e-5;

impl Norm {
    fn new(p: &nn::Path<'_>, channels: i64) -> Result<Norm> {
        Ok(Norm {
            weight: p.f_var("weight", &[channels], nn::Init::Const(1.0))?,
            bias: p.f_var("bias", &[channels], nn::Init::Const(0.0))?,
            running_mean: p.f_zeros_no_train("running_mean", &[channels])?,
            running_var: p.f_ones_no_train("running_var", &[channels])?,
            in_training: None,
        })
    }

    fn map(&self, tensor: TensorMap) -> Result<Norm> {
        Ok(Norm {
            weight: tensor(&self.weight)?,
            bias: tensor(&self.bias)?,
            running_mean: tensor(&self.running_mean)?,
            running_var: tensor(&self.running_var)?,
            in_training: None,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if let (Some(norm), true) = (&self.in_training, train) {
            let affine = [&self.weight, &self.bias];
            let running = [&self.running_mean, &self.running_var];
            let y = norm.forward(x, affine, running, MOMENTUM, EPSILON);
            return y.map_err(Error::BatchNorm);
        }
        Ok(x.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            MOMENTUM,
            EPSILON,
            false,
        )?)
    }
}
