//! Recognises the model that weights belong to, from their names and shapes. Only error messages
//! use the result.

use std::fmt;

/// A kind of model.
#[derive(Debug, PartialEq)]
pub(super) enum Family {
    /// A ResNet of this depth, with its difference from torchvision's plain ResNet.
    ResNet(u32, Option<&'static str>),
    /// A BERT with this number of layers and, if its word embeddings are known, this hidden size.
    Bert(usize, Option<i64>),
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::ResNet(depth, None) => write!(f, "ResNet-{depth}"),
            Family::ResNet(depth, Some(variant)) => write!(f, "ResNet-{depth} {variant}"),
            Family::Bert(layers, None) => write!(f, "BERT with {layers} layers"),
            Family::Bert(layers, Some(width)) => {
                write!(f, "BERT with {layers} layers and hidden size {width}")
            }
        }
    }
}

/// The family of variables, given by name and shape. The names may have a prefix.
pub(super) fn family(variables: &[(&str, Vec<i64>)]) -> Option<Family> {
    resnet(variables).or_else(|| bert(variables))
}

fn resnet(variables: &[(&str, Vec<i64>)]) -> Option<Family> {
    let bottleneck = has(variables, "layer1.0.conv3.");
    let depth = match (count(variables, "layer3."), bottleneck) {
        (2, false) => 18,
        (6, false) => 34,
        (6, true) => 50,
        (23, true) => 101,
        (36, true) => 152,
        _ => return None,
    };
    has(variables, "layer1.0.conv1.").then(|| Family::ResNet(depth, variant(variables)))
}

fn bert(variables: &[(&str, Vec<i64>)]) -> Option<Family> {
    let width = variables
        .iter()
        .find(|(name, _)| name.ends_with("word_embeddings.weight"))
        .and_then(|(_, shape)| shape.get(1).copied());
    match count(variables, "encoder.layer.") {
        0 => None,
        layers => Some(Family::Bert(layers, width)),
    }
}

/// How a ResNet differs from torchvision's plain one.
fn variant(variables: &[(&str, Vec<i64>)]) -> Option<&'static str> {
    let kernels = variables
        .iter()
        .find(|(name, _)| name.ends_with("layer1.0.conv2.weight"))
        .map(|(_, shape)| shape.as_slice());
    if has(variables, "conv1.0.weight") {
        return Some("with a stem of three convolutions (timm's resnet50d and similar)");
    }
    if has(variables, "layer1.0.se.") {
        return Some("with squeeze and excitation");
    }
    match kernels {
        Some(&[output, input, ..]) if input < output => Some("with grouped convolutions (ResNeXt)"),
        Some(&[output, ..]) if output > 64 => Some("of double width"),
        _ => None,
    }
}

fn has(variables: &[(&str, Vec<i64>)], part: &str) -> bool {
    variables.iter().any(|(name, _)| name.contains(part))
}

/// The number of blocks: the highest number after `marker`, plus one.
fn count(variables: &[(&str, Vec<i64>)], marker: &str) -> usize {
    variables
        .iter()
        .filter_map(|(name, _)| {
            let (_, rest) = name.split_once(marker)?;
            rest.split('.').next()?.parse::<u16>().ok()
        })
        .max()
        .map_or(0, |highest| usize::from(highest) + 1)
}
