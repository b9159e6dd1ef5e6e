//! Writes an encoder as ONNX.

use std::path::Path;

use prost::Message;
use tch::{Kind, Tensor};

use super::proto::{
    self, Attribute, Dimension, Entry, Extent, FLOAT, Model, Node, Opset, Shape, TensorType, Type,
    Value,
};
use super::{INPUT, OUTPUT};
use crate::Result;
use crate::film_encoder::FilmEncoder;
use crate::resnet::{Block, Conv, EPSILON, Norm, ResNet};
use mflag_weights::{atomic, tensor_bytes};

/// The version of the operators, and the version of the file format that belongs to it.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// How the BatchNorms are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchNorms {
    /// As separate nodes, with the names and values of the encoder.
    Separate,
    /// Folded into the convolution before each: fewer nodes, the same function up to rounding.
    Folded,
}

/// Writes an encoder as ONNX with operator set 17. The input `films` is f32 `[N, 1, S, S]`, grey
/// values from 0 to 255; the output `features` is f32 `[N, width]`. Initialisers have torchvision's
/// names; `conv1.weight` is summed over its three input channels. The metadata is that of
/// [`FilmEncoder::metadata`]. The same encoder gives the same bytes.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the file cannot be written. [`Error::Torch`] if memory does
/// not suffice for a copy of the weights.
///
/// [`Error::Torch`]: crate::Error::Torch
pub fn write_onnx(path: impl AsRef<Path>, encoder: &FilmEncoder, norms: BatchNorms) -> Result<()> {
    let mut graph = Graph::new(norms);
    let (scale, shift) = encoder.preprocess().scale_and_shift();
    graph.network(encoder.network(), scale, shift)?;
    let side = i64::from(encoder.preprocess().side);
    let films = [None, Some(1), Some(side), Some(side)];
    let features = [None, Some(encoder.arch().width())];
    let metadata = encoder.metadata()?.into_iter();
    let model = Model {
        ir_version: IR_VERSION,
        producer_name: "mflag".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!(
            "{INPUT}: grey values from 0 to 255, the middle of the film's square; \
             {OUTPUT}: the encoder's pooled output"
        ),
        graph: Some(proto::Graph {
            node: graph.nodes,
            name: encoder.arch().name().to_owned(),
            initializer: graph.initialisers,
            input: vec![value(INPUT, &films)],
            output: vec![value(OUTPUT, &features)],
        }),
        opset_import: vec![Opset {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: metadata.map(|(key, value)| Entry { key, value }).collect(),
    };
    Ok(atomic::write(path.as_ref(), |file| {
        file.write_all(&model.encode_to_vec())
    })?)
}

/// The type of an input or output; `None` stands for the number of films.
fn value(name: &str, extents: &[Option<i64>]) -> Value {
    let dimension = |extent: &Option<i64>| Dimension {
        extent: Some(extent.map_or_else(|| Extent::Named("N".to_owned()), Extent::Fixed)),
    };
    let tensor_type = TensorType {
        elem_type: FLOAT,
        shape: Some(Shape {
            dim: extents.iter().map(dimension).collect(),
        }),
    };
    Value {
        name: name.to_owned(),
        kind: Some(Type {
            tensor_type: Some(tensor_type),
        }),
    }
}

/// The nodes, in the order in which they run, and the constants that they read. The output of a
/// node has the name of the node.
struct Graph {
    norms: BatchNorms,
    nodes: Vec<Node>,
    initialisers: Vec<proto::Tensor>,
}

impl Graph {
    fn new(norms: BatchNorms) -> Graph {
        Graph {
            norms,
            nodes: Vec::new(),
            initialisers: Vec::new(),
        }
    }

    /// Adds the whole network, from [`INPUT`] to [`OUTPUT`].
    fn network(&mut self, network: &ResNet, scale: f64, shift: f64) -> Result<()> {
        self.constant("preprocess.scale", &Tensor::from(scale))?;
        self.constant("preprocess.shift", &Tensor::from(shift))?;
        let x = self.node("Mul", "preprocess.scaled", &[INPUT, "preprocess.scale"], []);
        let x = self.node(
            "Add",
            "preprocess.shifted",
            &[x.as_str(), "preprocess.shift"],
            [],
        );
        let stem = network.conv1.summed_over_input()?;
        let x = self.layer("conv1", &stem, "bn1", &network.bn1, &x)?;
        let x = self.node("Relu", "relu", &[&x], []);
        let mut x = self.node("MaxPool", "maxpool", &[&x], window(3, 2, 1));
        for (stage, blocks) in (1..).zip(&network.stages) {
            for (n, block) in blocks.iter().enumerate() {
                x = self.block(&format!("layer{stage}.{n}"), block, &x)?;
            }
        }
        let x = self.node("GlobalAveragePool", "avgpool", &[&x], []);
        self.node("Flatten", OUTPUT, &[&x], []);
        Ok(())
    }

    fn block(&mut self, name: &str, block: &Block, x: &str) -> Result<String> {
        let mut y = x.to_owned();
        for (n, (conv, norm)) in (1..).zip(&block.layers) {
            let (conv_name, norm_name) = (format!("{name}.conv{n}"), format!("{name}.bn{n}"));
            y = self.layer(&conv_name, conv, &norm_name, norm, &y)?;
            if n < block.layers.len() {
                y = self.node("Relu", &format!("{name}.relu{n}"), &[&y], []);
            }
        }
        let identity = match &block.downsample {
            None => x.to_owned(),
            Some((conv, norm)) => {
                let name = format!("{name}.downsample");
                self.layer(&format!("{name}.0"), conv, &format!("{name}.1"), norm, x)?
            }
        };
        let sum = self.node("Add", &format!("{name}.add"), &[&y, &identity], []);
        Ok(self.node("Relu", &format!("{name}.relu"), &[&sum], []))
    }

    /// Adds a convolution and its BatchNorm. Returns the name of the output.
    fn layer(
        &mut self,
        conv_name: &str,
        conv: &Conv,
        norm_name: &str,
        norm: &Norm,
        x: &str,
    ) -> Result<String> {
        let conv_part = |part: &str| format!("{conv_name}.{part}");
        let norm_part = |part: &str| format!("{norm_name}.{part}");
        let attributes = window(conv.kernel(), conv.stride, conv.padding());
        match self.norms {
            BatchNorms::Separate => {
                let weight = self.constant(&conv_part("weight"), &conv.weight)?;
                let x = self.node("Conv", conv_name, &[x, &weight], attributes);
                let inputs = [
                    x,
                    self.constant(&norm_part("weight"), &norm.weight)?,
                    self.constant(&norm_part("bias"), &norm.bias)?,
                    self.constant(&norm_part("running_mean"), &norm.running_mean)?,
                    self.constant(&norm_part("running_var"), &norm.running_var)?,
                ];
                let epsilon = Attribute::float("epsilon", EPSILON);
                Ok(self.node("BatchNormalization", norm_name, &inputs, [epsilon]))
            }
            BatchNorms::Folded => {
                let (weight, bias) = folded(conv, norm)?;
                let weight = self.constant(&conv_part("weight"), &weight)?;
                let bias = self.constant(&conv_part("bias"), &bias)?;
                Ok(self.node("Conv", conv_name, &[x, &weight, &bias], attributes))
            }
        }
    }

    /// Adds a node. Returns the name of its output.
    fn node<S: AsRef<str>>(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[S],
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> String {
        self.nodes.push(Node {
            input: inputs.iter().map(|name| name.as_ref().to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes.into_iter().collect(),
        });
        name.to_owned()
    }

    /// Adds a constant as f32. Returns its name.
    fn constant(&mut self, name: &str, value: &Tensor) -> Result<String> {
        self.initialisers.push(proto::Tensor {
            dims: value.size(),
            data_type: FLOAT,
            name: name.to_owned(),
            raw_data: tensor_bytes(&value.f_to_kind(Kind::Float)?)?,
        });
        Ok(name.to_owned())
    }
}

/// The attributes of a square sliding window.
fn window(kernel: i64, stride: i64, padding: i64) -> [Attribute; 3] {
    [
        Attribute::ints("kernel_shape", &[kernel; 2]),
        Attribute::ints("strides", &[stride; 2]),
        Attribute::ints("pads", &[padding; 4]),
    ]
}

/// The kernels and bias of a convolution that equals `conv` followed by `norm`, computed in
/// float64.
fn folded(conv: &Conv, norm: &Norm) -> Result<(Tensor, Tensor)> {
    let double = |x: &Tensor| x.f_to_kind(Kind::Double);
    let deviation = double(&norm.running_var)?.f_add_scalar(EPSILON)?.f_sqrt()?;
    let gain = double(&norm.weight)?.f_div(&deviation)?;
    let bias = double(&norm.bias)?.f_sub(&double(&norm.running_mean)?.f_mul(&gain)?)?;
    let weight = double(&conv.weight)?.f_mul(&gain.f_view([-1, 1, 1, 1])?)?;
    Ok((weight, bias))
}
